"""The Django app `health`."""

from __future__ import annotations

from django.apps import AppConfig


class HealthConfig(AppConfig):
    """what recorders and cameras report, what is wrong now, whom it is told."""

    name = "overt.control.health"
    label = "health"
