"""The Django app `audit`."""

from __future__ import annotations

from django.apps import AppConfig


class AuditConfig(AppConfig):
    """Readings of the ledger. It has no tables of its own."""

    name = "overt.control.audit"
    label = "audit"
