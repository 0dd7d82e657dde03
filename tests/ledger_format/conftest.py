"""The other reader, and the maker of the vectors."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


def _module(name: str, path: str) -> ModuleType:
    """Load a file of this folder that is no test."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(path))
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture(scope="session")
def stranger() -> ModuleType:
    return _module("ledger_stranger", "stranger.py")


@pytest.fixture(scope="session")
def vectors() -> ModuleType:
    return _module("ledger_vectors", "make_vectors.py")
