"""Addresses of `viewing`."""

from __future__ import annotations

from django.urls import URLPattern, path

from overt.control.viewing import approval_pages, calls, custody_pages, key_calls, pages, plan_pages, purpose_pages

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
    path("viewing/grants/<uuid:grant>/keys", key_calls.ask, name="ask-keys"),
    path("viewing/grants/<uuid:grant>/keys/<uuid:request_id>", key_calls.opened, name="keys-opened"),
    path("viewing/key-drill", key_calls.drill, name="key-drill"),
    path("viewing/layouts", calls.save_layout, name="save-layout"),
    path("viewing/layouts/<int:layout>/remove", calls.remove_layout, name="remove-layout"),
    path("viewing/tours", calls.save_tour, name="save-tour"),
    path("viewing/tours/<int:tour>/remove", calls.remove_tour, name="remove-tour"),
    path("footage-key", custody_pages.footage_key, name="footage-key"),
    path("footage-key/make", custody_pages.make, name="make-footage-key"),
    path("footage-key/lock", custody_pages.lock, name="lock"),
    path("purposes", purpose_pages.purposes, name="purposes"),
    path("purposes/shift", approval_pages.shift, name="shift"),
    path("purposes/shift/end", approval_pages.end_shift, name="end-shift"),
    path("purposes/shifts", approval_pages.shifts, name="shifts"),
    path("purposes/add", purpose_pages.add, name="add-purpose"),
    path("purposes/<int:purpose>", purpose_pages.change, name="purpose"),
    path("plans", plan_pages.all_plans, name="plans"),
    path("plans/add/<int:site>", plan_pages.add, name="add-plan"),
    path("plans/<uuid:plan>", plan_pages.plan, name="plan"),
    path("plans/<uuid:plan>/pins", plan_pages.pins, name="pins"),
    path("plans/<uuid:plan>/picture", plan_pages.picture, name="plan-picture"),
    path("plans/<uuid:plan>/change", plan_pages.change, name="change-plan"),
    path("plans/<uuid:plan>/remove", plan_pages.remove, name="remove-plan"),
]
