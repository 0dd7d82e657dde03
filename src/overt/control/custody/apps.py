"""The Django app `custody`."""

from __future__ import annotations

from django.apps import AppConfig


class CustodyConfig(AppConfig):
    """Who holds which security key, what is sealed to them, and what they are asked."""

    name = "overt.control.custody"
    label = "custody"
