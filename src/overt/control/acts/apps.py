"""The Django app `acts`."""

from __future__ import annotations

from django.apps import AppConfig


class ActsConfig(AppConfig):
    """Leaves of the ledger about what people did, and the table by which they are found."""

    name = "overt.control.acts"
    label = "acts"
