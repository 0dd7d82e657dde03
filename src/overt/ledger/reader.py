"""Reading a ledger: without a key, without a lock, while another process writes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from overt.errors import CorruptError, InvalidError, MissingError
from overt.ledger.bodies import decode_bundle
from overt.ledger.checkpoint import SignedCheckpoint
from overt.ledger.leaves import Body, Leaf
from overt.ledger.marker import read_marker
from overt.ledger.note import VerifierKey
from overt.ledger.recovery import CHECKPOINT
from overt.ledger.tiles import (
    WIDTH,
    DirectorySource,
    HashTiles,
    Source,
    bodies_path,
    decode_entries,
    entries_path,
    read_bundle,
    width_of,
)

_CACHED: Final = 64


class LedgerReader:
    """A ledger as it was when it was last looked at: `refresh` looks again. Not thread-safe: one a thread.

    Leaves, roots and proofs are those of the newest signed checkpoint, or of smaller trees. What is read is not checked
    against the tree leaf by leaf; `overt.ledger.verifying` does that. Every method raises UnavailableError if
    something cannot be read now, and CorruptError if it is not what a ledger holds.
    """

    def __init__(self, place: Path | Source, keys: Sequence[VerifierKey] | None = None) -> None:
        """Read a directory, or another source of its files.

        Args:
            place: where the ledger is.
            keys: the ledger's keys; the one its own marker names if None.

        Raises:
            MissingError: there is no ledger.
            CorruptError: its checkpoint is malformed, or signed by none of the keys.
        """
        self.source: Source = DirectorySource(place) if isinstance(place, Path) else place
        if keys is None:
            if not isinstance(self.source, DirectorySource):
                msg = f"{place}: give the key of a ledger that is not on this machine"
                raise InvalidError(msg)
            keys = [read_marker(self.source.directory).key]
        self.keys = tuple(keys)
        self.refresh()

    def refresh(self) -> SignedCheckpoint:
        """Look for the newest checkpoint, and return it."""
        try:
            checkpoint = SignedCheckpoint.parse(self.source.read(CHECKPOINT))
            checkpoint.require_log_key(self.keys)
        except (InvalidError, CorruptError) as error:
            msg = f"{self.source}/{CHECKPOINT}: {error}"
            raise CorruptError(msg) from error
        self.checkpoint = checkpoint
        self.tiles = HashTiles(self.source, checkpoint.size)
        self._bundles: OrderedDict[int, list[bytes]] = OrderedDict()
        return checkpoint

    @property
    def size(self) -> int:
        """Number of leaves."""
        return self.checkpoint.size

    def root(self, size: int | None = None) -> bytes:
        """Return the root of the tree, or of a smaller one, from the hash tiles."""
        return self.tiles.root(size)

    def inclusion(self, index: int, size: int | None = None) -> list[bytes]:
        """Return the audit path of a leaf, in the tree or in a smaller one."""
        return self.tiles.inclusion(index, size)

    def consistency(self, old: int, new: int | None = None) -> list[bytes]:
        """Return the proof that a smaller tree is the beginning of the tree, or of one in between."""
        return self.tiles.consistency(old, new)

    def envelope(self, index: int) -> bytes:
        """Return a leaf's bytes.

        Raises:
            MissingError: there is no such leaf.
        """
        if not 0 <= index < self.size:
            msg = f"{self.source}: there is no leaf {index}; the ledger has {self.size}"
            raise MissingError(msg)
        return self.envelopes(index // WIDTH)[index % WIDTH]

    def leaf(self, index: int) -> Leaf:
        """Return a leaf.

        Raises:
            MissingError: there is no such leaf.
        """
        return self._parsed(index, self.envelope(index))

    def body(self, index: int) -> Body | None:
        """Return a leaf's body, checked against the leaf's commitment; None if it was pruned.

        Raises:
            MissingError: there is no such leaf, or its body is gone without having been pruned.
            CorruptError: the body is not the one that the leaf commits to.
        """
        ((_, body),) = self.read_bodies([self.leaf(index)])
        return body

    def read_bodies(self, leaves: Iterable[Leaf]) -> Iterator[tuple[Leaf, Body | None]]:
        """Return leaves with their bodies (`body`), as many as are taken; quicker than one by one where they lie close.

        Raises:
            MissingError, CorruptError: as `body`.
        """
        held, lines = -1, []
        for leaf in leaves:
            number, place = divmod(leaf.index, WIDTH)
            if number != held:
                held, lines = number, decode_bundle(self.source.read(bodies_path(number)))
            if place >= len(lines):
                lines = decode_bundle(self.source.read(bodies_path(number)))  # It may have grown since.
            if place >= len(lines):
                msg = f"{self.source}: the body of leaf {leaf.index} is missing"
                raise MissingError(msg)
            yield leaf, self._body(leaf, lines[place])

    def _body(self, leaf: Leaf, line: bytes) -> Body | None:
        try:
            body = Body.parse(line)
        except InvalidError as error:
            msg = f"{self.source}: the body of leaf {leaf.index}: {error}"
            raise CorruptError(msg) from error
        if body is not None and body.commitment != leaf.commitment:
            msg = f"{self.source}: the body of leaf {leaf.index} was altered: the leaf commits to another"
            raise CorruptError(msg)
        return body

    def leaves(
        self,
        start: int = 0,
        end: int | None = None,
        *,
        kinds: Collection[str] = (),
        since_ns: int | None = None,
        until_ns: int | None = None,
        newest_first: bool = False,
    ) -> Iterator[Leaf]:
        """Return leaves one by one.

        Args:
            start: index of the first.
            end: index behind the last; the end of the tree if None.
            kinds: these kinds alone; `look.` stands for every kind that begins so.
            since_ns: written at this moment or later.
            until_ns: written before this moment.
            newest_first: in the order of falling indices.
        """
        end = self.size if end is None else min(end, self.size)
        start = max(start, 0)
        if since_ns is not None:
            start = max(start, self.first_since(since_ns))
        if until_ns is not None:
            end = min(end, self.first_since(until_ns))
        if start >= end:
            return
        wanted = _filter(kinds)
        numbers = range(start // WIDTH, (end - 1) // WIDTH + 1)
        for number in reversed(numbers) if newest_first else numbers:
            first = number * WIDTH
            if kinds and number not in self._bundles:
                data = self._entries_data(number)
                if not wanted(data):
                    continue  # A bundle without any such leaf need not be taken apart.
                envelopes = self._taken_apart(number, data)
            else:
                envelopes = self.envelopes(number)
            places = range(max(start - first, 0), min(end - first, WIDTH))
            for place in reversed(places) if newest_first else places:
                if wanted(envelopes[place]):
                    yield self._parsed(first + place, envelopes[place])

    def first_since(self, moment_ns: int) -> int:
        """Return the index of the first leaf written at a moment or later; the tree's size if there is none.

        Reads a bundle for each halving of the tree.
        """
        low, high = 0, self.size
        while low < high:
            middle = (low + high) // 2
            if self.leaf(middle).time_ns < moment_ns:
                low = middle + 1
            else:
                high = middle
        return low

    def envelopes(self, number: int) -> list[bytes]:
        """Return the entries of a bundle, as many as the tree has."""
        if number in self._bundles:
            self._bundles.move_to_end(number)
            return self._bundles[number]
        return self._taken_apart(number, self._entries_data(number))

    def _entries_data(self, number: int) -> bytes:
        path = entries_path(number, width_of(0, number, self.size))
        try:
            return read_bundle(self.source, entries_path(number), path)
        except MissingError as error:
            msg = f"{self.source}: leaves from {number * WIDTH} on cannot be read: {error}"
            raise CorruptError(msg) from error

    def _taken_apart(self, number: int, data: bytes) -> list[bytes]:
        """Return the entries of a bundle, as many as the tree has, and keep them for the next that asks."""
        width = width_of(0, number, self.size)
        try:
            entries = decode_entries(data)[:width]
        except InvalidError as error:
            msg = f"{self.source}: leaves from {number * WIDTH} on cannot be read: {error}"
            raise CorruptError(msg) from error
        if len(entries) < width:
            msg = f"{self.source}: {entries_path(number, width)} ends before leaf {number * WIDTH + len(entries)}"
            raise CorruptError(msg)
        self._bundles[number] = entries
        if len(self._bundles) > _CACHED:
            self._bundles.popitem(last=False)
        return entries

    def _parsed(self, index: int, envelope: bytes) -> Leaf:
        try:
            return Leaf.parse(index, envelope)
        except InvalidError as error:
            msg = f"{self.source}: {error}"
            raise CorruptError(msg) from error


def _filter(kinds: Collection[str]) -> Callable[[bytes], bool]:
    """Return a test of an envelope's kind that does not parse it: kinds hold nothing that JSON would escape."""
    if not kinds:
        return lambda _: True
    needles = [b'"kind":"' + kind.encode() + (b"" if kind.endswith(".") else b'"') for kind in kinds]
    return lambda envelope: any(needle in envelope for needle in needles)
