"""The Django app `viewing`."""

from __future__ import annotations

import importlib

from django.apps import AppConfig


class ViewingConfig(AppConfig):
    """Wall and review, layouts, tours, floor plans, and the grants that let a page see pictures."""

    name = "overt.control.viewing"
    label = "viewing"

    def ready(self) -> None:
        """Hear of people who may do less: tables are known now, which they were not when this module was read."""
        importlib.import_module("overt.control.viewing.holding").listen()
