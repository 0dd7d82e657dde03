"""The commands, run as a person runs them: results, refusals, exit codes, and nothing secret in any output."""

from __future__ import annotations

import csv
import functools
import hashlib
import io
import json
import re
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from overt.cli.main import application, main
from overt.contract.instant import to_iso
from overt.footage.segment_walk import walk

Site = Any
"""The fixture of conftest.py, which cannot be imported."""
SECOND = 1_000_000_000
PASSPHRASE = "correct horse battery staple"
DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "command-line.md"


@pytest.fixture(name="run")
def _run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def run(*arguments: object) -> tuple[int, str, str]:
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        assert PASSPHRASE not in captured.out + captured.err
        return code, captured.out, captured.err

    return run


Run = Callable[..., tuple[int, str, str]]


def test_version_and_help() -> None:
    runner = CliRunner()
    assert re.fullmatch(r"overt \d+\.\d+\.\d+\S*\n", runner.invoke(application(), ["--version"]).output)
    help_text = runner.invoke(application(), ["--help"]).output
    for command in ("record", "spans", "reconcile", "export", "keys", "simulate", "demo"):
        assert command in help_text


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["nonsense"], 2, "nonsense"),
        (["record", "--bogus"], 2, "--bogus"),
        (["record"], 2, "nothing to record"),
        (["record", "--camera", "a=rtsp://h/1"], 2, "no footage directory"),
        (["record", "--camera", "a=rtsp://u:hush-hush@", "--footage", "x"], 2, "names a host"),
        (["record", "--config", "none.toml"], 4, "no such file"),
        (["spans", "none"], 4, "overt-footage.json"),
        (["reconcile", "none"], 4, "overt-footage.json"),
        (["export", "none"], 2, "--camera"),
    ],
)
def test_refusals(run: Run, arguments: list[str], code: int, says: str) -> None:
    plain = run(*arguments)
    assert (plain[0], plain[1]) == (code, "")
    assert says in plain[2]
    assert plain[2].startswith("error: ")
    coded = run(*arguments, "--json")
    assert (coded[0], coded[1]) == (code, "")
    assert says in json.loads(coded[2])["error"]["message"]
    assert "hush" not in plain[2] + coded[2]


def test_reconcile_refuses_a_location_that_is_none(run: Run, site: Site, tmp_path: Path) -> None:
    code, out, err = run("reconcile", site.footage, "--location", tmp_path / "typo")
    assert (code, out) == (4, "")
    assert f"{tmp_path / 'typo'}: no overt-footage.json here" in err.replace("\n", "")


def test_record_in_a_new_directory_asks_for_keys(run: Run, tmp_path: Path) -> None:
    footage = tmp_path / "footage"
    code, _, err = run("record", "--camera", "a=rtsp://u:hush-hush@192.0.2.7/1", "--footage", footage)
    assert code == 4
    assert "overt keys create" in err
    assert "hush" not in err
    assert not footage.exists()


def test_spans_as_json(run: Run, site: Site) -> None:
    code, out, _ = run("spans", site.footage, "--json", "--to", to_iso(site.start_ns + 20 * SECOND))
    stream = json.loads(out)["streams"][0]
    assert code == 0
    assert (stream["camera"], stream["stream"], stream["recorded_seconds"]) == ("door", "main", 15.0)
    recorded = [part for part in stream["parts"] if part["what"] == "recorded"]
    assert [part["seconds"] for part in recorded] == [10.0, 5.0]
    assert sum(part["frames"] for part in recorded) == 150
    gap = stream["parts"][1]
    assert (gap["what"], gap["cause"], gap["seconds"]) == ("gap", "network", 5.0)


def test_spans_for_people_and_spreadsheets(run: Run, site: Site) -> None:
    until = to_iso(site.start_ns + 20 * SECOND)
    _, out, _ = run("spans", site.footage, "--camera", "door", "--to", until, "--timezone", "Europe/London")
    assert "door/main" in out
    assert "\x1b" not in out
    assert "+01:00" in out or "+00:00" in out
    _, out, _ = run("spans", site.footage, "--csv", "--to", until)
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [row["what"] for row in rows][:3] == ["recorded", "gap", "recorded"]
    assert rows[1]["detail"].startswith("'=no route")


def test_spans_within_a_span(run: Run, site: Site) -> None:
    start, end = to_iso(site.start_ns + 2 * SECOND), to_iso(site.start_ns + 3 * SECOND)
    _, out, _ = run("spans", site.footage, "--json", "--from", start, "--to", end)
    assert [part["seconds"] for part in json.loads(out)["streams"][0]["parts"]] == [1.0]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--camera", "yard"], 4, "'yard' was never recorded"),
        (["--from", "2026-03-29T01:00:00"], 2, "--timezone"),
        (["--from", "2026-10-25T01:30:00", "--timezone", "Europe/London"], 2, "twice"),
        (["--from", "now", "--to", "-5m"], 2, "later"),
        (["--csv", "--json"], 2, "not both"),
    ],
)
def test_spans_refused(run: Run, site: Site, arguments: list[str], code: int, says: str) -> None:
    found = run("spans", site.footage, *arguments)
    assert found[0] == code
    assert says in found[2]


def test_reconcile_clean_and_not(run: Run, site: Site, tmp_path: Path) -> None:
    code, out, _ = run("reconcile", site.footage, "--deep", "--json")
    found = json.loads(out)
    assert (code, found["differences"], found["remaining"]) == (0, [], 0)
    assert found["files"] >= 1
    copy = tmp_path / "copy"
    shutil.copytree(site.footage, copy)
    victim = max(copy.rglob("*.ovs"), key=lambda path: path.stat().st_size)
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(data)
    assert run("reconcile", copy, "--deep")[0] == 7
    code, out, _ = run("reconcile", copy, "--deep", "--json")
    assert code == 7
    assert any(victim.name in each["where"] for each in json.loads(out)["differences"])


@pytest.fixture(name="secret")
def _secret(tmp_path: Path) -> Path:
    path = tmp_path / "passphrase"
    path.write_text(PASSPHRASE + "\n")
    return path


def export_arguments(site: Site, out: Path, start_s: float, end_s: float) -> list[object]:
    start, end = (to_iso(site.start_ns + int(s * SECOND)) for s in (start_s, end_s))
    return [
        "export",
        site.footage,
        "--camera",
        "door",
        "--from",
        start,
        "--to",
        end,
        "--key",
        site.key,
        "--purpose",
        "Burglary",
        "--out",
        out,
    ]


def test_export_gives_back_what_was_recorded(run: Run, site: Site, tmp_path: Path, secret: Path) -> None:
    out = tmp_path / "clip.mp4"
    code, printed, _ = run(*export_arguments(site, out, 0, 20), "--passphrase-file", secret, "--json")
    assert code == 0
    manifest = json.loads((tmp_path / "clip.manifest.json").read_text())
    result = json.loads(printed)
    assert (result["fragments"], result["frames"], result["damage_count"]) == (30, 150, 0)
    assert [file["name"] for file in manifest["files"]] == ["clip.mp4", "clip-2.mp4"], "the codec changed"
    assert [file["tracks"][0]["width"] for file in manifest["files"]] == [1920, 640]
    contents = {file["name"]: (tmp_path / file["name"]).read_bytes() for file in manifest["files"]}
    for file in manifest["files"]:
        assert hashlib.sha256(contents[file["name"]]).hexdigest() == file["sha256"]
    taken = []
    for entry in manifest["fragments"]:
        payload = contents[entry["file"]][entry["offset"] : entry["offset"] + entry["bytes"]]
        assert hashlib.sha256(payload).hexdigest() == entry["sha256"]
        taken.append(payload)
    assert taken == [part.payload for part in site.fragments], "byte for byte what was handed over"
    assert [span["what"] for span in manifest["spans"]] == ["recorded", "gap", "recorded"]
    assert manifest["segments"][0]["camera_clock_offset_s"] == -1.5
    assert manifest["tool"]["name"] == "overt"
    for path in (out, tmp_path / "clip-2.mp4", tmp_path / "clip.manifest.json"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not list(tmp_path.glob(".*"))


def test_export_begins_at_the_keyframe_before(run: Run, site: Site, tmp_path: Path, secret: Path) -> None:
    out = tmp_path / "clip.mp4"
    code, printed, _ = run(*export_arguments(site, out, 3.2, 4), "--passphrase-file", secret, "--json")
    assert code == 0
    assert json.loads(printed)["from"] == to_iso(site.start_ns + 2 * SECOND)


def test_export_by_environment_and_by_recovery_code(
    run: Run, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OVERT_PASSPHRASE", PASSPHRASE)
    code, printed, _ = run(*export_arguments(site, tmp_path / "a.mp4", 0, 2))
    assert code == 0
    assert "a.manifest.json" in printed
    monkeypatch.delenv("OVERT_PASSPHRASE")
    monkeypatch.setenv("OVERT_RECOVERY_CODE", site.recovery_code)
    code, printed, _ = run(*export_arguments(site, tmp_path / "b.mp4", 0, 2), "--recovery")
    assert code == 0
    assert site.recovery_code not in printed


def test_export_never_overwrites(run: Run, site: Site, tmp_path: Path, secret: Path) -> None:
    out = tmp_path / "clip.mp4"
    out.write_text("precious")
    code, _, err = run(*export_arguments(site, out, 0, 2), "--passphrase-file", secret)
    assert code == 5
    assert "not overwritten" in err
    assert out.read_text() == "precious"


@pytest.mark.parametrize(
    ("changes", "code", "says"),
    [
        ({"--camera": "yard"}, 4, "never recorded"),
        ({"--from": "2020-01-01T00:00:00Z", "--to": "2020-01-02T00:00:00Z"}, 4, "nothing is recorded"),
        ({"--from": "now", "--to": "-1h"}, 2, "later"),
        ({"--from": "2026-03-29T01:30:00"}, 2, "--timezone"),
        ({"--out": "clip.avi"}, 2, ".mp4"),
        ({"--key": "none.key"}, 4, "none.key"),
        ({"--out": "/nonexistent/clip.mp4"}, 6, "cannot be written"),
    ],
)
def test_export_refused(run: Run, site: Site, secret: Path, *, changes: dict[str, str], code: int, says: str) -> None:
    tmp_path = secret.parent
    arguments = export_arguments(site, tmp_path / "clip.mp4", 0, 2)
    for option, value in changes.items():
        arguments[arguments.index(option) + 1] = value
    found = run(*arguments, "--passphrase-file", secret)
    assert found[0] == code, found
    assert says in found[2]
    assert not list(tmp_path.glob("*clip*"))


def test_a_wrong_passphrase_opens_nothing(run: Run, site: Site, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("hush hush hush hush\n")
    code, _, err = run(*export_arguments(site, tmp_path / "clip.mp4", 0, 2), "--passphrase-file", wrong)
    assert code == 3
    assert "hush" not in err
    assert not list(tmp_path.glob("*clip*"))


def test_what_cannot_be_given_back_is_named_and_the_rest_is(run: Run, site: Site, tmp_path: Path, secret: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(site.footage, copy)
    victim = min(copy.rglob("*.ovs"))
    data = bytearray(victim.read_bytes())
    data[walk(victim).records[5].row.offset + 200] ^= 1
    victim.write_bytes(data)
    arguments = export_arguments(site, tmp_path / "clip.mp4", 0, 20)
    arguments[1] = copy
    code, printed, _ = run(*arguments, "--passphrase-file", secret, "--json")
    result = json.loads(printed)
    assert code == 7
    assert result["damage_count"] == len(result["damage"]) == 1
    assert result["fragments"] == 29
    manifest = json.loads((tmp_path / "clip.manifest.json").read_text())
    assert manifest["damage"] == result["damage"]


def test_no_arguments_show_the_help(run: Run) -> None:
    code, out, err = run()
    assert code in {0, 2}
    assert "record" in out + err


@functools.cache
def commands() -> dict[str, Any]:
    found: dict[str, Any] = {}

    def walk(command: Any, name: str) -> None:
        inner = getattr(command, "commands", None)
        if inner:
            for key, value in inner.items():
                walk(value, f"{name} {key}".strip())
        else:
            found[name] = command

    walk(get_command(application()), "")
    return found


@pytest.mark.parametrize("name", sorted(commands()))
def test_every_command_and_option_is_documented(name: str) -> None:
    text = DOCUMENT.read_text()
    heading = f"## `overt {name}`\n"
    assert heading in text
    section = text.split(heading, 1)[1].split("\n## ", 1)[0]
    documented = set(re.findall(r"`(--[a-z-]+)", section))
    options = {
        option
        for parameter in commands()[name].params
        for option in [*getattr(parameter, "opts", []), *getattr(parameter, "secondary_opts", [])]
        if option.startswith("--") and option != "--help"
    }
    assert documented == options, name


def test_nothing_undocumented_is_described() -> None:
    described = set(re.findall(r"^## `overt ([a-z -]+)`$", DOCUMENT.read_text(), re.MULTILINE))
    assert described == set(commands())
