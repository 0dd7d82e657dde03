"""What holds for the whole suite.

Tests of the page in a browser are collected where Playwright is installed, as `make browser` does it. No example of
hypothesis is timed: a machine that has other things to do has found no defect. Passphrases are not slow, except where a
test asks for `true_passphrases` and in the processes that a test starts.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from quick_age import quick_passphrases, slow_passphrases

collect_ignore = [] if importlib.util.find_spec("playwright") else ["browser"]
settings.register_profile("overt", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("overt")


def pytest_xdist_auto_num_workers() -> int:
    """Return how many processes `-n auto` means: twice the cores, since tests wait as long as they compute."""
    return 2 * len(os.sched_getaffinity(0))


@pytest.fixture(scope="session", autouse=True)
def _quick_passphrases() -> Iterator[None]:
    """Whatever the tests seal under a passphrase is opened at once, in every process."""
    with quick_passphrases():
        yield


@pytest.fixture
def true_passphrases() -> Iterator[None]:
    """What a test seals under a passphrase takes as long as it does for people."""
    with slow_passphrases():
        yield
