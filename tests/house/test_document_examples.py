"""Examples in the documents can be run: their commands and options exist, their configurations are lawful."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from typer.core import TyperGroup, TyperOption
from typer.main import get_command

from overt.cli.main import application
from overt.cli.serving.configuration import read_configuration
from overt.recorder.configuration import ConfigurationSource
from overt.simulator.persona import parse_persona

ROOT = Path(__file__).parents[2]
PROGRAM = get_command(application())
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md")])
COMMAND = re.compile(r"(?:[A-Z_]+=(?:'[^']*'|\S*)\s+)*(?:\S*/)?overt\s")
BLOCK = re.compile(r"^[ ]*```(\w+)\n(.*?)^[ ]*```$", re.MULTILINE | re.DOTALL)


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path, language: str) -> Iterator[str]:
    """Yield the code of a page in one language, without the indentation of a list."""
    for found, code in BLOCK.findall(page.read_text(encoding="utf-8")):
        if found == language:
            indent = len(code) - len(code.lstrip(" "))
            yield "\n".join(line[indent:] for line in code.splitlines())


def commands(page: Path) -> Iterator[list[str]]:
    """Yield the arguments of each `overt` command in the shell blocks of a page; one begins a line of its own."""
    for block in blocks(page, "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            if COMMAND.match(line):
                words = shlex.split(line, comments=True)
                start = next(at for at, word in enumerate(words) if Path(word).name == "overt")
                yield words[start + 1 :]


def complaint(arguments: list[str]) -> str:
    """Return what is wrong with the arguments of `overt`: an unknown command or option, too many words."""
    command = PROGRAM
    words = list(arguments)
    while isinstance(command, TyperGroup) and words and not words[0].startswith("-"):
        name = words.pop(0)
        found = command.commands.get(name)
        if found is None:
            return f"there is no command {name}"
        command = found
    options = {name: each for each in command.params if isinstance(each, TyperOption) for name in each.opts}
    while words:
        word = words.pop(0)
        if not word.startswith("--"):
            continue
        name, equals, _ = word.partition("=")
        if name not in options and name != "--help":
            return f"overt {command.name} has no option {name}"
        if not equals and name in options and not options[name].is_flag and not (words and words.pop(0)):
            return f"{name} needs a value"
    return ""


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_exist(page: Path) -> None:
    found = {" ".join(arguments): complaint(arguments) for arguments in commands(page)}
    assert not {command: wrong for command, wrong in found.items() if wrong}


def test_commands_are_found() -> None:
    assert sum(1 for page in PAGES for _ in commands(page)) > 20
    assert complaint(["spam"])
    assert complaint(["export", "--nonsense"])
    assert complaint(["export", "footage", "--camera"])
    assert not complaint(["keys", "create", "--site", "Town Hall", "--out", "x.key"])


@pytest.mark.parametrize("page", [page for page in PAGES if page.parent.name != "formats"], ids=name_of)
def test_commands_in_running_text_exist(page: Path) -> None:
    command = PROGRAM
    assert isinstance(command, TyperGroup)
    text = re.sub(r"^[ ]*```.*?^[ ]*```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    assert set(re.findall(r"`overt ([a-z]+)", text)) <= set(command.commands)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_configurations_are_lawful(page: Path, tmp_path: Path) -> None:
    for number, block in enumerate(blocks(page, "toml")):
        text = re.sub(r'password_file = "[^"]*"', 'password_file = "secret"', block)
        if "footage =" not in text:
            text = f'[recorder]\nfootage = "footage"\n{text}' if "[recorder]" not in text else text
        (tmp_path / "secret").write_text("hush\n")
        path = tmp_path / f"{number}.toml"
        if "[control" in text:
            path.write_text(block)
            assert read_configuration(path, {}, own=False).control
            continue
        path.write_text(text if "url =" in text or "[cameras." not in text else with_addresses(text))
        ConfigurationSource(path).load()


def with_addresses(text: str) -> str:
    """Give each camera of an example an address, where the example leaves it out."""
    names = dict.fromkeys(re.findall(r"^\[+cameras\.([\w-]+)", text, re.MULTILINE))
    return "".join(f'[cameras.{name}]\nurl = "rtsp://192.0.2.7/1"\n' for name in names) + text


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_personas_are_lawful(page: Path) -> None:
    for block in blocks(page, "yaml"):
        if "cameras" in (yaml.safe_load(block) or {}):
            parse_persona(block, name_of(page), page.parent)
