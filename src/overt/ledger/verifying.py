"""Verification of a whole ledger: every leaf, body and tile, against keys, checkpoints and copies kept elsewhere.

What a ledger says of itself proves little: whoever holds its key can write another one. What counts is what is kept
where they cannot reach: a checkpoint, a witness's cosignature, a copy of older tiles. From checkpoints alone the first
leaf that differs is known to lie between two of them; from a copy of the hash tiles it is known exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.x509 import Certificate

from overt.errors import CorruptError, InvalidError, MissingError
from overt.ledger import proofs
from overt.ledger.bodies import decode_bundle
from overt.ledger.checkpoint import SignedCheckpoint
from overt.ledger.comparing import first_difference
from overt.ledger.cosignature import cosigned_by
from overt.ledger.findings import Finding, FindingKind, Report
from overt.ledger.leaves import Body, Leaf, time_text
from overt.ledger.merkle import HASH_SIZE, leaf_hash
from overt.ledger.note import COSIGNATURE, VerifierKey
from overt.ledger.tiles import (
    WIDTH,
    HashTiles,
    Source,
    bodies_path,
    decode_entries,
    entries_path,
    perfect_root,
    read_bundle,
    spoken,
    tile_path,
    width_of,
)
from overt.ledger.timestamps import Stamped, stamp_time

MAX_MISSING: Final = 1000
"""Files that may be missing before a verification gives up: a forged checkpoint can claim any number of leaves."""
SKEW_S: Final = 300
"""Seconds that the clocks of a ledger and of a witness may differ without anybody saying so."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A checkpoint that was kept elsewhere, or cosigned, and where it was found."""

    signed: SignedCheckpoint
    where: str


@dataclass(frozen=True, slots=True)
class Copy:
    """Older tiles that were kept elsewhere: of a copy of the ledger, or of a witness's mirror."""

    source: Source
    size: int
    """Leaves that its tiles cover."""


@dataclass(frozen=True, slots=True)
class Trust:
    """What a verification is made against."""

    keys: Sequence[VerifierKey]
    """Of the ledger."""
    own_key: bool = False
    """Whether they were taken from the ledger itself."""
    kept: Sequence[Kept] = ()
    copies: Sequence[Copy] = ()
    witnesses: Sequence[VerifierKey] = ()
    quorum: int | None = None
    """How many witnesses must have cosigned; all if None."""
    stamps: Sequence[Stamped] = ()
    """Time stamps that are kept beside the ledger."""
    unreadable: Sequence[str] = ()
    """What is kept beside the ledger and could not be read: sentences that say so."""
    stamp_roots: Sequence[Certificate] = ()
    """Certificates of time-stamping authorities."""


def verify(
    source: Source,
    trust: Trust,
    *,
    with_bodies: bool = True,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Report:
    """Read all of a ledger, and say what is wrong with it.

    Args:
        source: the ledger.
        trust: what it is held against.
        with_bodies: whether bodies are there to be read; tiles on a web server have none.
        progress: told the leaves that are done, and how many there are.

    Raises:
        UnavailableError: something cannot be read now.
        CorruptError: a file is larger than any of a ledger.
    """
    return _Verification(source, trust, with_bodies, progress).run()


class _Verification:
    """One verification in its course."""

    def __init__(self, source: Source, trust: Trust, with_bodies: bool, progress: Callable[[int, int], None]) -> None:
        self.source, self.trust, self.with_bodies, self.progress = source, trust, with_bodies, progress
        self.report = Report(own_key=trust.own_key)
        self.size = 0
        self.roots: list[bytes] = []
        """Roots over 256 leaves each, as the entries make them."""
        self.levels: list[list[bytes]] = []
        """The same, and for each further level the roots over 256 times as many."""
        self.last: list[bytes] = []
        """Hashes of the leaves behind those."""
        self.previous: Leaf | None = None
        self.readable = True
        self.signed = False

    def run(self) -> Report:
        for text in self.trust.unreadable:
            self._add(FindingKind.CHECKPOINT, text)
        signed = self._checkpoint()
        if signed is None:
            return self.report
        self.size = signed.size
        self.report.origin, self.report.size, self.report.root = signed.checkpoint.origin, signed.size, signed.root
        for number in range((self.size + WIDTH - 1) // WIDTH):
            if self.report.counts.get(FindingKind.MISSING, 0) > MAX_MISSING:
                text = f"more than {MAX_MISSING} files are missing: what lies behind leaf {number * WIDTH} was not read"
                self.report.findings.append(Finding(FindingKind.MISSING, text, number * WIDTH))
                break
            self._bundle(number)
            self.progress(min((number + 1) * WIDTH, self.size), self.size)
        self._upper_tiles()
        if self.readable:
            stamped = [Kept(each.signed, each.where) for each in self.trust.stamps]
            self._against_checkpoints([Kept(signed, f"{self.source}/checkpoint"), *self.trust.kept, *stamped])
        for copy in self.trust.copies:
            self._against_copy(copy)
        self._witnesses([Kept(signed, f"{self.source}/checkpoint"), *self.trust.kept])
        self._stamps()
        if self.report.pruned:
            self._add(FindingKind.PRUNED, f"{self.report.pruned} bodies were pruned; their leaves stand")
        return self.report

    # What the ledger says of itself.

    def _checkpoint(self) -> SignedCheckpoint | None:
        path = f"{self.source}/checkpoint"
        try:
            signed = SignedCheckpoint.parse(self.source.read("checkpoint"))
        except MissingError:
            self._add(FindingKind.CHECKPOINT, f"{path} is missing: nothing says which leaves there must be")
            return None
        except InvalidError as error:
            self._add(FindingKind.CHECKPOINT, f"{path}: {error}")
            return None
        self.signed = self._require_key(signed, path)
        return signed

    def _require_key(self, signed: SignedCheckpoint, where: str) -> bool:
        """Tell whether one of the ledger's keys signed; say so if not."""
        try:
            signed.require_log_key(self.trust.keys)
        except CorruptError as error:
            known = any(line.is_of(key) for line in signed.note.signatures for key in self.trust.keys)
            self._add(FindingKind.SIGNATURE if known else FindingKind.KEY, f"{where}: {error}")
            return False
        return True

    def _bundle(self, number: int) -> None:
        """Read 256 leaves with their bodies; hold entries, hashes and bodies against each other."""
        first, width = number * WIDTH, width_of(0, number, self.size)
        entries = self._entries(number, width)
        if entries is None:
            self.readable = False
            return
        hashes = [leaf_hash(entry) for entry in entries]
        leaves = [self._leaf(first + at, entry) for at, entry in enumerate(entries)]
        self._tile(number, hashes, leaves)
        if self.with_bodies:
            self._bodies(number, leaves)
        if width == WIDTH:
            self.roots.append(perfect_root(hashes))
        else:
            self.last = hashes
        self.report.leaves += width

    def _entries(self, number: int, width: int) -> list[bytes] | None:
        path = entries_path(number, width)
        try:
            entries = decode_entries(read_bundle(self.source, entries_path(number), path))[:width]
        except MissingError:
            text = f"leaves {number * WIDTH} to {number * WIDTH + width - 1} are gone: {path} is missing"
            self._add(FindingKind.MISSING, text, number * WIDTH)
            return None
        except InvalidError as error:
            self._add(FindingKind.MISSING, f"{path} cannot be read: {error}", number * WIDTH)
            return None
        if len(entries) < width:
            lacking = number * WIDTH + len(entries)
            self._add(FindingKind.MISSING, f"{path} ends before leaf {lacking}, which is signed for", lacking)
            return None
        return entries

    def _leaf(self, index: int, entry: bytes) -> Leaf | None:
        try:
            leaf = Leaf.parse(index, entry)
        except InvalidError as error:
            self._add(FindingKind.LEAF, str(error), index)
            return None
        if self.previous is not None and leaf.time_ns < self.previous.time_ns:
            text = f"{leaf} is dated before {self.previous}, which stands in front of it: it was backdated"
            self._add_about(FindingKind.BACKWARDS, text, leaf)
        if leaf.behind_us and not (self.previous and self.previous.behind_us):
            seconds = leaf.behind_us / 1_000_000
            self._add_about(FindingKind.CLOCK, f"at {leaf} the machine's clock was {seconds:.6f} s behind", leaf)
        self.previous = leaf
        return leaf

    def _tile(self, number: int, hashes: list[bytes], leaves: list[Leaf | None]) -> None:
        """Hold the hashes of leaves against the tile that should have them."""
        path = tile_path(0, number, len(hashes))
        try:
            data = read_bundle(self.source, tile_path(0, number), path)
        except MissingError:
            self._add(FindingKind.MISSING, f"{path} is missing, {spoken(0, number)}", number * WIDTH)
            return
        for at, (hashed, leaf) in enumerate(zip(hashes, leaves, strict=True)):
            if data[at * HASH_SIZE : (at + 1) * HASH_SIZE] != hashed:
                index = number * WIDTH + at
                text = f"{_name(leaf, index)} is not the one whose hash stands in {path}: leaf or tile was altered"
                self._add_leaf(FindingKind.REWRITTEN, text, index, leaf)

    def _bodies(self, number: int, leaves: list[Leaf | None]) -> None:
        path = bodies_path(number)
        try:
            lines = decode_bundle(self.source.read(path))
        except MissingError:
            lines = []
        for at, leaf in enumerate(leaves):
            index = number * WIDTH + at
            if at >= len(lines):
                text = f"the body of {_name(leaf, index)} is missing from {path}, and not marked as pruned"
                self._add_leaf(FindingKind.BODY_MISSING, text, index, leaf)
                continue
            try:
                body = Body.parse(lines[at])
            except InvalidError as error:
                self._add_leaf(
                    FindingKind.BODY_ALTERED, f"the body of {_name(leaf, index)} in {path}: {error}", index, leaf
                )
                continue
            if body is None:
                self.report.pruned += 1
            elif leaf is not None and body.commitment != leaf.commitment:
                text = f"the body of {leaf} was altered: it is not the one that the leaf commits to"
                self._add_about(FindingKind.BODY_ALTERED, text, leaf)
            else:
                self.report.bodies += 1

    def _upper_tiles(self) -> None:
        """Hold every tile above the first level against what the entries make it."""
        level, hashes = 1, self.roots
        while hashes and self.readable:
            self.levels.append(hashes)
            for number in range((len(hashes) + WIDTH - 1) // WIDTH):
                due = hashes[number * WIDTH : (number + 1) * WIDTH]
                path = tile_path(level, number, len(due))
                try:
                    data = read_bundle(self.source, tile_path(level, number), path)
                except MissingError:
                    self._add(FindingKind.MISSING, f"{path} is missing, {spoken(level, number)}")
                    continue
                for at, hashed in enumerate(due):
                    if data[at * HASH_SIZE : (at + 1) * HASH_SIZE] != hashed:
                        each = WIDTH**level
                        start = (number * WIDTH + at) * each
                        text = (
                            f"leaves {start} to {start + each - 1} are not those that {path} was made from: "
                            "one of them, or the tile, was altered"
                        )
                        self._add(FindingKind.TILE, text, start)
            full = len(hashes) // WIDTH
            hashes = [perfect_root(hashes[at * WIDTH : (at + 1) * WIDTH]) for at in range(full)]
            level += 1

    # Against what is kept elsewhere.

    def _subtree(self, start: int, end: int) -> bytes:
        """Return the root over leaves as the entries make it (`overt.ledger.proofs.Subtree`)."""
        if end - start >= WIDTH:
            level = min(((end - start).bit_length() - 1) // 8, len(self.levels))
            return perfect_root(self.levels[level - 1][start >> 8 * level : end >> 8 * level])
        number, at = divmod(start, WIDTH)
        if number < len(self.roots):
            entries = decode_entries(self.source.read(entries_path(number)))
            return perfect_root([leaf_hash(each) for each in entries[at : at + end - start]])
        return perfect_root(self.last[at : at + end - start])

    def _against_checkpoints(self, kept: list[Kept]) -> None:
        """Hold the leaves against every signed checkpoint, and narrow down where they begin to differ."""
        good, gone = 0, False
        by_size: dict[int, Kept] = {}
        for each in sorted(kept, key=lambda one: one.signed.size):
            signed, size = each.signed, each.signed.size
            if each is not kept[0] and not self._require_key(signed, each.where):
                continue
            other = by_size.setdefault(size, each) if self.signed or each is not kept[0] else each
            if other.signed.root != signed.root:
                text = (
                    f"the ledger was forked: its key signed two trees of {size} leaves, one in {other.where}, "
                    f"another in {each.where}"
                )
                self._add(FindingKind.FORKED, text)
            if size > self.size:
                text = (
                    f"{size} leaves were signed for in {each.where}, and the ledger has {self.size}: "
                    f"leaf {self.size} is the first that is gone"
                )
                self._add(FindingKind.SHORTENED, text, self.size)
            elif proofs.range_root(0, size, self._subtree) == signed.root:
                good = good if each is kept[0] else size
            elif not gone:
                gone = True
                text = (
                    f"the first {size} leaves are not those that {each.where} was signed over; "
                    f"the first that differs is one of {good} to {size - 1}"
                )
                self._add(FindingKind.REWRITTEN, text, good)

    def _against_copy(self, copy: Copy) -> None:
        """Find the first leaf by which the ledger differs from a copy of its tiles."""
        size = min(copy.size, self.size)
        theirs, ours = HashTiles(copy.source, copy.size), HashTiles(self.source, self.size)
        try:
            index = first_difference(ours, theirs, size)
        except (MissingError, CorruptError) as error:
            self._add(FindingKind.MISSING, f"the ledger cannot be held against {copy.source}: {error}")
            return
        if index is not None:
            self._add_difference(copy, ours, theirs, index)
        elif copy.size > self.size:
            text = (
                f"{copy.source} has {copy.size} leaves, and the ledger {self.size}: "
                f"leaf {self.size} is the first that is gone"
            )
            self._add(FindingKind.SHORTENED, text, self.size)

    def _add_difference(self, copy: Copy, ours: HashTiles, theirs: HashTiles, index: int) -> None:
        here, there = _leaf_at(self.source, self.size, index), _leaf_at(copy.source, copy.size, index)
        name = _name(here, index)
        stood = f" (there it is {there.kind}, {time_text(there.time_ns)})" if there else ""
        mine, yours = ours.leaf(index), theirs.leaf(index)
        if index + 1 < copy.size and mine == theirs.leaf(index + 1):
            kind, what = FindingKind.DELETED, f"leaf {index} of {copy.source}{stood} was taken out of the ledger"
        elif index + 1 < self.size and ours.leaf(index + 1) == yours:
            kind, what = FindingKind.INSERTED, f"{name} was put in; {copy.source} has the next one in its place"
        else:
            kind, what = FindingKind.REWRITTEN, f"{name} is another than in {copy.source}{stood}"
        self._add_leaf(kind, f"{what}. It is the first that differs", index, here)

    def _witnesses(self, kept: list[Kept]) -> None:
        """See who cosigned what, and hold the leaves' times against the witnesses' clocks."""
        needed = len(self.trust.witnesses) if self.trust.quorum is None else self.trust.quorum
        enough = 0
        strangers: dict[str, str] = {}
        for each in kept:
            try:
                found = cosigned_by(each.signed.note, self.trust.witnesses)
            except CorruptError as error:
                self._add(FindingKind.SIGNATURE, f"{each.where}: {error}")
                continue
            size = each.signed.size
            self.report.cosigned += [(size, one) for one in found]
            if len(found) >= needed and size <= self.size:
                enough = max(enough, size)
            known = (*self.trust.keys, *self.trust.witnesses)
            for line in each.signed.note.signatures:
                if not any(line.is_of(key) for key in known):
                    strangers.setdefault(f"{line.name} ({line.key_id.hex()})", each.where)
            for one in found:
                self._against_clock(size, one.key.name, one.time_s)
        for name, where in strangers.items():
            self._add(FindingKind.UNKNOWN_WITNESS, f"{where} carries a signature of {name}, whose key was not given")
        if not needed:
            return
        if not enough and self.size:
            self._add(
                FindingKind.WITNESS, f"no checkpoint of this ledger was cosigned by {needed} of the given witnesses"
            )
        elif enough < self.size:
            text = f"leaves {enough} to {self.size - 1} are newer than what {needed} of the given witnesses cosigned"
            self._add(FindingKind.UNWITNESSED, text, enough)

    def _stamps(self) -> None:
        """See when authorities stamped which checkpoints, and hold the leaves' times against their clocks."""
        if self.trust.stamps and not self.trust.stamp_roots:
            text = f"{len(self.trust.stamps)} time stamps were not verified: no certificate of an authority was given"
            self._add(FindingKind.UNKNOWN_WITNESS, text)
            return
        for each in self.trust.stamps:
            try:
                time_ns = stamp_time(each.signed, each.response, self.trust.stamp_roots)
            except CorruptError as error:
                self._add(FindingKind.TIMESTAMP, f"{each.where}: {error}")
                continue
            self.report.stamped.append((each.signed.size, time_ns))
            self._against_clock(each.signed.size, "the time-stamping authority", time_ns // 1_000_000_000)

    def _against_clock(self, size: int, name: str, time_s: int) -> None:
        """A leaf that a witness did not yet see can hardly have been written long before."""
        leaf = _leaf_at(self.source, self.size, size) if size < self.size else None
        if leaf is not None and leaf.time_ns < (time_s - SKEW_S) * 1_000_000_000:
            text = (
                f"{leaf} is dated before {time_text(time_s * 1_000_000_000)}, when {name} signed a tree that did not "
                "have it: it was backdated, or the witness was shown an older copy"
            )
            self._add_about(FindingKind.LATE, text, leaf)

    # Findings.

    def _add(self, kind: FindingKind, text: str, leaf: int | None = None) -> None:
        self.report.add(Finding(kind, text, leaf))

    def _add_about(self, kind: FindingKind, text: str, leaf: Leaf) -> None:
        self.report.add(Finding.about(kind, text, leaf))

    def _add_leaf(self, kind: FindingKind, text: str, index: int, leaf: Leaf | None) -> None:
        self.report.add(Finding(kind, text, index) if leaf is None else Finding.about(kind, text, leaf))


def _name(leaf: Leaf | None, index: int) -> str:
    """Name a leaf that could be read, or could not."""
    return f"leaf {index}" if leaf is None else str(leaf)


def _leaf_at(source: Source, size: int, index: int) -> Leaf | None:
    """Return a leaf of a ledger or a copy; None if it has no entries, or none that can be read."""
    number, at = divmod(index, WIDTH)
    try:
        path = entries_path(number, width_of(0, number, size))
        return Leaf.parse(index, decode_entries(read_bundle(source, entries_path(number), path))[at])
    except (MissingError, InvalidError, CorruptError, IndexError):
        return None


def witness_keys(keys: Sequence[VerifierKey]) -> list[VerifierKey]:
    """Return keys if all are of witnesses.

    Raises:
        InvalidError: one is of another type.
    """
    for key in keys:
        if key.kind != COSIGNATURE:
            msg = f"{key} is no witness's key: those are of type 4, as overt witness init prints them"
            raise InvalidError(msg)
    return list(keys)
