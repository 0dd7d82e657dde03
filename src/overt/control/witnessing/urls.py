"""Addresses of `witnessing`."""

from __future__ import annotations

from django.urls import URLPattern, path

from overt.control.witnessing import pages

app_name = "witnessing"
urlpatterns: list[URLPattern] = [path("acts/recorder", pages.recorder, name="recorder")]
