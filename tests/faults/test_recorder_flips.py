"""One flipped bit in what the recorder has stored: found, named, and nothing but what it hit is lost.

`OVERT_FLIPS` says how many in each file (4 unless set).
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from overt.footage.segment_walk import walk
from overt.simulator.record import SentFrame
from recorder_rig import (
    Part,
    Recorder,
    Site,
    Stored,
    addresses,
    cameras,
    faithful,
    make_site,
    overt,
    overt_json,
    parts_of,
    reconciled,
    stored,
)

FLIPS = int(os.environ.get("OVERT_FLIPS", "4"))
NAMES = ("a", "b")


@dataclass(frozen=True)
class Recording:
    """A recording of two cameras in many short files, and what was sent."""

    site: Site
    sent: dict[str, list[SentFrame]]
    found: dict[str, Stored]
    parts: dict[str, list[Part]]

    def copied(self, folder: Path) -> Site:
        ignored = shutil.ignore_patterns("*.sock")
        return replace(self.site, footage=Path(shutil.copytree(self.site.footage, folder / "footage", ignore=ignored)))


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    site = make_site(tmp_path_factory.mktemp("flips"))
    with cameras(*NAMES) as simulator:
        with Recorder(site, addresses(simulator), workers=1) as recorder:
            recorder.wait_recording()
            for _ in range(3):
                time.sleep(1.2)
                for camera in simulator:
                    camera.kill_sessions()
            time.sleep(1.5)
            assert recorder.stop() == 0
        sent = {name: simulator.camera(name).frames() for name in NAMES}
    reconciled(site)
    assert len(site.files()) >= 8
    parts = {name: recorded_parts(site, name) for name in NAMES}
    return Recording(site, sent, {name: stored(site, name) for name in NAMES}, parts)


def recorded_parts(site: Site, name: str) -> list[Part]:
    """Spans and gaps of a camera, without the one that grows while the recorder is stopped."""
    return [part for part in parts_of(site, name) if part.detail != "the recorder was stopped"]


@contextmanager
def flipped(path: Path, position: int, bit: int) -> Iterator[None]:
    """Turn one bit round, and back."""

    def turn() -> None:
        with path.open("r+b") as file:
            file.seek(position)
            byte = file.read(1)[0]
            file.seek(position)
            file.write(bytes([byte ^ 1 << bit]))

    turn()
    try:
        yield
    finally:
        turn()


def test_a_flipped_bit_is_found_named_and_costs_no_other_fragment(recording: Recording, tmp_path: Path) -> None:
    site = recording.copied(tmp_path)
    chance = random.Random(6)
    for path in site.files():
        name = path.parts[-4]
        records = walk(path).records
        size = path.stat().st_size
        positions = [0, records[0].offset, size - 1, *(chance.randrange(size) for _ in range(FLIPS))]
        for position in positions:
            with flipped(path, position, chance.randrange(8)):
                named = overt_json("reconcile", site.footage, "--deep", code=7)["differences"]
                assert {each["where"] for each in named} == {str(path)}, (position, named)
                found = stored(site, name)
            whole = recording.found[name]
            lost = whole.numbers - found.numbers
            if position >= records[1].offset:
                assert len(lost) <= max(record.header.samples for record in records), (
                    "more than the fragment that was hit"
                )
            assert all(found.frames[number] == whole.frames[number] for number in found.numbers)
            assert {damage.path for damage in found.damage} <= {path}
            assert bool(lost) == bool(found.damage)
    reconciled(site)
    sys.stdout.write(json.dumps({"files": len(site.files()), "flips": len(site.files()) * (FLIPS + 3)}) + "\n")


def test_an_export_over_damage_names_it_and_goes_on(recording: Recording, tmp_path: Path) -> None:
    site = recording.copied(tmp_path)
    path = site.files()[2]
    name = path.parts[-4]
    records = walk(path).records
    out = tmp_path / "clip.mp4"
    ask = (
        "export",
        site.footage,
        "--camera",
        name,
        "--from",
        "-1h",
        "--to",
        "now",
        "--out",
        out,
        "--key",
        site.key,
        "--purpose",
        "A test",
    )
    with flipped(path, records[2].offset + 200, 3):
        done = overt(*ask, "--json")
    assert done.code == 7, done
    manifest = json.loads((tmp_path / "clip.manifest.json").read_text())
    assert [damage["file"] for damage in manifest["damage"]] == [path.name]
    whole = recording.found[name]
    assert sum(each["frames"] for each in manifest["fragments"]) == len(whole.numbers) - records[2].header.samples
    assert manifest == manifest | {"camera": name, "damage_count": 1}


def test_flipped_bits_in_the_index_are_found_or_hit_nothing(recording: Recording, tmp_path: Path) -> None:
    """The index is made from files and journal: what a flip changes in it is named, and put right from them."""
    site = recording.copied(tmp_path)
    sound = site.index.read_bytes()
    chance = random.Random(7)
    used = [position for position, byte in enumerate(sound) if byte]
    told = {"flips": 0, "found": 0, "not all put right": 0}
    for _ in range(4 * FLIPS):
        with flipped(site.index, chance.choice(used), chance.randrange(8)):
            found = overt("reconcile", site.footage, "--deep", "--json")
            assert found.code in {0, 7}, found
            left = overt("reconcile", site.footage, "--deep", "--repair", "--json") if found.code else found
            assert left.code in {0, 7}, left
            told["flips"] += 1
            told["found"] += found.code == 7
            told["not all put right"] += left.code == 7
            for name in NAMES:
                assert recorded_parts(site, name) == recording.parts[name]
                again = stored(site, name)
                faithful(again, recording.sent[name])
                assert again.numbers == recording.found[name].numbers
        for path in site.footage.glob("index.sqlite*"):
            path.unlink()
        site.index.write_bytes(sound)
    sys.stdout.write(json.dumps(told) + "\n")
    assert told["found"] > told["flips"] / 2


def test_an_index_that_is_lost_is_made_anew_by_the_recorder_itself(recording: Recording, tmp_path: Path) -> None:
    site = recording.copied(tmp_path)
    site.index.write_bytes(b"\0" * 100 + site.index.read_bytes()[100:4096])
    with cameras("c") as simulator, Recorder(site, addresses(simulator), workers=1) as recorder:
        recorder.wait_recording()
        recorder.wait_health(lambda _: len(parts_of(site, "a")) > 1)
        assert recorder.stop() == 0
    for name in NAMES:
        assert stored(site, name).numbers == recording.found[name].numbers
    assert list(site.footage.glob("index.sqlite.corrupt-*"))
    reconciled(site)
