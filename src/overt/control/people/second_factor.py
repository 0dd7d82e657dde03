"""Whether somebody who signed in with a password has to set up a second factor before they see anything else."""

from __future__ import annotations

from typing import Any, Final

from allauth.account.authentication import get_authentication_records
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authenticator_removed
from django.conf import settings
from django.dispatch import receiver
from django.http import HttpRequest

SETTLED: Final = "overt_second_factor"
"""In a session: nothing is missing."""
FACTORS: Final = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)
PAGES: Final = frozenset(
    {
        "mfa_index",
        "mfa_activate_totp",
        "mfa_add_webauthn",
        "mfa_view_recovery_codes",
        "mfa_reauthenticate",
        "mfa_reauthenticate_webauthn",
        "account_reauthenticate",
        "account_logout",
    }
)
"""Pages for who has none yet."""


def has_second_factor(person: Any) -> bool:
    """Whether somebody has a passkey or codes of an app."""
    return bool(Authenticator.objects.filter(user_id=person.pk, type__in=FACTORS).exists())


def is_missing(request: HttpRequest) -> bool:
    """Whether whoever signed in has to set up a second factor first; their directory's sign-in is enough."""
    if settings.CONTROL.second_factor != "required" or request.session.get(SETTLED):
        return False
    records = get_authentication_records(request, request.user)
    if any(record["method"] == "socialaccount" for record in records) or has_second_factor(request.user):
        request.session[SETTLED] = True
        return False
    return True


@receiver(authenticator_removed, dispatch_uid="people.second_factor.removed")
def _removed(sender: object, request: HttpRequest, **details: object) -> None:
    del sender, details
    request.session.pop(SETTLED, None)
