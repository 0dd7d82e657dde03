"""Footage of others keeps its licence: where that asks for its text, the text lies beside the files."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = (ROOT / "tests" / "footage", ROOT / "src" / "overt" / "simulator" / "footage")


def test_every_film_has_its_licence_and_mit_its_notice() -> None:
    for folder in FOLDERS:
        rows = dict(
            re.findall(r"^\| `?([\w.]+\.mp4)`? \|.*\| ([^|]+) \|$", (folder / "README.md").read_text(), re.MULTILINE)
        )
        assert {path.name for path in folder.glob("*.mp4")} == rows.keys()
        notices = "".join(path.read_text() for path in folder.glob("LICENSE*"))
        if any(licence == "MIT" for licence in rows.values()):
            assert "Copyright (c) 2021 Axis Communications AB" in notices
            assert "The above copyright notice and this permission notice" in notices
