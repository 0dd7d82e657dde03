"""Addresses of `custody`."""

from __future__ import annotations

from django.urls import URLPattern, path

from overt.control.custody import calls, pages

app_name = "custody"
urlpatterns: list[URLPattern] = [
    path("keys", pages.keys, name="keys"),
    path("keys/waiting", pages.waiting, name="waiting"),
    path("keys/register", pages.register, name="register"),
    path("keys/options", calls.key_options, name="key-options"),
    path("keys/new", calls.new_key, name="new-key"),
    path("keys/<uuid:key>/approve", pages.approve, name="approve"),
    path("keys/<uuid:key>/ask-approval", calls.ask_to_approve, name="ask-approval"),
    path("keys/<uuid:key>/end", pages.end, name="end-key"),
    path("keyrings/seal", calls.seal, name="seal"),
    path("keyrings/<str:role>", pages.keyring, name="keyring"),
    path("keyrings/<str:role>/ask", calls.ask_to_seal, name="ask-to-seal"),
    path("custody", pages.policy, name="policy"),
    path("custody/ask", calls.ask_to_switch, name="ask-to-switch"),
    path("key-requests/<uuid:request_id>", pages.key_request, name="request"),
    path("key-requests/<uuid:request_id>/state", calls.state, name="request-state"),
    path("key-requests/<uuid:request_id>/consent", calls.consent, name="consent"),
    path("key-requests/<uuid:request_id>/begin-recovery", calls.begin_recovery, name="begin-recovery"),
    path("key-requests/<uuid:request_id>/recover", calls.recover, name="recover"),
    path("key-requests/<uuid:request_id>/bring", calls.bring, name="bring"),
    path("key-requests/<uuid:request_id>/refuse", calls.refuse, name="refuse"),
]
