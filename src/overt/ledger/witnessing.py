"""A witness: remembers of each ledger the last checkpoint and the hashes of all leaves, and cosigns what continues it.

```
STATE/witness.key            secret line, mode 0600
STATE/witness.vkey           public key
STATE/logs/ID/log.json       a ledger that it knows: origin and keys
STATE/logs/ID/checkpoint     what it cosigned last
STATE/logs/ID/mirror         how many leaves its tiles cover
STATE/logs/ID/tile/...       hash tiles (C2SP tlog-tiles), as it saw them
STATE/logs/ID/refused/N      checkpoints that it refused: evidence, signed by the ledger's key
```

ID is the beginning of SHA-256 of the origin. The mirror is what lets a witness say which leaf was altered.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from overt.clock import SECOND, Clock, SystemClock
from overt.errors import ConflictError, CorruptError, ForbiddenError, InvalidError, MissingError
from overt.ledger import proofs
from overt.ledger.checkpoint import SignedCheckpoint, read_decimal
from overt.ledger.comparing import first_difference, first_leaf_that_differs
from overt.ledger.cosignature import cosign, cosigned_by
from overt.ledger.edge import HashEdge
from overt.ledger.files import FILE_MODE, FOLDER_MODE, LedgerFiles, locked, refused
from overt.ledger.keys import create_key, read_key
from overt.ledger.leaves import Leaf, time_text
from overt.ledger.note import COSIGNATURE, MAX_NOTE, NoteSigner, Signature, VerifierKey
from overt.ledger.tiles import WIDTH, DirectorySource, HashTiles, Source, decode_entries, entries_path, read_bundle
from overt.ledger.witness_protocol import AddCheckpoint
from overt.new_file import read_small, replace, write_new

KEY_FILE: Final = "witness.key"
VKEY_FILE: Final = "witness.vkey"
CHECKPOINT: Final = "checkpoint"
MIRROR: Final = "mirror"
MAX_REFUSED: Final = 100
_MAX_FILE: Final = 64 * 1024


class OtherSizeError(ConflictError):
    """A log's proof begins at another tree than the witness cosigned last."""

    def __init__(self, size: int) -> None:
        """Tell the size at which it must begin."""
        super().__init__(f"this witness cosigned {size} leaves last: the proof must begin there")
        self.size = size


@dataclass(frozen=True, slots=True)
class KnownLog:
    """A ledger that a witness knows."""

    directory: Path
    origin: str
    keys: tuple[VerifierKey, ...]

    def last(self) -> SignedCheckpoint | None:
        """Return what was cosigned last."""
        try:
            return SignedCheckpoint.parse(read_small(self.directory / CHECKPOINT, MAX_NOTE, "checkpoint"))
        except MissingError:
            return None
        except InvalidError as error:
            msg = f"{self.directory / CHECKPOINT}: {error}"
            raise CorruptError(msg) from error

    def mirrored(self) -> int:
        """Return how many leaves the mirror covers."""
        try:
            text = read_small(self.directory / MIRROR, 64, "size of the mirror").decode("ascii", "replace")
            return read_decimal(text.removesuffix("\n"), "the size of the mirror")
        except MissingError:
            return 0
        except InvalidError as error:
            msg = f"{self.directory / MIRROR}: {error}"
            raise CorruptError(msg) from error


def log_folder(origin: str) -> str:
    """Return the name of the folder in which a ledger of some origin is remembered."""
    return hashlib.sha256(origin.encode()).hexdigest()[:16]


class Witness:
    """A witness by its state directory. Safe between threads and processes: a ledger's state is locked while used."""

    def __init__(self, state: Path, *, clock: Clock | None = None) -> None:
        """Open a witness that `create` made.

        Raises:
            MissingError: there is none.
            CorruptError: its key is damaged, or no witness's.
            UnavailableError: its key cannot be read.
        """
        self.state, self._clock = state, clock or SystemClock()
        try:
            self.signer: NoteSigner = read_key(state / KEY_FILE)
        except MissingError as error:
            msg = f"{state} is no witness: it has no {KEY_FILE}; overt witness init makes one"
            raise MissingError(msg) from error
        if self.signer.kind != COSIGNATURE:
            msg = f"{state / KEY_FILE} is no witness's key"
            raise CorruptError(msg)

    @classmethod
    def create(cls, state: Path, name: str, *, clock: Clock | None = None) -> Witness:
        """Make a witness and its key.

        Raises:
            ConflictError: there is one already.
            InvalidError: the name is no name for a key.
            UnavailableError: the disk refuses.
        """
        try:
            state.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise refused(state, error) from error
        signer = create_key(state / KEY_FILE, name, COSIGNATURE)
        replace(state / VKEY_FILE, f"{signer.verifier}\n".encode(), 0o644)
        return cls(state, clock=clock)

    @property
    def key(self) -> VerifierKey:
        """The public key, to be given to whoever verifies."""
        return self.signer.verifier

    def add_log(self, key: VerifierKey) -> KnownLog:
        """Come to know a ledger by its key, or a further key of one; its origin is the key's name.

        Raises:
            UnavailableError: the disk refuses.
        """
        directory = self.state / "logs" / log_folder(key.name)
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise refused(directory, error) from error
        try:
            keys = self.log(key.name).keys
        except MissingError:
            keys = ()
        known = KnownLog(directory, key.name, (*keys, key) if key not in keys else keys)
        value = {"origin": key.name, "keys": [str(each) for each in known.keys]}
        replace(directory / "log.json", json.dumps(value, indent=2, ensure_ascii=False).encode() + b"\n", FILE_MODE)
        return known

    def forget(self, origin: str) -> None:
        """Know a ledger no more; what was remembered of it, evidence too, is put aside beside the others.

        Raises:
            UnavailableError: the disk refuses.
        """
        directory = self.state / "logs" / log_folder(origin)
        aside = directory.with_name(f"{directory.name}.until-{self._clock.utc_ns() // SECOND}")
        try:
            if directory.exists():
                directory.rename(aside)
        except OSError as error:
            raise refused(directory, error) from error

    def log(self, origin: str) -> KnownLog:
        """Return a ledger that is known.

        Raises:
            MissingError: it is not.
            CorruptError: what is remembered of it is damaged.
        """
        directory = self.state / "logs" / log_folder(origin)
        try:
            value = json.loads(read_small(directory / "log.json", _MAX_FILE, "known ledger"))
            return KnownLog(directory, str(value["origin"]), tuple(VerifierKey.parse(each) for each in value["keys"]))
        except MissingError as error:
            msg = f"this witness does not know {origin!r}: give the ledger's key, as its keepers told it to you"
            raise MissingError(msg) from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, InvalidError) as error:
            msg = f"{directory / 'log.json'} is damaged: {error}"
            raise CorruptError(msg) from error

    def cosign(self, source: Source) -> tuple[SignedCheckpoint, Signature]:
        """Look at a ledger's files, and cosign its newest checkpoint if all that was seen before is still there.

        Raises:
            MissingError: the ledger is not known, or a file of it is missing.
            CorruptError: its history was rewritten, shortened or forked; the message names the first leaf. The
                checkpoint is kept as evidence.
            InvalidError: its checkpoint is malformed.
            UnavailableError: something cannot be read, or the disk refuses.
        """
        signed = SignedCheckpoint.parse(source.read(CHECKPOINT))
        known = self.log(signed.checkpoint.origin)
        signed.require_log_key(known.keys)
        with locked(known.directory):
            last = known.last()
            try:
                self._extend_mirror(source, known, signed, last)
            except CorruptError:
                self._keep_refused(known, signed)
                raise
            return signed, self._persist(known, signed)

    def add_checkpoint(self, request: AddCheckpoint) -> Signature:
        """Answer a log's request, by its consistency proof alone.

        Raises:
            MissingError: the log is not known.
            ForbiddenError: none of its keys signed.
            InvalidError: the old size is larger than the new one.
            OtherSizeError: the proof begins at another tree than was cosigned last.
            ConflictError: the same size, and another root.
            CorruptError: the proof does not hold. The checkpoint is kept as evidence.
            UnavailableError: the disk refuses.
        """
        signed = request.checkpoint
        known = self.log(signed.checkpoint.origin)
        try:
            signed.require_log_key(known.keys)
        except CorruptError as error:
            raise ForbiddenError(str(error)) from error
        if request.old_size > signed.size:
            msg = f"the old size {request.old_size} is larger than that of the checkpoint, {signed.size}"
            raise InvalidError(msg)
        with locked(known.directory):
            last = known.last()
            size, root = (last.size, last.root) if last else (0, None)
            if request.old_size != size:
                raise OtherSizeError(size)
            if last is not None and size == signed.size and root != signed.root:
                self._keep_refused(known, signed)
                msg = f"{known.origin} signed two trees of {size} leaves: it was forked"
                raise ConflictError(msg)
            if root is None or size == 0:
                holds = not request.proof
            else:
                holds = proofs.is_consistent(size, root, signed.size, signed.root, request.proof)
            if not holds:
                self._keep_refused(known, signed)
                msg = f"the proof does not show that the {signed.size} leaves begin with the {size} that were cosigned"
                raise CorruptError(msg)
            return self._persist(known, signed)

    def _persist(self, known: KnownLog, signed: SignedCheckpoint) -> Signature:
        """Cosign, and remember it before anybody hears of it."""
        line = cosign(self.signer, signed.note.text, self._clock.utc_ns() // SECOND)
        remembered = SignedCheckpoint(signed.checkpoint, signed.note.with_signatures([line]))
        replace(known.directory / CHECKPOINT, remembered.encode(), FILE_MODE)
        return line

    def _keep_refused(self, known: KnownLog, signed: SignedCheckpoint) -> None:
        """Keep what the ledger's key signed and should not have."""
        folder = known.directory / "refused"
        try:
            folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
            names = {each.name for each in folder.iterdir()}
        except OSError as error:
            raise refused(folder, error) from error
        name = f"{signed.size}-{signed.root.hex()[:16]}"
        if name not in names and len(names) < MAX_REFUSED:
            write_new(folder / name, signed.encode(), FILE_MODE)

    def _extend_mirror(
        self, source: Source, known: KnownLog, signed: SignedCheckpoint, last: SignedCheckpoint | None
    ) -> None:
        """Take over the hashes of new leaves, if together with the mirror they make the signed tree."""
        mirrored = known.mirrored()
        mirror = DirectorySource(known.directory)
        if signed.size < max(mirrored, last.size if last else 0):
            raise self._shortened(source, known, signed, last)
        edge, files = self._grown(source, mirror, mirrored, signed.size)
        if edge.tree.root() != signed.root:
            raise self._rewritten(source, known, signed, last)
        if last is not None and mirrored < last.size:
            self._require_last(source, known, signed, last)
        target = LedgerFiles(known.directory)
        for path, data in files.items():
            target.put(path, data)
            target.sync(path)
        target.sync_folders()
        replace(known.directory / MIRROR, f"{signed.size}\n".encode(), FILE_MODE)
        for path in files:
            if ".p/" not in path:
                target.remove_partials(path)

    def _grown(self, source: Source, mirror: Source, mirrored: int, size: int) -> tuple[HashEdge, dict[str, bytes]]:
        """Return the mirror's edge with the source's further leaves, and the tiles that are new."""
        edge = HashEdge.read(mirror, mirrored)
        tiles = HashTiles(source, size)
        files: dict[str, bytes] = {}
        for number in range(mirrored // WIDTH, (size + WIDTH - 1) // WIDTH):
            edge, more = edge.grown(tiles.hashes(0, number)[edge.size - number * WIDTH :])
            files |= more
        kept = edge.partials()
        return edge, {path: data for path, data in files.items() if ".p/" not in path or path in kept}

    def _shortened(
        self, source: Source, known: KnownLog, signed: SignedCheckpoint, last: SignedCheckpoint | None
    ) -> CorruptError:
        before = max(known.mirrored(), last.size if last else 0)
        text = (
            f"{known.origin} was shortened: this witness saw {before} leaves{self._when(last)}, and now there are "
            f"{signed.size}; leaf {signed.size} is the first that is gone"
        )
        index = first_difference(
            HashTiles(DirectorySource(known.directory), known.mirrored()),
            HashTiles(source, signed.size),
            min(known.mirrored(), signed.size),
        )
        if index is not None:
            text += f"; and {_described(source, signed.size, index)} is another than was seen before"
        return CorruptError(text)

    def _rewritten(
        self, source: Source, known: KnownLog, signed: SignedCheckpoint, last: SignedCheckpoint | None
    ) -> CorruptError:
        mirrored = known.mirrored()
        mirror = HashTiles(DirectorySource(known.directory), mirrored)
        theirs = HashTiles(source, signed.size)
        index = first_difference(mirror, theirs, mirrored)
        if index is None:
            index = first_leaf_that_differs(mirror, theirs, mirrored)
        if index is None:
            return CorruptError(f"{source}: its tiles are not those of the tree of {signed.size} leaves that it signed")
        what = "forked" if last is not None and signed.size == last.size else "rewritten"
        return CorruptError(
            f"{known.origin} was {what}: {_described(source, signed.size, index)} is another than this witness saw"
            f"{self._when(last)}. It is the first that differs"
        )

    def _require_last(self, source: Source, known: KnownLog, signed: SignedCheckpoint, last: SignedCheckpoint) -> None:
        """See that the ledger's leaves are those that were cosigned by proof, and are not in the mirror yet."""
        if HashTiles(source, signed.size).root(last.size) != last.root:
            msg = (
                f"{known.origin} was rewritten: its first {last.size} leaves are not those that this witness "
                f"cosigned{self._when(last)}; the first that differs is one of {known.mirrored()} to {last.size - 1}"
            )
            raise CorruptError(msg)

    def _when(self, last: SignedCheckpoint | None) -> str:
        found = cosigned_by(last.note, [self.key]) if last else []
        return f" at {time_text(found[0].time_s * SECOND)}" if found else ""


def _described(source: Source, size: int, index: int) -> str:
    """Name a leaf, with its kind and time where they can be read."""
    number, at = divmod(index, WIDTH)
    try:
        path = entries_path(number, min(WIDTH, size - number * WIDTH))
        return str(Leaf.parse(index, decode_entries(read_bundle(source, entries_path(number), path))[at]))
    except (MissingError, InvalidError, CorruptError, IndexError):
        return f"leaf {index}"


def mirrored_logs(state: Path, origins: Sequence[str]) -> Iterator[KnownLog]:
    """Return what a witness's state directory remembers of ledgers of some origins; no key is needed."""
    for origin in origins:
        directory = state / "logs" / log_folder(origin)
        if (directory / "log.json").is_file():
            yield KnownLog(directory, origin, ())
