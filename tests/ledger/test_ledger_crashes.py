"""Whatever fails, and wherever: what was acknowledged is there, what was refused is not, and the ledger opens."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from failing_disk import Died, FailingDisk
from ledger_rig import LedgerSite, entries, entry, ledger_site, plain_bodies, plain_leaves
from mounts import mounted
from overt.errors import CorruptError, UnavailableError
from overt.ledger.ledger import Ledger
from overt.ledger.note import NoteSigner

MOST = 200
"""Operations that no append needs."""


@pytest.fixture(name="filled", scope="module")
def _filled(swift: Path) -> LedgerSite:
    """Ends two leaves before a tile is full, as a process left it that was killed: part is in the journal alone."""
    site = ledger_site(swift / "filled")
    site.fill(251)
    ledger = Ledger(site.directory, site.signer, clock=site.clock)
    ledger.append_all(entries(251, 2))
    ledger.append(entry(253))
    abandon(ledger)
    return site


def copied(site: LedgerSite, directory: Path) -> LedgerSite:
    shutil.copytree(site.directory, directory)
    return LedgerSite(directory, site.signer, site.witness, site.clock)


def abandon(ledger: Ledger) -> None:
    """What the system does when a process dies."""
    os.close(ledger._journal._fd)
    ledger._lock.release()


def kinds_of(directory: Path) -> list[str]:
    return [json.loads(each)["kind"] for each in plain_leaves(directory)]


def require(site: LedgerSite, size: int) -> None:
    """The first leaves are those that were appended, with their bodies; and more can be appended."""
    assert len(plain_leaves(site.directory)) == size
    assert [body and body["number"] for body in plain_bodies(site.directory, size)] == list(range(size))


def refusal(ledger: Ledger, count: int) -> str | None:
    """Append; return why it was refused."""
    try:
        ledger.append_all(entries(254, count))
    except UnavailableError as error:
        return str(error)
    return None


def steps() -> Iterator[int]:
    yield from range(1, MOST)


@pytest.mark.parametrize("power", [False, True], ids=["killed", "power-cut"])
@pytest.mark.parametrize("count", [1, 4], ids=["within-a-tile", "across-tiles"])
def test_a_crash_between_any_two_steps_loses_nothing_that_was_acknowledged(
    filled: LedgerSite, folder: Path, power: bool, count: int
) -> None:
    for at in steps():
        site = copied(filled, folder / f"{at}")
        ledger = Ledger(site.directory, site.signer, clock=site.clock)
        disk = FailingDisk(site.directory, at, dies=True)
        acknowledged = 254
        with disk.in_place(), suppress(Died):
            ledger.append_all(entries(254, count))
            acknowledged += count
            ledger.append(entry(acknowledged))
            acknowledged += 1
        abandon(ledger)
        if power:
            disk.cut_power()
        with site.open() as again:
            assert again.size in {acknowledged, acknowledged + (count if acknowledged == 254 else 1)}
            size = again.size
            again.append(entry(size))
        require(site, size + 1)
        if not disk.failed:
            break
    else:
        pytest.fail("every step failed")
    assert at > 10


@pytest.mark.parametrize("power", [False, True], ids=["killed", "power-cut"])
def test_a_crash_while_the_last_crash_is_put_right_loses_nothing(filled: LedgerSite, folder: Path, power: bool) -> None:
    for at in steps():
        site = copied(filled, folder / f"{at}")
        disk = FailingDisk(site.directory, at, dies=True)
        real = os.open
        ledger = None
        with disk.in_place(), suppress(Died):
            ledger = Ledger(site.directory, site.signer, clock=site.clock)
        assert os.open is real
        if ledger is not None:
            abandon(ledger)
        if power:
            disk.cut_power()
        with site.open() as again:
            assert again.size == 254
            again.append_all(entries(254, 3))
        require(site, 257)
        if not disk.failed:
            break
    assert at > 5


@pytest.mark.parametrize("lasting", [False, True], ids=["once", "until-there-is-space"])
@pytest.mark.parametrize("count", [1, 4], ids=["within-a-tile", "across-tiles"])
def test_what_the_disk_refuses_is_not_in_the_tree(filled: LedgerSite, folder: Path, lasting: bool, count: int) -> None:
    refusals = 0
    for at in steps():
        site = copied(filled, folder / f"{at}")
        ledger = Ledger(site.directory, site.signer, clock=site.clock)
        disk = FailingDisk(site.directory, at, lasting=lasting)
        size = 254 + count
        with disk.in_place():
            if refused := refusal(ledger, count):
                assert "No space left" in refused
                refusals += 1
                size = 254
                assert ledger.size == 254
        if lasting or at % 2:
            ledger.append(entry(size))
            ledger.close()
        else:
            abandon(ledger)
            with site.open() as again:
                assert again.size == size
                again.append(entry(size))
        require(site, size + 1)
        if not disk.failed:
            break
    assert refusals > 3


def test_a_refusal_that_cannot_even_be_taken_back_holds_up_the_next_append_until_it_is(
    filled: LedgerSite, folder: Path
) -> None:
    site = copied(filled, folder / "ledger")
    with site.open() as ledger:
        with FailingDisk(site.directory, 1, lasting=True).in_place():
            for _ in range(3):
                with pytest.raises(UnavailableError):
                    ledger.append(entry(254))
        ledger.append(entry(254))
    require(site, 255)


def test_a_ledger_opens_on_a_full_disk_and_writes_once_there_is_space(filled: LedgerSite, folder: Path) -> None:
    site = copied(filled, folder / "ledger")
    with FailingDisk(site.directory, 3, lasting=True).in_place():
        ledger = Ledger(site.directory, site.signer, clock=site.clock)
        assert ledger.size == 254
        with pytest.raises(UnavailableError):
            ledger.append(entry(254))
    ledger.append(entry(254))
    ledger.close()
    require(site, 255)


WRITER = """
import sys
from pathlib import Path
from overt.ledger.ledger import Ledger
from overt.ledger.leaves import Entry
from overt.ledger.note import NoteSigner
ledger = Ledger(Path(sys.argv[1]), NoteSigner.parse(sys.stdin.readline().strip()))
number = ledger.size
print("open", number, flush=True)
while True:
    count = 1 + number % 5
    try:
        ledger.append_all([Entry("look.opened", {"number": number + at}) for at in range(count)])
    except Exception as error:
        print("refused", error, flush=True)
        sys.stdin.readline()
        continue
    number += count
    print("has", number, flush=True)
"""


def writer(site: LedgerSite, prefix: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [*prefix, sys.executable, "-c", WRITER, str(site.directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write(site.signer.encode() + "\n")
    process.stdin.flush()
    return process


def test_a_writer_that_is_killed_again_and_again_loses_nothing(site: LedgerSite) -> None:
    site.fill(0)
    known = 0
    for round_ in range(6):
        process = writer(site)
        assert process.stdout is not None
        assert process.stdout.readline() == f"open {known}\n" or round_ == 0
        for _ in range(20 + 17 * round_):
            known = int(process.stdout.readline().split()[1])
        process.send_signal(signal.SIGKILL)
        for line in process.stdout:  # What it said between our last look and its end.
            if line.endswith("\n"):
                known = int(line.split()[1])
        process.communicate()
        with site.open() as ledger:
            assert ledger.size >= known
            known = ledger.size
    require(site, known)


def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    site = LedgerSite(tmp_path / "disk/ledger", NoteSigner.generate("a.example/b"), None, None)  # type: ignore[arg-type]  # unused
    with mounted(tmp_path / "disk", "2m") as disk:
        inside = LedgerSite(disk.seen(site.directory), site.signer, site.witness, site.clock)
        Ledger.create(inside.directory, site.signer).close()
        with writer(site, disk.prefix) as process:
            assert process.stdout is not None
            assert process.stdin is not None
            assert process.stdout.readline() == "open 0\n"
            known = int(process.stdout.readline().split()[1])
            ballast = disk.fill()
            for line in process.stdout:
                if line.startswith("refused"):
                    break
                known = int(line.split()[1])
            assert "No space left" in line
            require(inside, known)
            process.stdin.write("again\n")
            process.stdin.flush()
            assert process.stdout.readline().startswith("refused")
            ballast.unlink()
            process.stdin.write("again\n")
            process.stdin.flush()
            said = int(process.stdout.readline().split()[1])
            assert known < said <= known + 5
            process.kill()
            process.communicate()
        with Ledger(inside.directory, site.signer) as ledger:
            assert ledger.size >= said
            size = ledger.size
        require(inside, size)


# What is no trace of a crash.


def test_a_journal_damaged_before_its_end_is_refused(filled: LedgerSite, folder: Path) -> None:
    site = copied(filled, folder / "ledger")
    path = site.directory / "journal"
    data = bytearray(path.read_bytes())
    data[40] ^= 1
    path.write_bytes(data)
    with pytest.raises(CorruptError, match="before records that are whole"), site.open():
        pass


def test_a_journal_that_lost_what_was_published_is_refused(filled: LedgerSite, folder: Path) -> None:
    site = copied(filled, folder / "ledger")
    (site.directory / "journal").write_bytes(b"")
    shutil.rmtree(site.directory / "tile/entries/000.p")
    with pytest.raises(CorruptError, match="254 leaves"), site.open():
        pass


@pytest.mark.parametrize("cut", [1, 40, 300])
def test_a_record_torn_by_a_crash_before_it_was_published_is_dropped(
    filled: LedgerSite, folder: Path, cut: int
) -> None:
    site = copied(filled, folder / "ledger")
    ledger = Ledger(site.directory, site.signer, clock=site.clock)
    published = (site.directory / "checkpoint").read_bytes()
    ledger.append(entry(254))
    abandon(ledger)
    path = site.directory / "journal"
    os.truncate(path, path.stat().st_size - cut)
    (site.directory / "checkpoint").write_bytes(published)
    with site.open() as again:
        assert again.size == 254
        again.append(entry(254))
    require(site, 255)
