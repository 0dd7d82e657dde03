"""Addresses of `viewing`."""

from __future__ import annotations

from django.urls import URLPattern

app_name = "viewing"
urlpatterns: list[URLPattern] = []
