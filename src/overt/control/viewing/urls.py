"""Addresses of `viewing`."""

from __future__ import annotations

from django.urls import URLPattern, path

from overt.control.viewing import calls, pages

app_name = "viewing"
urlpatterns: list[URLPattern] = [
    path("wall", pages.wall, name="wall"),
    path("review", pages.review, name="review"),
    path("viewing/catalogue", calls.catalogue, name="catalogue"),
    path("viewing/grants", calls.new_grant, name="new-grant"),
    path("viewing/grants/<uuid:grant>", calls.change_grant, name="change-grant"),
    path("viewing/grants/<uuid:grant>/heartbeat", calls.heartbeat, name="heartbeat"),
    path("viewing/grants/<uuid:grant>/close", calls.close_grant, name="close-grant"),
    path("viewing/grants/<uuid:grant>/clips", calls.clip, name="clip"),
    path("viewing/layouts", calls.save_layout, name="save-layout"),
    path("viewing/layouts/<int:layout>/remove", calls.remove_layout, name="remove-layout"),
    path("viewing/tours", calls.save_tour, name="save-tour"),
    path("viewing/tours/<int:tour>/remove", calls.remove_tour, name="remove-tour"),
]
