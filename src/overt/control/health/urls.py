"""Addresses of `health`."""

from __future__ import annotations

from django.urls import URLPattern, path

from overt.control.health import alert_pages, pages

app_name = "health"
urlpatterns: list[URLPattern] = [
    path("health", pages.now, name="now"),
    path("health/parts", pages.parts, name="parts"),
    path("health/cameras/<uuid:camera_id>", pages.camera, name="camera"),
    path("health/uptime", pages.uptime_page, name="uptime"),
    path("health/uptime.csv", pages.uptime_csv, name="uptime_csv"),
    path("health/alerts", alert_pages.rules, name="alerts"),
    path("health/alerts/new", alert_pages.add, name="alert_new"),
    path("health/alerts/<int:rule_id>", alert_pages.change, name="alert"),
    path("health/alerts/<int:rule_id>/delete", alert_pages.delete, name="alert_delete"),
    path("health/alerts/<int:rule_id>/test", alert_pages.test, name="alert_test"),
]
