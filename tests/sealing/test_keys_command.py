"""`overt keys`: the whole life of a key from the command line."""

from __future__ import annotations

import getpass
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from overt.cli.keys import app
from overt.cli.passphrase import read_passphrase
from overt.errors import ConflictError, ForbiddenError, InvalidError, MissingError, OvertError
from overt.ids import StreamKey
from overt.sealing.custody import open_with_passphrase, read_key_file
from overt.sealing.ratchet import period_commitment
from overt.sealing.recipients_file import read_recipients
from overt.sealing.wraps import begin_period, unwrap

PASSPHRASE = "eleven wet umbrellas"


@pytest.fixture(autouse=True)
def _no_passphrase_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("OVERT_PASSPHRASE", "OVERT_NEW_PASSPHRASE", "OVERT_RECOVERY_CODE"):
        monkeypatch.delenv(variable, raising=False)


def run(*arguments: object, **environment: str) -> str:
    result = CliRunner().invoke(app, [str(each) for each in arguments], env=environment)
    if isinstance(result.exception, OvertError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def run_json(*arguments: object, **environment: str) -> dict[str, Any]:
    value = json.loads(run(*arguments, "--json", **environment))
    assert isinstance(value, dict)
    return value


def test_a_key_is_made_checked_changed_and_recovered(tmp_path: Path) -> None:
    key, public = tmp_path / "k.json", tmp_path / "r.json"
    made = run_json("create", "--site", "Town Hall", "--out", key, "--recipients", public, OVERT_PASSPHRASE=PASSPHRASE)
    assert made["site"] == "Town Hall"
    shown = run_json("show", key)
    assert "recovery_code" not in shown
    assert shown["key_id"] == made["key_id"] == read_recipients(public).recipients[0].key_id
    assert run_json("check", key, OVERT_PASSPHRASE=PASSPHRASE)["opens"] is True
    with pytest.raises(ForbiddenError, match=made["key_id"]):
        run("check", key, OVERT_PASSPHRASE="another passphrase")
    run("change-passphrase", key, OVERT_PASSPHRASE=PASSPHRASE, OVERT_NEW_PASSPHRASE="nine dry newspapers")
    assert "opens        yes" in run("check", key, OVERT_PASSPHRASE="nine dry newspapers")
    code = made["recovery_code"].lower()
    assert run_json("recover", key, OVERT_RECOVERY_CODE=code, OVERT_NEW_PASSPHRASE="seven old teapots")["changed"]
    assert run_json("check", key, OVERT_PASSPHRASE="seven old teapots")["opens"]


@pytest.mark.parametrize(
    ("command", "wrong", "error"),
    [
        ("recover", "not a code", InvalidError),
        ("recover", "ANOTHER", ForbiddenError),
        ("change-passphrase", "another passphrase", ForbiddenError),
    ],
)
def test_nobody_is_asked_for_a_new_passphrase_before_the_old_secret_has_opened_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, wrong: str, error: type[OvertError]
) -> None:
    key = tmp_path / "k.json"
    run("create", "--site", "Town Hall", "--out", key, OVERT_PASSPHRASE=PASSPHRASE)
    other = run_json("create", "--site", "Library", "--out", tmp_path / "o.json", OVERT_PASSPHRASE=PASSPHRASE)
    before, asked = key.read_bytes(), []

    def answer(prompt: str) -> str:
        asked.append(prompt)
        return other["recovery_code"] if wrong == "ANOTHER" else wrong

    monkeypatch.setattr(getpass, "getpass", answer)
    with pytest.raises(error):
        run(command, key)
    assert len(asked) == 1
    assert "New" not in asked[0]
    assert key.read_bytes() == before


def test_the_recovery_code_is_printed_once(tmp_path: Path) -> None:
    text = run("create", "--site", "Town Hall", "--out", tmp_path / "k.json", OVERT_PASSPHRASE=PASSPHRASE)
    assert "Write it on paper" in text
    assert text.count("-") >= 7


def test_two_roles_make_four_eyes(tmp_path: Path) -> None:
    first, second, public = (tmp_path / name for name in ("a.json", "b.json", "r.json"))
    run("create", "--site", "Town Hall", "--out", first, OVERT_PASSPHRASE=PASSPHRASE)
    run("create", "--same-site-as", first, "--role", "witness", "--out", second, OVERT_PASSPHRASE=PASSPHRASE)
    made = run_json("recipients", first, second, "--out", public)
    assert (made["policy"], [each["role"] for each in made["roles"]]) == ("four-eyes", ["custodian", "witness"])
    assert read_recipients(public).policy == "four-eyes"
    run("create", "--site", "Library", "--out", tmp_path / "c.json", OVERT_PASSPHRASE=PASSPHRASE)
    with pytest.raises(InvalidError, match=r"c\.json is of site Library"):
        run("recipients", first, tmp_path / "c.json", "--out", tmp_path / "x.json")
    assert "four-eyes" in run("recipients", first, second, "--out", tmp_path / "text.json")


def test_arguments_that_contradict_each_other(tmp_path: Path) -> None:
    key = tmp_path / "k.json"
    with pytest.raises(InvalidError, match="either --site"):
        run("create", "--out", key)
    run("create", "--site", "Town Hall", "--out", key, OVERT_PASSPHRASE=PASSPHRASE)
    with pytest.raises(ConflictError, match="not overwritten"):
        run("create", "--site", "Town Hall", "--out", key, OVERT_PASSPHRASE=PASSPHRASE)
    with pytest.raises(InvalidError, match="one role"):
        run("create", "--same-site-as", key, "--out", tmp_path / "b.json", "--recipients", tmp_path / "r.json")
    with pytest.raises(MissingError):
        run("show", tmp_path / "none.json")


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    entries: list[str] = []
    monkeypatch.setattr(getpass, "getpass", lambda prompt: entries.pop(0))
    yield entries
    assert entries == []


def test_a_passphrase_comes_from_file_environment_or_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: list[str]
) -> None:
    file = tmp_path / "passphrase"
    file.write_text("from the file\nignored\n")
    typed += ["from the terminal"]
    assert read_passphrase(None, "Passphrase") == "from the terminal"
    monkeypatch.setenv("OVERT_PASSPHRASE", "from the environment")
    assert read_passphrase(None, "Passphrase") == "from the environment"
    assert read_passphrase(file, "Passphrase") == "from the file"


def test_a_new_passphrase_is_typed_twice(typed: list[str]) -> None:
    typed += ["one passphrase", "one passphrase", "one passphrase", "another one", ""]
    assert read_passphrase(None, "New passphrase", confirm=True) == "one passphrase"
    with pytest.raises(InvalidError, match="differ"):
        read_passphrase(None, "New passphrase", confirm=True)
    with pytest.raises(InvalidError, match="nothing was typed"):
        read_passphrase(None, "New passphrase")


def test_without_a_terminal_one_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(prompt: str) -> str:
        raise EOFError

    monkeypatch.setattr(getpass, "getpass", refuse)
    with pytest.raises(InvalidError, match="set OVERT_PASSPHRASE"):
        read_passphrase(None, "Passphrase")


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe"])
def test_passphrase_files_without_a_passphrase(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "passphrase"
    file.write_bytes(content)
    with pytest.raises(InvalidError, match="first line"):
        read_passphrase(file, "Passphrase")


def test_what_the_commands_make_seals_and_opens(tmp_path: Path) -> None:
    key, public = tmp_path / "k.json", tmp_path / "r.json"
    run("create", "--site", "Town Hall", "--out", key, "--recipients", public, OVERT_PASSPHRASE=PASSPHRASE)
    period, wrapped = begin_period(read_recipients(public), StreamKey("hall"))
    root = unwrap(wrapped, [open_with_passphrase(read_key_file(key), PASSPHRASE)])
    assert period_commitment(root) == period.commitment
