"""Addresses of `audit`."""

from __future__ import annotations

from django.urls import URLPattern, path

from overt.control.audit import number_pages, pages, served

app_name = "audit"
urlpatterns: list[URLPattern] = [
    path("acts", pages.acts, name="acts"),
    path("acts.csv", pages.acts_csv, name="acts-csv"),
    path("acts/commands", pages.opened_by_commands, name="commands"),
    path("acts/numbers", number_pages.month, name="numbers"),
    path("acts/numbers.csv", number_pages.month_csv, name="numbers-csv"),
    path("acts/checkpoint", pages.checkpoint, name="checkpoint"),
    path("acts/<int:number>", pages.act, name="act"),
    path("acts/<int:number>/proof", pages.proof, name="proof"),
    path("ledger/<path:path>", served.ledger_file, name="ledger-file"),
]
