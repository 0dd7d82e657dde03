"""Footage of others keeps its licence: where that asks for its text, the text lies beside the files."""

from __future__ import annotations

import json
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


def test_what_the_pages_bundle_is_under_licences_that_allow_it_and_comes_with_them() -> None:
    packages = json.loads((ROOT / "web" / "package-lock.json").read_text())["packages"]
    bundled = {name: each["license"] for name, each in packages.items() if name and not each.get("dev")}
    assert set(bundled.values()) <= {"MIT", "BSD-3-Clause", "ISC", "0BSD", "Apache-2.0"}, bundled
