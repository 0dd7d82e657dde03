"""Every address of the control room. Apps bring their own; those of libraries get their admission here."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from overt.control.people import gate
from overt.control.project import navigation
from overt.control.project.api import api

handler400 = "overt.control.failures.malformed"
handler403 = "overt.control.failures.denied"
handler404 = "overt.control.failures.not_found"
handler500 = "overt.control.failures.server_error"
handler429 = "overt.control.failures.too_many"

gate.LIBRARY.update(
    {
        "account_login": gate.ANYONE,
        "account_logout": gate.ANYONE,
        "account_inactive": gate.ANYONE,
        "mfa_authenticate": gate.ANYONE,
        "mfa_login_webauthn": gate.ANYONE,
        "api:openapi-json": gate.ANYONE,
        "api:api-root": gate.ANYONE,
        **dict.fromkeys(
            (
                "account_change_password",
                "account_reauthenticate",
                "mfa_activate_totp",
                "mfa_add_webauthn",
                "mfa_deactivate_totp",
                "mfa_generate_recovery_codes",
                "mfa_reauthenticate",
                "mfa_reauthenticate_webauthn",
                "mfa_remove_webauthn",
                "mfa_view_recovery_codes",
            ),
            gate.SIGNED_IN,
        ),
    }
)
urlpatterns: list[URLPattern | URLResolver] = [
    path("", navigation.first, name="first"),
    path("api/v1/", api.urls),
    path("", include("overt.control.people.urls")),
    path("", include("overt.control.estate.urls")),
    path("", include("overt.control.custody.urls")),
    path("", include("overt.control.viewing.urls")),
    path("", include("overt.control.health.urls")),
    path("", include("overt.control.audit.urls")),
    path("", include("overt.control.witnessing.urls")),
]
