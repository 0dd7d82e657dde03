"""The Django app `witnessing`."""

from __future__ import annotations

from django.apps import AppConfig


class WitnessingConfig(AppConfig):
    """The recorder's ledger, as the control room saw it."""

    name = "overt.control.witnessing"
    label = "witnessing"
