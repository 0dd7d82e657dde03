"""Cameras, sites and devices through the pages of the control room, as somebody with a browser would."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

from django.http import HttpResponse
from django.test import Client

import overt.control.people.sessions  # noqa: F401 - it notes when a session begins, once it is loaded
from overt.control.estate.models import Camera, Site
from overt.control.people.models import Person

WHY: dict[str, Any] = {
    "location": "the north door",
    "purpose": "To keep people safe at night",
    "legal_basis": "Public task",
    "review_on": "31/3/2031",
    "retention_days": "31",
    "retention_reason": "Most incidents are reported within a month",
    "audio_reason": "",
}
"""What a camera needs on its form, besides name, site and owner."""


def text_of(answer: HttpResponse) -> str:
    """The page."""
    return answer.content.decode()


def camera_form(site: Site, owner: Person | None, name: str = "North door", **more: Any) -> dict[str, Any]:
    """What the form of a camera sends."""
    return {"name": name, "site": str(site.pk), "owner": str(owner.pk) if owner else "", **WHY, **more}


def device_form(version: int, at: str = "127.0.0.1", **more: Any) -> dict[str, Any]:
    """What the form of a device sends."""
    fields = {
        "host": at,
        "port": "554",
        "username": "",
        "password": "",
        "onvif_port": "",
        "main_url": "",
        "sub_url": "",
    }
    return {**fields, "version": str(version), "act": "save", **more}


def add_camera(client: Client, form: dict[str, Any]) -> Camera:
    """Add a camera on the page."""
    answer = client.post("/cameras/add", form)
    assert answer.status_code == 302, faults(answer)
    return Camera.objects.get(pk=answer["location"].rpartition("/")[2])


def faults(answer: HttpResponse) -> list[str]:
    """What the summary at the head of a form says is wrong."""
    found = re.search(r'govuk-error-summary__list">(.*?)</ul>', text_of(answer), re.DOTALL)
    return [" ".join(re.sub(r"<[^>]*>", " ", each).split()) for each in (found[1] if found else "").split("</li>")][:-1]


def eventually(condition: Callable[[], Any], seconds: float = 60) -> Any:
    """Wait until something is so; return it."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not become so"
        time.sleep(0.05)
    return found
