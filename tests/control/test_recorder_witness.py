"""The control room as witness of its recorder's ledger: what continues is cosigned, what does not is said aloud."""

from __future__ import annotations

import datetime as dt
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.urls import reverse
from django.utils import timezone

from acts_rig import Written
from control_rig import person_with, signed_in
from health_rig import report, standing
from ledger_rig import SetClock, entries
from overt.control.health import judging
from overt.control.health.models import Recorder
from overt.control.people.actions import Action
from overt.control.witnessing import witness as witnesses
from overt.control.witnessing.models import WitnessedLedger
from overt.control.witnessing.witness import Witnessing
from overt.errors import MissingError, UnavailableError
from overt.ledger.checkpoint import SignedCheckpoint
from overt.ledger.cosignature import cosigned_by
from overt.ledger.ledger import Ledger
from overt.ledger.note import NoteSigner, VerifierKey
from overt.ledger.tiles import DirectorySource
from overt.ledger.witnessing import Witness

pytestmark = pytest.mark.django_db
ORIGIN = "overt/footage/1"


@dataclass
class Watched:
    """A recorder's ledger, and the control room that looks at it."""

    directory: Path
    signer: NoteSigner
    witness: Witness
    clock: SetClock

    def write(self, count: int, signer: NoteSigner | None = None) -> int:
        signer = signer or self.signer
        there = (self.directory / "ledger.json").exists()
        opened = Ledger(self.directory, signer, clock=self.clock) if there else None
        with opened or Ledger.create(self.directory, signer, clock=self.clock) as ledger:
            ledger.append_all(entries(ledger.size, count))
            return ledger.size

    def copied(self, name: str) -> Path:
        return Path(shutil.copytree(self.directory, self.directory.with_name(name)))

    def put_back(self, copy: Path) -> None:
        shutil.rmtree(self.directory)
        shutil.copytree(copy, self.directory)

    @property
    def witnessing(self) -> Witnessing:
        return Witnessing(self.witness, DirectorySource(self.directory))

    def look(self, *, last: bool = False) -> WitnessedLedger:
        row = self.witnessing.round(last=last)
        assert row is not None
        return row


@pytest.fixture(name="watched")
def _watched(tmp_path: Path) -> Watched:
    clock = SetClock()
    watched = Watched(
        tmp_path / "ledger", NoteSigner.generate(ORIGIN), Witness.create(tmp_path / "witness", "cr/w"), clock
    )
    watched.write(5)
    return watched


def test_what_is_seen_first_is_believed_and_written_down(watched: Watched) -> None:
    written = Written.from_now()
    row = watched.look()
    assert (row.size, row.key, row.refused_at) == (5, str(watched.signer.verifier), None)
    signed = SignedCheckpoint.parse(row.checkpoint.encode())
    assert cosigned_by(signed.note, [watched.witness.key])
    (first, told) = written.bodies("recorder.")
    assert first["ledger_key"] == str(watched.signer.verifier)
    assert first["why"] == "it was seen for the first time"
    assert (told["leaves"], told["checkpoint"]) == (5, row.checkpoint)


def test_a_leaf_at_most_every_ten_minutes_and_at_the_end(watched: Watched) -> None:
    watched.look()
    written = Written.from_now()
    for size in (6, 7):
        watched.write(1)
        assert watched.look().size == size
    assert not written.bodies("recorder.checkpoint")
    WitnessedLedger.objects.update(told_at=timezone.now() - dt.timedelta(minutes=11))
    watched.look()
    assert [each["leaves"] for each in written.bodies("recorder.checkpoint")] == [7]
    watched.look(last=True)
    assert len(written.bodies("recorder.checkpoint")) == 1, "nothing new"
    watched.write(1)
    watched.look(last=True)
    assert [each["leaves"] for each in written.bodies("recorder.checkpoint")] == [7, 8]


def refused(watched: Watched, written: Written) -> str:
    """Look; return the words by which it was refused, which stand in a leaf and in a condition too."""
    size = WitnessedLedger.objects.get().size
    row = watched.look()
    assert row.refused_at is not None
    assert row.size == size, "what was seen stays"
    (told,) = written.bodies("recorder.refused")
    assert told["why"] == row.refused_words
    watched.look()
    assert len(written.bodies("recorder.refused")) == 1, "once"
    Recorder.objects.get_or_create(name="local")
    judging.judge("local", report(), timezone.now())
    condition = standing()["recorder-ledger-refused", "recorder:local"]
    assert condition.severity == "urgent"
    assert condition.title == "The recorder's ledger does not continue what was seen"
    return row.refused_words


def test_rolled_back(watched: Watched) -> None:
    older = watched.copied("older")
    watched.write(3)
    watched.look()
    written = Written.from_now()
    watched.put_back(older)
    words = refused(watched, written)
    assert words.startswith(f"{ORIGIN} was shortened: this witness saw 8 leaves at ")
    assert words.endswith("and now there are 5; leaf 5 is the first that is gone")


def test_forked(watched: Watched) -> None:
    older = watched.copied("older")
    watched.write(3)
    watched.look()
    written = Written.from_now()
    watched.put_back(older)
    watched.clock.ns += 1_000_000_000
    watched.write(3)
    words = refused(watched, written)
    assert words.startswith(f"{ORIGIN} was forked: leaf 5 (")
    assert words.endswith("It is the first that differs")
    evidence = list(watched.witness.state.glob("logs/*/refused/8-*"))
    assert len(evidence) == 1


def test_rewritten_and_longer(watched: Watched) -> None:
    older = watched.copied("older")
    watched.write(3)
    watched.look()
    written = Written.from_now()
    watched.put_back(older)
    watched.clock.ns += 1_000_000_000
    watched.write(30)
    assert refused(watched, written).startswith(f"{ORIGIN} was rewritten: leaf 5 (")


def test_key_swapped_under_the_same_name(watched: Watched) -> None:
    watched.look()
    written = Written.from_now()
    shutil.rmtree(watched.directory)
    other = NoteSigner.generate(ORIGIN)
    watched.write(9, other)
    words = refused(watched, written)
    assert words == (
        f"the recorder shows a ledger of another key: {other.verifier}, where {watched.signer.verifier} was seen before"
    )


def test_key_swapped_behind_the_marker(watched: Watched) -> None:
    watched.look()
    written = Written.from_now()
    marker = (watched.directory / "ledger.json").read_bytes()
    shutil.rmtree(watched.directory)
    other = NoteSigner.generate(ORIGIN)
    watched.write(9, other)
    (watched.directory / "ledger.json").write_bytes(marker)
    words = refused(watched, written)
    assert "not by the right key" in words
    assert watched.signer.verifier.key_id.hex() in words


def test_gone(watched: Watched) -> None:
    watched.look()
    written = Written.from_now()
    shutil.rmtree(watched.directory)
    assert "the recorder's ledger, or a part of it, is gone: it had 5 leaves when" in refused(watched, written)


def test_a_recorder_that_does_not_answer_is_not_called_altered(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched.look()

    def away(self: DirectorySource, path: str) -> bytes:
        raise UnavailableError("no recorder answers")

    monkeypatch.setattr(DirectorySource, "read", away)
    with pytest.raises(UnavailableError):
        watched.look()
    assert WitnessedLedger.objects.get().refused_at is None


def test_a_recorder_that_ended_first_is_told_as_it_was_seen(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    watched.look()
    watched.write(2)
    watched.look()
    written = Written.from_now()

    def away(self: DirectorySource, path: str) -> bytes:
        raise UnavailableError("no recorder answers")

    monkeypatch.setattr(DirectorySource, "read", away)
    with pytest.raises(UnavailableError):
        watched.look(last=True)
    assert WitnessedLedger.objects.get().told_size == 7
    monkeypatch.undo()
    assert [each["leaves"] for each in written.bodies("recorder.checkpoint")] == [7]


def test_a_recorder_without_a_ledger_is_not_called_altered(watched: Watched) -> None:
    shutil.rmtree(watched.directory)
    with pytest.raises(MissingError):
        watched.look()
    assert not WitnessedLedger.objects.exists()


def test_what_goes_on_again_is_no_condition_any_more(watched: Watched) -> None:
    watched.look()
    kept = watched.copied("kept")
    shutil.rmtree(watched.directory)
    assert watched.look().refused_at is not None
    shutil.copytree(kept, watched.directory)
    assert watched.look().refused_at is None


def test_a_witness_that_lost_its_memory_has_that_of_the_database(watched: Watched, tmp_path: Path) -> None:
    older = watched.copied("older")
    watched.write(3)
    watched.look()
    watched.put_back(older)
    watched.clock.ns += 1_000_000_000
    watched.write(4)
    watched.witness = Witness.create(tmp_path / "another", "cr/w2")
    words = watched.look().refused_words
    assert words == f"{ORIGIN} was rewritten: its first 8 leaves are not those that were seen"


def test_the_database_that_lost_its_memory_has_that_of_the_witness(watched: Watched) -> None:
    watched.look()
    WitnessedLedger.objects.all().delete()
    shutil.rmtree(watched.directory)
    watched.write(9, NoteSigner.generate(ORIGIN))
    assert "a ledger of another key" in watched.look().refused_words


def test_begun_anew_with_a_reason(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    watched.look()
    shutil.rmtree(watched.directory)
    watched.signer = NoteSigner.generate(ORIGIN)
    watched.write(2)
    assert watched.look().refused_at is not None
    auditor = signed_in(person_with(Action.READ_LEDGER, name="Ada Auditor"))
    monkeypatch.setattr("overt.control.witnessing.pages.own_witness", lambda _: watched.witness)
    monkeypatch.setattr("overt.control.witnessing.pages.SocketSource", lambda _: DirectorySource(watched.directory))
    page = reverse("witnessing:recorder")
    assert "it does not continue what was seen" in auditor.get(page).content.decode()
    assert auditor.post(page, {"why": ""}).status_code == 422
    written = Written.from_now()
    assert auditor.post(page, {"why": "disk replaced"}).status_code == 302
    ((_, told),) = written.leaves("recorder.ledger")
    assert (told["why"], told["who"]["name"]) == ("disk replaced", "Ada Auditor")
    assert VerifierKey.parse(told["ledger_key_before"]) != VerifierKey.parse(told["ledger_key"])
    row = watched.look()
    assert (row.size, row.refused_at) == (2, None)
    assert list(watched.witness.state.glob("logs/*.until-*")), "what was seen before is kept"


def test_the_thread_looks_and_ends_with_a_look(
    watched: Watched, monkeypatch: pytest.MonkeyPatch, transactional_db: None
) -> None:
    monkeypatch.setattr(witnesses, "own_witness", lambda _: watched.witness)
    monkeypatch.setattr(witnesses, "SocketSource", lambda _: DirectorySource(watched.directory))
    witnesses.start(every_s=3600)
    witnesses.stop()
    assert WitnessedLedger.objects.get().size == 5
