"""Every address of the control room. Apps bring their own; those of libraries get their admission here."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from overt.control.people import gate
from overt.control.project import navigation

handler400 = "overt.control.failures.malformed"
handler403 = "overt.control.failures.denied"
handler404 = "overt.control.failures.not_found"
handler500 = "overt.control.failures.server_error"

gate.LIBRARY.update(
    {
        "account_login": gate.ANYONE,
        "account_logout": gate.SIGNED_IN,
        "mfa_authenticate": gate.ANYONE,
        "mfa_login_webauthn": gate.ANYONE,
    }
)
urlpatterns: list[URLPattern | URLResolver] = [
    path("", navigation.first, name="first"),
    path("", include("overt.control.people.urls")),
    path("", include("overt.control.estate.urls")),
    path("", include("overt.control.viewing.urls")),
    path("", include("overt.control.health.urls")),
]
