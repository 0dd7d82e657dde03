"""The thread `recorder-witness`: once a minute, does the recorder's ledger continue what was seen of it?

If it does, its checkpoint is cosigned and kept, and now and then, and at the end, a leaf of the control room's own
ledger holds it: who alters footage and the recorder's ledger would have to alter that one too. If it does not, that is
said loudly, in a leaf and as a condition, and the checkpoint that was refused is kept as evidence.
"""

from __future__ import annotations

import datetime as dt
import logging
import secrets
from typing import Final

from django.conf import settings
from django.utils import timezone

from overt.contract.socket_client import SocketClient
from overt.control.acts.kinds import Kind
from overt.control.acts.recording import Json, record
from overt.control.configuration import ControlSettings
from overt.control.estate.models import RECORDER_NAME
from overt.control.rounds import Alone, Rounds
from overt.control.witnessing.models import MAX_WORDS, WitnessedLedger
from overt.control.witnessing.source import SocketSource
from overt.errors import CorruptError, InvalidError, MissingError, OvertError, UnavailableError
from overt.ledger.checkpoint import SignedCheckpoint
from overt.ledger.marker import MARKER, parse_marker
from overt.ledger.note import VerifierKey
from overt.ledger.tiles import HashTiles, Source
from overt.ledger.witnessing import KEY_FILE, KnownLog, Witness

EVERY_S: Final = 60.0
FIRST_S: Final = 5.0
"""How often it is tried until the ledger was seen for the first time."""
TELL_EVERY: Final = dt.timedelta(minutes=10)
"""A leaf at most this often."""
FIRST_SEEN: Final = "it was seen for the first time"
_LOG: Final = logging.getLogger(__name__)


def own_witness(told: ControlSettings) -> Witness:
    """Return the control room as a witness, made where it is none yet; raises as `Witness`."""
    if (told.witness / KEY_FILE).exists():
        return Witness(told.witness)
    return Witness.create(told.witness, f"{told.names[0] if told.names else 'overt'}/witness/{secrets.token_hex(8)}")


class Witnessing:
    """Witnesses one recorder's ledger, again and again. Used by one thread."""

    def __init__(self, witness: Witness, source: Source, name: str = RECORDER_NAME) -> None:
        """Look at the ledger that `source` shows."""
        self._witness, self._source, self._name = witness, source, name

    def round(self, *, last: bool = False) -> WitnessedLedger | None:
        """Look once; return how it stands, None where nothing was seen yet.

        `last`: nobody looks after this for a while, so what is new is told now.

        Raises:
            UnavailableError: the recorder does not answer, or a disk refuses; the next round tries again.
            MissingError: there is no ledger, and never was.
            DatabaseError, InterfaceError: the database is locked or away; the same.
        """
        row = WitnessedLedger.objects.filter(recorder=self._name).first()
        now = timezone.now()
        try:
            row = row or self._first()
            signed = self._seen(row)
        except (CorruptError, InvalidError) as error:
            if row is None:
                raise
            self._refuse(row, str(error), now)
            return row
        except MissingError as error:
            if row is None:
                raise
            self._refuse(row, _gone(row, error), now)
            return row
        except UnavailableError:
            if last and row is not None and row.size > row.told_size:
                # The recorder ended first: what was seen of it last is told all the same.
                self._tell(row, now)
                row.save()
            raise
        row.size, row.checked_at = signed.size, now
        row.checkpoint = signed.encode().decode()
        if row.refused_at is not None:
            _LOG.warning("the recorder's ledger continues what was seen again; it did not since %s", row.refused_at)
        row.refused_at, row.refused_words, row.refused_told = None, "", ""
        if signed.size > row.told_size and (last or row.told_at is None or now - row.told_at >= TELL_EVERY):
            self._tell(row, now)
        row.save()
        return row

    def accept(self, why: str) -> WitnessedLedger:
        """Witness the ledger that the recorder shows now, whatever was seen before; a leaf says so, and why, first.

        Raises: as `round`.
        """
        before = WitnessedLedger.objects.filter(recorder=self._name).first()
        key = parse_marker(self._source.read(MARKER), str(self._source)).key
        more: dict[str, Json] = {
            "recorder": self._name,
            "why": why,
            "ledger_key": str(key),
            "witness": str(self._witness.key),
        }
        if before is not None:
            more |= {"ledger_key_before": before.key, "seen": f"{before.size} leaves", "checkpoint": before.checkpoint}
        record(Kind.RECORDER_LEDGER, more=more)
        self._witness.forget(key.name)
        self._witness.add_log(key)
        row = WitnessedLedger(recorder=self._name, key=str(key))
        row.save()
        return row

    def _first(self) -> WitnessedLedger:
        """Come to know the ledger; its key is believed this once, unless the witness remembers it from before."""
        key = parse_marker(self._source.read(MARKER), str(self._source)).key
        try:
            key = self._witness.log(key.name).keys[0]
        except MissingError:
            return self.accept(FIRST_SEEN)
        row = WitnessedLedger(recorder=self._name, key=str(key))
        row.save()
        return row

    def _seen(self, row: WitnessedLedger) -> SignedCheckpoint:
        """Cosign what continues what was seen.

        Raises:
            CorruptError, InvalidError, MissingError: it does not.
        """
        key = VerifierKey.parse(row.key)
        shown = parse_marker(self._source.read(MARKER), str(self._source)).key
        if shown != key:
            msg = f"the recorder shows a ledger of another key: {shown}, where {key} was seen before"
            raise CorruptError(msg)
        known = self._known(row, key)
        try:
            signed, line = self._witness.cosign(self._source)
        except CorruptError as error:
            # Once more: it may have been written while it was read.
            _LOG.warning("the recorder's ledger is looked at again: %s", error)
            signed, line = self._witness.cosign(self._source)
        if known.last() is None:
            msg = f"{known.directory}: the checkpoint that was cosigned is gone"
            raise MissingError(msg)
        return SignedCheckpoint(signed.checkpoint, signed.note.with_signatures([line]))

    def _known(self, row: WitnessedLedger, key: VerifierKey) -> KnownLog:
        """Return what the witness remembers; where it remembers nothing (of a restored backup), the row does."""
        try:
            known = self._witness.log(key.name)
        except MissingError:
            known = self._witness.add_log(key)
        if known.last() is None and row.checkpoint:
            before = SignedCheckpoint.parse(row.checkpoint.encode())
            now = SignedCheckpoint.parse(self._source.read("checkpoint"))
            now.require_log_key([key])
            if now.size < before.size:
                msg = f"{key.name} was shortened: {before.size} leaves were seen, and now there are {now.size}"
                raise CorruptError(msg)
            if HashTiles(self._source, now.size).root(before.size) != before.root:
                msg = f"{key.name} was rewritten: its first {before.size} leaves are not those that were seen"
                raise CorruptError(msg)
        return known

    def _refuse(self, row: WitnessedLedger, why: str, now: dt.datetime) -> None:
        """Say that the ledger does not continue what was seen: a leaf, and a row that health reads."""
        words = why[:MAX_WORDS]
        if row.refused_at is None:
            row.refused_at = now
        if words != row.refused_words:
            _LOG.error("the recorder's ledger does not continue what was seen: %s", why)
        row.refused_words = words
        row.save(update_fields=["refused_at", "refused_words"])
        if row.refused_told != words:
            seen = {"seen": f"{row.size} leaves", "checkpoint": row.checkpoint}
            record(Kind.RECORDER_REFUSED, more={"recorder": self._name, "why": words, **seen})
            row.refused_told = words
            row.save(update_fields=["refused_told"])

    def _tell(self, row: WitnessedLedger, now: dt.datetime) -> None:
        """Write the checkpoint into the control room's own ledger."""
        try:
            record(
                Kind.RECORDER_CHECKPOINT,
                more={"recorder": self._name, "leaves": row.size, "checkpoint": row.checkpoint},
            )
        except OvertError as error:
            _LOG.error("the recorder's checkpoint cannot be written down now: %s", error)
            return
        row.told_size, row.told_at = row.size, now


def _gone(row: WitnessedLedger, error: MissingError) -> str:
    seen = f" when it was seen last, at {row.checked_at:%Y-%m-%d %H:%M:%S} UTC" if row.checked_at else ""
    return f"the recorder's ledger, or a part of it, is gone: it had {row.size} leaves{seen}; {error}"


def rounds(told: ControlSettings, every_s: float = EVERY_S) -> Rounds:
    """Return what witnesses this machine's recorder, in a thread of its own."""

    def look(*, last: bool = False) -> float:
        source = SocketSource(SocketClient(told.recorder_socket))
        row = Witnessing(own_witness(told), source).round(last=last)
        return every_s if row is not None and row.size > 0 else soon_s

    def last() -> None:
        look(last=True)

    soon_s = min(FIRST_S, every_s)
    return Rounds(
        "recorder-witness", "witnessing the recorder's ledger", look, every_s=every_s, again_s=soon_s, last=last
    )


_running: Final = Alone()


def start(every_s: float = EVERY_S) -> None:
    """Begin to witness this machine's recorder."""
    _running.start(lambda: rounds(settings.CONTROL, every_s))


def stop() -> None:
    """End it; returns when the round that is under way has ended."""
    _running.stop()
