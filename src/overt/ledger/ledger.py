"""The ledger as its one writer has it: what is appended is durable and signed for before `append` returns."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from overt.clock import Clock, SystemClock
from overt.errors import ConflictError, CorruptError, ForbiddenError, InvalidError, OvertError, UnavailableError
from overt.ledger import cosigned
from overt.ledger.bodies import BodyTail, encode_bundle, pruned
from overt.ledger.checkpoint import Checkpoint, SignedCheckpoint, sign
from overt.ledger.cosignature import Cosignature
from overt.ledger.edge import Edge
from overt.ledger.files import FOLDER_MODE, LOCK, DirectoryLock, LedgerFiles, refused
from overt.ledger.journal import Journal, Record
from overt.ledger.leaves import MICROSECOND, Body, Entry, Leaf, checked_kind
from overt.ledger.marker import MARKER, Marker, read_marker, write_marker
from overt.ledger.note import NoteSigner, Signature, VerifierKey
from overt.ledger.reader import LedgerReader
from overt.ledger.recovery import CHECKPOINT, recover
from overt.ledger.tiles import WIDTH, DirectorySource, bodies_path

MAX_BATCH: Final = 8192
"""Leaves that are made durable at once; more wait for the next flush."""
_log: Final = logging.getLogger(__name__)


@dataclass(slots=True)
class _Request:
    """What one caller wants appended."""

    kinds: list[str]
    bodies: list[Body]
    leaves: list[Leaf] = field(default_factory=list)
    failure: BaseException | None = None
    done: bool = False


class Ledger:
    """A ledger that is open for writing. Every method may be called from any thread; close it at the end.

    Threads that append at the same time share one flush to the disk: one of them writes for all.
    """

    def __init__(
        self,
        directory: Path,
        signer: NoteSigner,
        *,
        clock: Clock | None = None,
        witnesses: Iterable[VerifierKey] = (),
        seen: SignedCheckpoint | None = None,
    ) -> None:
        """Open a ledger; what the last run left unfinished is put right.

        Args:
            directory: made by `create`.
            signer: the ledger's key.
            clock: tells what time it is; the machine's if None.
            witnesses: whose cosignatures `add_cosignature` takes.
            seen: a checkpoint of this ledger that is kept elsewhere; the ledger must hold the tree it covers.

        Raises:
            ConflictError: another process writes it.
            ForbiddenError: it is the ledger of another key.
            CorruptError: the disk holds less than a signed checkpoint covers, or another tree.
            MissingError: the directory is no ledger.
            UnavailableError: the disk cannot be read.
        """
        self.directory = directory
        self.marker: Marker = read_marker(directory)
        if signer.verifier != self.marker.key:
            msg = f"{directory} is the ledger of key {self.marker.key}, not of {signer.verifier}"
            raise ForbiddenError(msg)
        self._signer, self._clock, self._witnesses = signer, clock or SystemClock(), tuple(witnesses)
        self._turn = threading.Condition()
        self._queue: list[_Request] = []
        self._writing = False
        self._closed = False
        self._lock = DirectoryLock(directory)
        self._files = LedgerFiles(directory)
        self._unsynced: set[str] = set()
        self._unpublished = self._unrecovered = False
        self._edge: Edge
        self._checkpoint: SignedCheckpoint
        self._tail: BodyTail
        try:
            self._journal = Journal(directory)
        except BaseException:
            self._lock.release()
            raise
        try:
            try:
                self._recover()
            except UnavailableError as error:
                if not hasattr(self, "_checkpoint"):
                    raise
                # Reading works, writing does not: the first append tries again, and says so if it still cannot.
                _log.warning("ledger %s: the last run is not yet put right: %s", directory, error)
            if seen is not None:
                self._require_seen(seen)
        except BaseException:
            self._journal.close()
            self._lock.release()
            raise

    @classmethod
    def create(
        cls,
        directory: Path,
        signer: NoteSigner,
        *,
        clock: Clock | None = None,
        witnesses: Iterable[VerifierKey] = (),
    ) -> Self:
        """Make a ledger without leaves, and open it. Its origin is the name of its key.

        Raises:
            ConflictError: the directory is a ledger already, or holds other things.
            UnavailableError: the disk refuses.
        """
        clock = clock or SystemClock()
        try:
            directory.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
            strangers = sorted({each.name for each in directory.iterdir()} - {LOCK, CHECKPOINT, f".{CHECKPOINT}.new"})
        except OSError as error:
            raise refused(directory, error) from error
        if strangers:
            what = "is a ledger already" if MARKER in strangers else f"is not empty: it holds {strangers[0]}"
            msg = f"{directory} {what}"
            raise ConflictError(msg)
        files, empty = LedgerFiles(directory), Edge()
        first = sign(Checkpoint(signer.name, 0, empty.root()), signer)
        files.put(CHECKPOINT, first.encode())
        files.sync(CHECKPOINT)
        files.sync_folders()
        write_marker(directory, signer.verifier, clock.utc_ns())
        return cls(directory, signer, clock=clock, witnesses=witnesses)

    @property
    def checkpoint(self) -> SignedCheckpoint:
        """The newest signed checkpoint."""
        return self._checkpoint

    @property
    def size(self) -> int:
        """Number of leaves."""
        return self._checkpoint.size

    @property
    def key(self) -> VerifierKey:
        """The public key."""
        return self.marker.key

    def reader(self) -> LedgerReader:
        """Return a reader of this ledger; one a thread."""
        return LedgerReader(self.directory, [self.key])

    def append(self, entry: Entry) -> Leaf:
        """Write down one thing; see `append_all`."""
        return self.append_all([entry])[0]

    def append_all(self, entries: Sequence[Entry]) -> list[Leaf]:
        """Write things down, all of them or none, one behind the other; return their leaves.

        When this returns, leaves and bodies have been flushed to the disk and lie under a signed checkpoint there.

        Raises:
            InvalidError: an entry is no lawful one.
            UnavailableError: they could not be written: the disk is full or refuses, or the lock was lost. None of them
                is in the ledger then, nor will be after a restart.
            ConflictError: the ledger is closed.
        """
        bodies = [Body.of(entry.body) for entry in entries]
        request = _Request([checked_kind(entry.kind) for entry in entries], bodies)
        if len(entries) > MAX_BATCH:
            msg = f"{len(entries)} entries are too many to be appended at once: at most {MAX_BATCH}"
            raise InvalidError(msg)
        if entries:
            self._take_turn(request)
        return request.leaves

    def prune(self, indices: Iterable[int]) -> int:
        """Forget the bodies of some leaves for good; the leaves stay. Returns how many were forgotten.

        Whoever prunes appends a leaf about it first. Takes as long as it takes to write every bundle anew that holds
        one of them; appending waits for each bundle.

        Raises:
            InvalidError: there is no such leaf.
            UnavailableError: the disk refuses; the bundles that are done stay done.
            CorruptError: a bundle of bodies does not hold as many as it must.
        """
        bundles: dict[int, set[int]] = {}
        for index in indices:
            if not 0 <= index < self.size:
                msg = f"{self.directory}: there is no leaf {index}"
                raise InvalidError(msg)
            bundles.setdefault(index // WIDTH, set()).add(index % WIDTH)
        count = 0
        for number, places in sorted(bundles.items()):
            with self._exclusive():
                count += self._prune_bundle(number, places)
        return count

    def add_cosignature(self, signed: SignedCheckpoint, lines: Sequence[Signature]) -> list[Cosignature]:
        """Keep what witnesses answered about a checkpoint of this ledger; return the cosignatures that count.

        Raises:
            ForbiddenError: no line is of a witness that this ledger was opened with.
            CorruptError: a cosignature is false, or the checkpoint is not one of this ledger's.
            UnavailableError: the disk refuses.
        """
        signed.require_log_key([self.key])
        kept, good = cosigned.verified_lines(signed, lines, self._witnesses)
        if signed.size > self.size or self.reader().root(signed.size) != signed.root:
            msg = f"the cosigned checkpoint of {signed.size} leaves is of another tree: this ledger was forked"
            raise CorruptError(msg)
        merged = cosigned.add(self.directory, signed, kept)
        with self._exclusive():
            self._ready()
            if self._checkpoint.note.text == merged.note.text:
                self._checkpoint = merged
                self._files.put(CHECKPOINT, merged.encode())
        return good

    def consistency_since(self, size: int) -> list[bytes]:
        """Return the proof from an older size to the newest checkpoint's, as a witness asks for it."""
        return self.reader().consistency(size, self.size) if size else []

    def settle(self) -> None:
        """Make tiles and bundles durable and empty the journal; happens by itself with every 256th leaf.

        Raises:
            UnavailableError: the disk refuses. Nothing is lost: the journal has it.
        """
        with self._exclusive():
            self._ready()
            self._settle()

    def close(self) -> None:
        """Settle and give the lock back; further calls do nothing.

        Raises:
            UnavailableError: the disk refuses to settle; the next opening does it. The lock is given back.
        """
        if self._closed:
            return
        with self._exclusive():
            self._closed = True
            try:
                if not self._unrecovered:
                    self._settle()
            finally:
                self._journal.close()
                self._lock.release()

    def __enter__(self) -> Self:
        """Return the ledger."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the ledger."""
        self.close()

    # Turns: whoever comes first writes for all that wait.

    def _take_turn(self, request: _Request) -> None:
        with self._turn:
            self._queue.append(request)
            while self._writing and not request.done:
                self._turn.wait()
            if not request.done:
                self._writing = True
                batch = self._next_batch(request)
            else:
                batch = []
        if batch:
            try:
                self._write(batch)
            finally:
                self._give_turn()
        if request.failure is not None:
            raise request.failure

    def _next_batch(self, own: _Request) -> list[_Request]:
        """Return one's own request and as many others, in their order, as go into one flush."""
        room, batch, left = MAX_BATCH - len(own.kinds), [], []
        for each in self._queue:
            if each is own:
                batch.append(each)
            elif len(each.kinds) <= room:
                batch.append(each)
                room -= len(each.kinds)
            else:
                left.append(each)
        self._queue = left
        return batch

    def _write(self, batch: list[_Request]) -> None:
        """Commit a batch and tell those who wait; then, while others go their way, settle if it is time."""
        before = self._edge.size // WIDTH
        failure: OvertError | None = UnavailableError(f"{self.directory}: writing was broken off; nothing was written")
        try:
            self._commit(batch)
            failure = None
        except OvertError as error:
            failure = error
        except BaseException:
            self._unrecovered = True  # What the disk holds is read again before anything else is written.
            raise
        finally:
            with self._turn:
                for each in batch:
                    each.done = True
                    each.failure = None if failure is None else type(failure)(str(failure))
                self._turn.notify_all()
        if failure is None and self._edge.size // WIDTH > before:
            try:
                self._settle()
            except UnavailableError as error:
                # The leaves are durable in the journal; before the next append all is written anew from there.
                self._unrecovered = True
                _log.warning("ledger %s: tiles could not be made durable: %s", self.directory, error)

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        """Let nobody append meanwhile."""
        with self._turn:
            while self._writing:
                self._turn.wait()
            if self._closed:
                msg = f"{self.directory}: this ledger was closed"
                raise ConflictError(msg)
            self._writing = True
        try:
            yield
        finally:
            self._give_turn()

    def _give_turn(self) -> None:
        with self._turn:
            self._writing = False
            self._turn.notify_all()

    # Writing, by the thread whose turn it is.

    def _ready(self) -> None:
        """See that the ledger is open, the lock ours, and memory as the disk is."""
        if self._closed:
            msg = f"{self.directory}: this ledger was closed"
            raise ConflictError(msg)
        self._lock.check()
        if self._unrecovered:
            self._recover()

    def _commit(self, batch: list[_Request]) -> None:
        """Bring a batch into the tree and onto the disk, all of it or nothing."""
        self._ready()
        leaves = self._leaves(batch)
        envelopes = [leaf.envelope() for leaf in leaves]
        lines = [body.line() for each in batch for body in each.bodies]
        edge, files = self._edge.grown(envelopes)
        tail, bundles = self._tail.grown(lines)
        signed = sign(Checkpoint(self._signer.name, edge.size, edge.root()), self._signer)
        record = Record(self._edge.size, tuple(envelopes), tuple(lines), signed.encode()).encode()
        length = self._journal.length
        try:
            # What no checkpoint covers yet disturbs nobody. The journal's flush is the moment from which it counts.
            for path, data in files.items():
                # A partial tile is read once a checkpoint asks for it; a full one as soon as it is there.
                (self._files.put_unseen if ".p/" in path else self._files.put)(path, data)
            for path, (offset, data) in bundles.items():
                self._files.write_at(path, data, offset)
            self._files.put_aside(CHECKPOINT, signed.encode())
            self._journal.append(record)
        except BaseException:
            self._journal.take_back(length)
            self._withdraw(files, bundles)
            raise
        self._edge, self._tail, self._checkpoint = edge, tail, signed
        self._unsynced |= {path for path in files if ".p/" not in path} | set(bundles)
        self._publish()
        at = 0
        for each in batch:
            each.leaves = leaves[at : at + len(each.kinds)]
            at += len(each.kinds)

    def _leaves(self, batch: list[_Request]) -> list[Leaf]:
        """Give a batch's entries their places and their time, which never runs backwards."""
        now_ns = self._clock.utc_ns() // MICROSECOND * MICROSECOND
        time_ns = max(now_ns, self._edge.time_ns)
        behind_us = (time_ns - now_ns) // MICROSECOND
        pairs = [pair for each in batch for pair in zip(each.kinds, each.bodies, strict=True)]
        return [
            Leaf(self._edge.size + at, kind, time_ns, behind_us, body.commitment)
            for at, (kind, body) in enumerate(pairs)
        ]

    def _withdraw(self, files: Iterable[str], bundles: dict[str, tuple[int, bytes]]) -> None:
        """Take away what was written for a batch that is not in the tree. What cannot be taken away does no harm."""
        for path in files:
            with contextlib.suppress(UnavailableError):
                self._files.remove(path)
        for path, (offset, _) in bundles.items():
            with contextlib.suppress(UnavailableError):
                self._files.cut(path, offset)

    def _publish(self) -> None:
        """Let readers see the checkpoint that was written aside."""
        try:
            self._files.put_in_place(CHECKPOINT)
            self._unpublished = False
        except UnavailableError as error:
            self._unpublished = True
            _log.warning("ledger %s: the checkpoint is signed but not yet seen by readers: %s", self.directory, error)

    def _settle(self) -> None:
        if not self._journal.length and not self._unsynced:
            return
        if self._unpublished:
            self._files.put(CHECKPOINT, self._checkpoint.encode())
            self._unpublished = False
        for path in sorted(self._unsynced | set(self._edge.partials())):
            self._files.sync(path)
        self._files.sync(CHECKPOINT)
        self._files.sync_folders()
        self._journal.clear()
        for path in self._unsynced:
            if not path.startswith("bodies/"):
                self._files.remove_partials(path)
        self._unsynced.clear()

    def _recover(self) -> None:
        """Read what the disk holds, and complete tiles and bundles from the journal."""
        self._unrecovered = True
        opened = recover(self.directory, self._journal, self.marker.key)
        self._edge, self._checkpoint = opened.edge, opened.checkpoint
        self._tail = BodyTail(opened.edge.size, len(encode_bundle(opened.lines)))
        for path, data in opened.files.items():
            self._files.put(path, data)
        self._unsynced |= {path for path in opened.files if ".p/" not in path}
        if opened.files:
            self._files.put(CHECKPOINT, self._checkpoint.encode())
            self._settle()
        self._unrecovered = False

    def _prune_bundle(self, number: int, places: set[int]) -> int:
        self._ready()
        self._settle()  # The journal holds bodies too.
        path, width = bodies_path(number), min(WIDTH, self._edge.size - number * WIDTH)
        data, count = pruned(DirectorySource(self.directory).read(path), number, width, places)
        if count:
            self._files.put(path, data)
            self._files.sync(path)
            self._files.sync_folders()
            if number == self._edge.size // WIDTH:
                self._tail = BodyTail(self._edge.size, len(data))
        return count

    def _require_seen(self, seen: SignedCheckpoint) -> None:
        """Refuse a directory that holds less, or other, than a checkpoint that is kept elsewhere."""
        seen.require_log_key([self.marker.key])
        if seen.size > self.size:
            msg = (
                f"{self.directory} holds {self.size} leaves, and {seen.size} were signed for: leaf {self.size} is the "
                "first that is missing. Was an older copy put back? Do not go on with it: a second leaf of that number "
                "would fork the ledger"
            )
            raise CorruptError(msg)
        if self.reader().root(seen.size) != seen.root:
            msg = f"{self.directory}: its first {seen.size} leaves are not those that were signed for earlier"
            raise CorruptError(msg)
