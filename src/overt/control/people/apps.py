"""The Django app `people`."""

from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig


class PeopleConfig(AppConfig):
    """People, roles, appointments, groups of sites."""

    name = "overt.control.people"
    label = "people"

    def ready(self) -> None:
        """Connect what listens to signals; it needs the tables, which are there only now."""
        for module in ("sessions", "second_factor", "sign_in_acts"):
            import_module(f"{self.name}.{module}")
