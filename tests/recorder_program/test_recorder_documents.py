"""The reference pages name every key, every kind of fact, and nothing that is not there."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from overt.contract.assignment import Retention, Span, Tls, key_names
from overt.contract.fact import FACT_KINDS
from overt.recorder.configuration import CAMERA_KEYS, ConfigurationSource, RecorderSettings

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
SECTIONS = {
    "## `[recorder]`": tuple(RecorderSettings.model_fields),
    "## `[defaults]` and `[cameras.NAME]`": CAMERA_KEYS,
    "### `retention`": tuple(key_names(Retention)),
    "### `tls`": tuple(key_names(Tls)),
    "### `holds`": tuple(key_names(Span)),
}


@pytest.mark.parametrize("heading", SECTIONS)
def test_every_key_is_documented(heading: str) -> None:
    text = (REFERENCE / "configuration.md").read_text()
    section = re.split(r"^#", text.split(heading + "\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    assert sorted(re.findall(r"^\| `(\w+)`", section, re.MULTILINE)) == sorted(SECTIONS[heading])


def test_the_example_is_lawful(tmp_path: Path) -> None:
    text = (REFERENCE / "configuration.md").read_text()
    example = text.split("```toml\n", 1)[1].split("```", 1)[0]
    (tmp_path / "secret").write_text("hush\n")
    path = tmp_path / "overt.toml"
    path.write_text(example.replace("/etc/overt/camera-password", "secret"))
    assert [camera.name for camera in ConfigurationSource(path).load().assignment.cameras] == ["front-door", "yard"]


@pytest.mark.parametrize("kind", FACT_KINDS)
def test_every_kind_of_fact_is_documented(kind: str) -> None:
    text = (REFERENCE / "recorder-http.md").read_text()
    row = next(line for line in text.splitlines() if line.startswith(f"| `{kind}`"))
    cells = row.split("|")[2]
    named = {
        name.removesuffix("_ns") if name != "duration_ns" else name
        for name in (f.name for f in fields(FACT_KINDS[kind]))
    }
    assert named <= set(re.findall(r"`([\w-]+)`", cells))
