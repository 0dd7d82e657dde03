"""What holds for the whole suite.

Tests of the page in a browser are collected where Playwright is installed, as `make browser` does it. No example of
hypothesis is timed: a machine that has other things to do has found no defect.
"""

from __future__ import annotations

import importlib.util

from hypothesis import HealthCheck, settings

collect_ignore = [] if importlib.util.find_spec("playwright") else ["browser"]
settings.register_profile("overt", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("overt")
