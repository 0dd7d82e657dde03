"""retention.json: how long footage of each camera may be kept, as was last said of it.

An assignment that names a camera no more takes nothing back: its footage goes on to grow old, and goes when its time
has come (docs/decisions/0007-footage-of-cameras-no-longer-assigned.md). The file lies beside the index, and not in it,
since it cannot be made again from the footage.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from overt.errors import CorruptError, InvalidError, MissingError
from overt.footage.options import RetentionPolicy
from overt.ids import checked_name
from overt.new_file import read_small, replace

FILE: Final = "retention.json"
FORMAT: Final = 1
MAX_FILE: Final = 8 * 1024 * 1024


def remembered(directory: Path) -> dict[str, RetentionPolicy]:
    """Return the last known retention of every camera that was ever assigned here.

    Raises:
        CorruptError: if the file is not what was written, or of a later format.
        UnavailableError: if it cannot be read.
    """
    path = directory / FILE
    try:
        data = read_small(path, MAX_FILE, "file of retentions")
    except MissingError:
        return {}
    try:
        value: Any = json.loads(data)
        if value["format"] != FORMAT:
            msg = f"format {value['format']}"
            raise ValueError(msg)
        return {checked_name(name, "camera"): _policy(each) for name, each in value["cameras"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, InvalidError) as error:
        msg = (
            f"{path}: this version of Overt cannot understand it ({error}); restore it from a backup, or remove it: "
            "then footage of cameras that are not assigned is kept without limit"
        )
        raise CorruptError(msg) from error


def remember(directory: Path, policies: dict[str, RetentionPolicy]) -> None:
    """Write the retention of all cameras down. Raises UnavailableError if the disk refuses."""
    cameras = {name: {"days": each.days, "bytes": each.bytes} for name, each in sorted(policies.items())}
    data = json.dumps({"format": FORMAT, "cameras": cameras}, indent=2).encode() + b"\n"
    replace(directory / FILE, data, 0o600)


def _policy(value: Any) -> RetentionPolicy:
    """Return one retention; raises ValueError, KeyError or TypeError for what never was one."""
    days, size = value["days"], value["bytes"]
    if not (days is None or 0 < float(days) < 1e6) or not (size is None or int(size) > 0):
        msg = "no retention"
        raise ValueError(msg)
    return RetentionPolicy(None if days is None else float(days), None if size is None else int(size))
