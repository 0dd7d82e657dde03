"""The Django app `viewing`."""

from __future__ import annotations

from django.apps import AppConfig


class ViewingConfig(AppConfig):
    """wall and review, layouts, tours, floor plans, and the grants that let a page see pictures."""

    name = "overt.control.viewing"
    label = "viewing"
