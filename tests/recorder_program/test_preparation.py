"""Before recording: a store is made only with somebody's keys, and no disk is mistaken for another."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from overt.errors import ConflictError, ForbiddenError, MissingError
from overt.footage.index import Index
from overt.footage.layout import INDEX, MARKER
from overt.footage.marker import read_marker
from overt.ids import new_id
from overt.recorder.configuration import RecorderSettings
from overt.recorder.preparation import prepare
from overt.sealing.recipients_file import read_recipients, write_recipients
from overt.sealing.roles import Recipient, Recipients


def keys(path: Path) -> Path:
    write_recipients(path, Recipients(new_id(), "Town Hall", (Recipient("custodian", bytes(range(32))),)))
    return path


def test_a_new_directory_needs_keys_and_an_old_one_keeps_them(tmp_path: Path) -> None:
    footage = tmp_path / "footage"
    with pytest.raises(MissingError, match=r"overt keys create.*--recipients"):
        prepare(RecorderSettings(footage=footage))
    assert not footage.exists()
    given = keys(tmp_path / "site.json")
    first = prepare(RecorderSettings(footage=footage, recipients=given))
    assert first.recipients is not None
    assert read_recipients(first.recipients) == read_recipients(given)
    assert prepare(RecorderSettings(footage=footage)).recipients == first.recipients


def test_keys_of_another_site_are_refused(tmp_path: Path) -> None:
    footage = tmp_path / "footage"
    prepare(RecorderSettings(footage=footage, recipients=keys(tmp_path / "one.json")))
    with pytest.raises(ForbiddenError, match="another site"):
        prepare(RecorderSettings(footage=footage, recipients=keys(tmp_path / "two.json")))


def test_without_a_usable_file_an_old_directory_goes_on_with_its_copy(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    given = keys(tmp_path / "site.json")
    settings = RecorderSettings(footage=tmp_path / "footage", recipients=given)
    kept = prepare(settings).recipients
    assert kept is not None
    wanted, date = read_recipients(kept), kept.stat().st_mtime_ns
    for spoil in (lambda: given.write_text("{"), given.unlink):
        spoil()
        assert prepare(settings).recipients == kept
        assert "from before" in caplog.text
        caplog.clear()
    assert (read_recipients(kept), kept.stat().st_mtime_ns) == (wanted, date)
    with pytest.raises(MissingError):
        prepare(RecorderSettings(footage=tmp_path / "new", recipients=given))


def test_a_directory_with_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("x")
    given = keys(tmp_path.parent / f"{tmp_path.name}.json")
    with pytest.raises(ConflictError, match="not empty"):
        prepare(RecorderSettings(footage=tmp_path, recipients=given))


def test_a_new_location_is_made_and_an_unmounted_one_is_not(tmp_path: Path) -> None:
    footage, second = tmp_path / "footage", tmp_path / "second"
    settings = RecorderSettings(footage=footage, recipients=keys(tmp_path / "site.json"), locations=(second,))
    prepare(settings)
    assert read_marker(second).store == read_marker(footage).store
    with Index(footage / INDEX) as index:
        index.put_location(read_marker(second).location, second)
    shutil.rmtree(second)
    second.mkdir()
    prepare(settings)
    assert not (second / MARKER).exists(), "an empty mount point is not the disk"
