"""Commands that open footage write down that they do, before they do; what cannot be written down is not opened."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overt.cli import opened
from overt.cli.main import main
from overt.cli.opened import MAX_PURPOSE, MAX_REFERENCE, What, Why, write_down
from overt.contract.instant import to_iso
from overt.contract.opened import EXPORTED, FOLDER, KEY, VIEWED, ledger_of
from overt.errors import CorruptError, InvalidError, UnavailableError
from overt.ledger.ledger import Ledger
from overt.ledger.reader import LedgerReader

SECOND = 1_000_000_000
PASSPHRASE = "correct horse battery staple"
SITE = UUID("0195f3b4-0000-7000-8000-000000000001")
WHY = Why("Burglary", "INC-7")
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(name="footage")
def _footage(site: Any, tmp_path: Path) -> Path:
    """Footage that no command has opened yet."""
    return Path(shutil.copytree(site.footage, tmp_path / "footage", ignore=shutil.ignore_patterns(FOLDER)))


@pytest.fixture(name="run")
def _run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("OVERT_PASSPHRASE", PASSPHRASE)

    def run(*arguments: object) -> tuple[int, str, str]:
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def export(site: Any, footage: Path, out: Path, *more: object) -> list[object]:
    start, end = (to_iso(site.start_ns + s * SECOND) for s in (0, 2))
    ask = ["export", footage, "--camera", "door", "--from", start, "--to", end, "--key", site.key, "--out", out]
    return [*ask, *more]


def bodies(footage: Path) -> list[tuple[str, dict[str, Any]]]:
    ledger = LedgerReader(ledger_of(footage))
    found = []
    for leaf in ledger.leaves():
        body = ledger.body(leaf.index)
        assert body is not None
        found.append((leaf.kind, body.value()))
    return found


def test_an_export_leaves_a_leaf_that_its_manifest_names(run: Run, site: Any, footage: Path, tmp_path: Path) -> None:
    out = tmp_path / "clip.mp4"
    code, _, err = run(*export(site, footage, out, "--purpose", "Burglary", "--reference", "INC-7"))
    assert code == 0, err
    [(kind, told)] = bodies(footage)
    assert kind == EXPORTED
    assert (told["cameras"], told["purpose"], told["reference"]) == (["door"], {"name": "Burglary"}, "INC-7")
    assert told["footage"] == {"from": to_iso(site.start_ns), "to": to_iso(site.start_ns + 2 * SECOND)}
    assert told["who"]["via"] == "command"
    manifest = json.loads(out.with_suffix(".manifest.json").read_text())
    assert (manifest["purpose"], manifest["reference"]) == ("Burglary", "INC-7")
    assert manifest["written_down"] == {
        "ledger": LedgerReader(ledger_of(footage)).checkpoint.checkpoint.origin,
        "leaf": 0,
    }
    assert run("ledger", "verify", ledger_of(footage))[0] == 0
    assert run("reconcile", footage)[0] == 0, "the ledger is no stranger to the footage directory"
    for path in (footage / FOLDER, footage / FOLDER / KEY):
        assert path.stat().st_mode & 0o077 == 0


def test_without_a_purpose_nothing_is_opened(run: Run, site: Any, footage: Path, tmp_path: Path) -> None:
    out = tmp_path / "clip.mp4"
    assert "--purpose" in run(*export(site, footage, out))[2]
    assert "must say why" in run(*export(site, footage, out, "--purpose", "  "))[2]
    assert not out.exists()
    assert not (footage / FOLDER).exists()


def test_what_cannot_be_written_down_is_not_opened(run: Run, site: Any, footage: Path, tmp_path: Path) -> None:
    (footage / FOLDER).write_text("in its way")
    out = tmp_path / "clip.mp4"
    code, _, err = run(*export(site, footage, out, "--purpose", "Burglary"))
    assert code == UnavailableError.exit_code
    assert "nothing is opened" in err
    assert not list(tmp_path.glob("*clip*"))


def test_a_full_disk_opens_nothing(
    run: Run, site: Any, footage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise UnavailableError("the disk is full")

    monkeypatch.setattr(Ledger, "append", full)
    assert run(*export(site, footage, tmp_path / "clip.mp4", "--purpose", "Burglary"))[0] == UnavailableError.exit_code
    assert not list(tmp_path.glob("*clip*"))


def test_the_leaf_is_on_the_disk_before_the_first_byte_is_opened(
    run: Run, site: Any, footage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def no_keys(*_: object) -> None:
        seen.append(len(bodies(footage)))
        raise CorruptError("the first key is asked for")

    monkeypatch.setattr("overt.footage.opening.StoredPeriods.__call__", no_keys)
    run(*export(site, footage, tmp_path / "clip.mp4", "--purpose", "Burglary"))
    assert set(seen) == {1}


def test_a_ledger_that_was_altered_opens_nothing(run: Run, site: Any, footage: Path, tmp_path: Path) -> None:
    assert run(*export(site, footage, tmp_path / "a.mp4", "--purpose", "Burglary"))[0] == 0
    (ledger_of(footage) / "checkpoint").unlink()
    code, _, err = run(*export(site, footage, tmp_path / "b.mp4", "--purpose", "Burglary"))
    assert code != 0
    assert "nothing is opened" in err
    assert not list(tmp_path.glob("*b.*"))


def test_commands_that_open_at_the_same_time_wait_for_each_other(tmp_path: Path) -> None:
    found: list[int] = []

    def one() -> None:
        found.append(write_down(tmp_path, SITE, VIEWED, What(("door",), whom="A. Officer", live=True), WHY).leaf)

    commands = [threading.Thread(target=one) for _ in range(8)]
    for each in commands:
        each.start()
    for each in commands:
        each.join()
    assert sorted(found) == list(range(8))
    assert bodies(tmp_path)[0][1]["for"] == "A. Officer"


def test_the_end_of_a_link_names_its_beginning_and_may_fail(tmp_path: Path) -> None:
    began = write_down(tmp_path, SITE, VIEWED, What(("door",)), WHY)
    opened.ended(tmp_path, SITE, began)
    assert bodies(tmp_path)[-1][1]["began"] == began.leaf
    shutil.rmtree(tmp_path / FOLDER)
    (tmp_path / FOLDER).write_text("in its way")
    opened.ended(tmp_path, SITE, began)


def test_who_calls_sudo_is_named_by_their_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 0)
    monkeypatch.setenv("SUDO_USER", "ana")
    write_down(tmp_path, SITE, VIEWED, What(("door",)), WHY)
    assert bodies(tmp_path)[0][1]["who"] == {"name": "root", "sudo": "ana", "via": "command"}


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone becomes somebody else")
def test_root_writes_as_whoever_the_footage_belongs_to(tmp_path: Path) -> None:
    # Below a folder that others may enter, as /srv is.
    place = Path("/var/tmp") / f"overt-{uuid4()}"
    place.mkdir()
    try:
        os.chown(place, 65534, 65534)
        write_down(place, SITE, VIEWED, What(("door",)), WHY)
        files = [place / FOLDER, *(place / FOLDER).rglob("*")]
        assert {path.stat().st_uid for path in files} == {65534}
        assert os.geteuid() == 0
    finally:
        shutil.rmtree(place)


@given(purpose=st.text(max_size=2 * MAX_PURPOSE), reference=st.text(max_size=2 * MAX_REFERENCE))
def test_whatever_is_typed_is_refused_or_can_be_written_on_one_line(purpose: str, reference: str) -> None:
    try:
        why = Why.read(purpose, reference)
    except InvalidError:
        return
    assert 0 < len(why.purpose) <= MAX_PURPOSE
    assert len(why.reference) <= MAX_REFERENCE
    assert all(character.isprintable() or ord(character) > 0x9F for character in why.purpose + why.reference)
