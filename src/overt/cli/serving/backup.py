"""`overt backup` and `overt restore`: everything of the control room but footage, in one encrypted file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.text import Text

from overt.cli.options import JsonOption
from overt.cli.output import Output, size
from overt.cli.passphrase import read_passphrase
from overt.cli.record import guard_process
from overt.cli.serving.asking import ask
from overt.cli.serving.command import ConfigOption, DatabaseOption, DataOption
from overt.cli.serving.configuration import read_configuration
from overt.control.configuration import ControlSettings
from overt.errors import InvalidError, MissingError

MODULE: Final = "overt.control.project.backup"
VARIABLE: Final = "OVERT_BACKUP_PASSPHRASE"
LEAST: Final = 12

PassphraseFileOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="File whose first line is the backup's passphrase; else OVERT_BACKUP_PASSPHRASE, else a prompt.",
    ),
]


def backup(
    *,
    out: Annotated[Path, typer.Option(metavar="FILE", help="File to write; never overwritten.")],
    config: ConfigOption = None,
    data: DataOption = None,
    database: DatabaseOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Keep everything but footage (people, register, keys, floor plans) in one file; the system may go on running."""
    guard_process()
    settings = _settings(config, data, database)
    passphrase = read_passphrase(passphrase_file, "Passphrase of the backup", confirm=True, variable=VARIABLE)
    if len(passphrase) < LEAST:
        msg = f"the passphrase of a backup must have at least {LEAST} characters: the file holds the system's keys"
        raise InvalidError(msg)
    told = ask(MODULE, settings, {"act": "backup", "file": str(out), "passphrase": passphrase})
    text = f"{out} has {size(told['bytes'])}: rows, {', '.join(told['files'])}. Keep its passphrase elsewhere."
    Output(as_json=as_json).show(told, Text(text))


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `overt backup` wrote.")],
    *,
    config: ConfigOption = None,
    data: DataOption = None,
    database: DatabaseOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a backup into a data directory and a database that are empty; `overt serve` then runs it."""
    guard_process()
    if not file.is_file():
        msg = f"{file}: there is no such file"
        raise MissingError(msg)
    settings = _settings(config, data, database)
    passphrase = read_passphrase(passphrase_file, "Passphrase of the backup", variable=VARIABLE)
    told = ask(MODULE, settings, {"act": "restore", "file": str(file), "passphrase": passphrase})
    text = f"{settings.data} is as it was at {told['made_at']}. Everybody signs in again. `overt serve` runs it."
    Output(as_json=as_json).show(told, Text(text))


def _settings(config: Path | None, data: Path | None, database: str | None) -> ControlSettings:
    given: dict[str, Any] = {"data": data, "database": database}
    options = {key: value for key, value in given.items() if value is not None}
    return read_configuration(config, options, own=False).control
