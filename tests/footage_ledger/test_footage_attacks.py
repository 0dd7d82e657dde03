"""What somebody may do to footage behind the recorder's back, and the sentence that it is found by."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from footage_ledger_rig import Kept
from overt.cli.main import main
from overt.errors import CorruptError
from overt.footage.against_ledger import Against, AgainstFinding
from overt.footage.segment_walk import walk

SECOND = 1_000_000_000


@pytest.fixture(name="three")
def _three(kept: Kept) -> Kept:
    """Three segments of a camera, with their leaves."""
    kept.record(6, 6, 6)
    kept.keep()
    assert len(kept.site.files()) == 3
    assert kept.against().sound
    return kept


def only(kept: Kept) -> AgainstFinding:
    (finding,) = kept.against().findings
    return finding


def test_a_flipped_byte(three: Kept) -> None:
    path = three.site.files()[1]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    finding = only(three)
    assert (finding.kind, finding.where) == (Against.ALTERED, str(path))
    place = f"(leaf {three.leaf_of(path)}, front-door/main from 2026-03-20T09:46:43"
    assert f"it is not what was stored {place}" in finding.text


def test_the_end_of_a_segment_cut_off_between_two_records(three: Kept) -> None:
    path = three.site.files()[0]
    os.truncate(path, walk(path).records[-1].offset)
    finding = only(three)
    assert (finding.kind, finding.where, finding.leaf) == (Against.ALTERED, str(path), three.leaf_of(path))
    assert "bytes instead of" in finding.text


def test_a_segment_that_was_made_again_and_is_sound_in_itself(three: Kept, tmp_path: Path) -> None:
    path, other = three.site.files()[0], three.site.files()[1]
    shutil.copy(other, path)
    found = {finding.where: finding for finding in three.against().findings}
    assert found[str(path)].kind == Against.ALTERED
    assert "its header is not the one of the segment" in found[str(path)].text


def test_a_segment_deleted_without_a_leaf(three: Kept) -> None:
    path = three.site.files()[1]
    path.unlink()
    finding = only(three)
    assert (finding.kind, finding.where) == (Against.MISSING, f"front-door/main/{path.name}")
    span = "2026-03-20T09:46:43.000000000+00:00 to 2026-03-20T09:46:46.000000000+00:00"
    leaf = three.leaf_of(path)
    assert finding.text == f"stored by leaf {leaf} ({span}), and it is gone; no leaf says that it was deleted"


def test_a_segment_put_there(three: Kept) -> None:
    path = three.site.files()[1]
    stranger = path.with_name(path.name.replace("T0946", "T0950"))
    data = bytearray(path.read_bytes())
    data[32:48] = bytes(range(16))  # another segment's number
    stranger.write_bytes(data)
    finding = only(three)
    assert (finding.kind, finding.where) == (Against.WITHOUT_LEAF, str(stranger))
    assert finding.text.startswith("no leaf is about this file: it was put there")


def test_a_segment_moved_to_another_camera(three: Kept) -> None:
    path = three.site.files()[2]
    elsewhere = three.directory / "segments" / "yard" / "main" / path.parent.name / path.name
    elsewhere.parent.mkdir(parents=True)
    path.rename(elsewhere)
    finding = only(three)
    assert (finding.kind, finding.where) == (Against.ALTERED, str(elsewhere))
    assert "it lies in the place of yard/main" in finding.text


def test_the_earliest_footage_comes_first(three: Kept) -> None:
    files = three.site.files()
    for path in reversed(files):
        path.unlink()
    found = three.against()
    assert [finding.leaf for finding in found.findings] == [three.leaf_of(path) for path in files]
    assert found.counts == {Against.MISSING: 3}


def test_the_command_says_it_and_ends_with_its_code(three: Kept, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ledger", "footage", str(three.directory), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sound"] is True
    three.site.files()[0].unlink()
    assert main(["ledger", "footage", str(three.directory), "--json"]) == CorruptError.exit_code
    told = json.loads(capsys.readouterr().out)
    assert told["counts"] == {"missing": 1}
    assert told["findings"][0]["kind"] == "missing"
    assert main(["ledger", "verify", str(three.directory / "ledger"), "--json"]) == 0


def test_a_leaf_made_to_fit_is_found_before_any_footage(three: Kept, capsys: pytest.CaptureFixture[str]) -> None:
    bodies = three.directory / "ledger" / "bodies" / "000"
    root = str(three.leaves("segment.stored")[0][1]["root"])
    bodies.write_bytes(bodies.read_bytes().replace(root.encode(), b"0" * 64))
    assert main(["ledger", "footage", str(three.directory), "--json"]) == CorruptError.exit_code
    assert "is not sound, and proves nothing about footage" in capsys.readouterr().err


def test_deleted_by_a_leaf_and_yet_there(three: Kept, tmp_path: Path) -> None:
    path = three.site.files()[0]
    kept_back = tmp_path / "copy"
    shutil.copy(path, kept_back)
    from_leaf = three.leaves("segment.stored")[0][1]
    three.delete(str(from_leaf["segment"]))
    path.unlink()
    assert three.against().sound
    shutil.copy(kept_back, path)
    finding = only(three)
    ((leaf, _),) = three.leaves("footage.deleted")
    assert finding.kind == Against.STILL_THERE
    assert finding.text == f"leaf {leaf.index} says that it was deleted, and it is there"
