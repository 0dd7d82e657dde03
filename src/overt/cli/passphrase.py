"""Where a passphrase comes from: a file, the environment, or a person who types it unseen."""

from __future__ import annotations

import getpass
import os
import warnings
from pathlib import Path
from typing import Final

from overt.errors import InvalidError
from overt.new_file import read_small

VARIABLE: Final = "OVERT_PASSPHRASE"
MAX_FILE: Final = 4096


def read_passphrase(option_file: Path | None, prompt: str, confirm: bool = False, *, variable: str = VARIABLE) -> str:
    """Return a passphrase: from `option_file`, else from the environment, else typed at the terminal.

    Args:
        option_file: a file whose first line is the passphrase, or None.
        prompt: what the person is asked, without colon.
        confirm: ask twice, because a new passphrase that was mistyped is a lost key.
        variable: the environment variable that holds it where nobody can type.

    Raises:
        MissingError, UnavailableError: if the file cannot be read.
        InvalidError: if it is empty, the two entries differ, or there is neither file, variable nor terminal.
    """
    if option_file is not None:
        return _first_line(read_small(option_file, MAX_FILE, "passphrase file"), option_file)
    if value := os.environ.get(variable):
        return value
    typed = _typed(prompt, variable)
    if confirm and _typed(f"{prompt} (again)", variable) != typed:
        msg = "the two entries differ: nothing was done, try again"
        raise InvalidError(msg)
    return typed


def _first_line(data: bytes, path: Path) -> str:
    """Return the text before the first line end."""
    try:
        line = data.decode("utf-8-sig").splitlines()[0]
    except (UnicodeDecodeError, IndexError):
        line = ""
    if not line:
        msg = f"{path}: its first line must be the passphrase, as UTF-8 text"
        raise InvalidError(msg)
    return line


def _typed(prompt: str, variable: str) -> str:
    """Ask at the terminal without echo."""
    try:
        with warnings.catch_warnings():
            # Without a terminal getpass would go on and show what is typed.
            warnings.simplefilter("error", getpass.GetPassWarning)
            value = getpass.getpass(f"{prompt}: ")
    except (getpass.GetPassWarning, EOFError, OSError) as error:
        msg = f"no terminal to ask for it ({prompt}): give a file with the passphrase, or set {variable}"
        raise InvalidError(msg) from error
    if not value:
        msg = f"nothing was typed ({prompt})"
        raise InvalidError(msg)
    return value
