"""Moments as they stand in leaves and in what keys sign, in the words of pages."""

from __future__ import annotations

import datetime as dt

from django.utils import timezone


def in_words(text: object) -> str:
    """Write an ISO 8601 moment in UTC as local time with its zone; what is none, as it stands."""
    try:
        moment = dt.datetime.fromisoformat(str(text)[:26].removesuffix("+00:00") + "+00:00")
    except ValueError:
        return str(text)
    local = timezone.localtime(moment)
    return f"{local.day} {local:%B %Y, %H:%M:%S %Z}"
