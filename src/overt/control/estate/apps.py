"""The Django app `estate`."""

from __future__ import annotations

from django.apps import AppConfig


class EstateConfig(AppConfig):
    """Sites, cameras, devices, installations."""

    name = "overt.control.estate"
    label = "estate"
