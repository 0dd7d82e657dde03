"""Addresses of `estate`."""

from __future__ import annotations

from django.urls import URLPattern, path

from overt.control.estate import pages

app_name = "estate"
urlpatterns: list[URLPattern] = [
    path("cameras", pages.cameras, name="cameras"),
]
