"""Tests of the page in a browser are collected where Playwright is installed, as `make browser` does it."""

from __future__ import annotations

import importlib.util

collect_ignore = [] if importlib.util.find_spec("playwright") else ["browser"]
