"""The Django app `people`."""

from __future__ import annotations

from django.apps import AppConfig


class PeopleConfig(AppConfig):
    """People, roles, appointments, groups of sites."""

    name = "overt.control.people"
    label = "people"
