"""Fixtures of the capture tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from capture_rig import Rig, rig
from certificates import self_signed


@pytest.fixture
def one() -> Iterator[Rig]:
    """One plain H.264 camera, recorded."""
    with rig([{}]) as made:
        yield made


@pytest.fixture
def tls_files(tmp_path: Path) -> tuple[Path, Path, str]:
    """A self-signed certificate for 127.0.0.1: PEM, key, SHA-256."""
    return self_signed(tmp_path)
