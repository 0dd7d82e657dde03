"""Where personas point to: files beside the persona, or footage that comes with the package."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Annotated, Final

from pydantic import BeforeValidator, ValidationInfo

PACKAGE_PREFIX: Final = "package:"


def packaged(folder: str, name: str) -> Path:
    """Return the path of a file that is shipped in `footage` or `personas`."""
    return Path(str(files("overt.simulator"))) / folder / name


def _resolved(value: object, info: ValidationInfo) -> object:
    if not isinstance(value, str | Path):
        return value
    text = str(value)
    if text.startswith(PACKAGE_PREFIX):
        path = packaged("footage", Path(text.removeprefix(PACKAGE_PREFIX)).name)
    else:
        folder = (info.context or {}).get("folder", Path())
        path = Path(folder) / text
    if not path.is_file():
        msg = f"there is no file {path}"
        raise ValueError(msg)
    return path


SourcePath = Annotated[Path, BeforeValidator(_resolved)]
"""An existing file: `package:NAME`, absolute, or relative to the folder of the persona."""
