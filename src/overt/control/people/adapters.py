"""What django-allauth asks us: nobody makes an account for themselves; who was removed or has ended cannot sign in."""

from __future__ import annotations

import time
from typing import Any, ClassVar, Final

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.http import url_has_allowed_host_and_scheme

from overt.control.people.models import Person
from overt.control.people.sessions import signed_in_at
from overt.control.secrets import credentials_cipher

FRESH_S: Final = 300
"""How long after sign-in somebody may change how they sign in without proving again who they are."""
ATTEMPTS: Final = 5
LOCK_MINUTES: Final = 5


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Accounts with a password or a passkey."""

    error_messages: ClassVar[dict[str, Any]] = {
        **DefaultAccountAdapter.error_messages,
        "email_password_mismatch": "The e-mail address or the password is wrong. Check both and try again.",
        "incorrect_code": "This code is not right, or was used already. Wait for the next one and try again.",
        "incorrect_password": "The password is wrong. Try again.",
        "enter_current_password": "The current password is wrong. Try again.",
        "too_many_login_attempts": (
            f"Too many failed attempts to sign in. Wait {LOCK_MINUTES} minutes, then try again. "
            "If you forgot your password, ask whoever manages people for a new link."
        ),
        "rate_limited": f"Too many wrong codes. Wait {LOCK_MINUTES} minutes, then try again.",
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002
        """Say no: accounts are made by whoever manages people."""
        return False

    def is_safe_url(self, url: str | None) -> bool:
        """Whether a redirect stays on the host that was asked, by the way it was asked."""
        request = context.request
        return url_has_allowed_host_and_scheme(url, {request.get_host()}, require_https=request.is_secure())

    def pre_login(self, request: HttpRequest, user: Person, **details: Any) -> HttpResponse | None:
        """Refuse an account that has ended, whichever way somebody proved who they are."""
        if not user.may_sign_in:
            user.is_active = False  # for this request alone: nothing is saved
        response: HttpResponse | None = super().pre_login(request, user, **details)
        return response

    def is_reauthentication_required(self, *, app: str, **details: Any) -> bool:
        """Whether to ask again who somebody is: not right after they signed in."""
        if time.time() - signed_in_at(context.request.session) < FRESH_S:
            return False
        return bool(super().is_reauthentication_required(app=app, **details))


class SingleSignOnAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    """Accounts of a directory."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:  # noqa: ARG002
        """Say no: the directory says who somebody is, not what they may do here."""
        return False

    def authenticate_by_email(self, sociallogin: Any) -> tuple[Person, str] | None:
        """Find the account with the address that the directory vouches for, and note that it did."""
        found: tuple[Person, str] | None = super().authenticate_by_email(sociallogin)
        if found is not None:
            person, email = found
            EmailAddress.objects.update_or_create(
                user=person, email=email.lower(), defaults={"verified": True, "primary": True}
            )
        return found


class SecondFactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """Passkeys, codes of an app, recovery codes."""

    error_messages: ClassVar[dict[str, Any]] = {
        **DefaultMFAAdapter.error_messages,
        "incorrect_code": AccountAdapter.error_messages["incorrect_code"],
    }

    def encrypt(self, text: str) -> str:
        """Encrypt what codes are made of, for the database."""
        return credentials_cipher(settings.CONTROL.secrets).encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """Open what `encrypt` made."""
        return credentials_cipher(settings.CONTROL.secrets).decrypt(encrypted_text.encode()).decode()

    def generate_authenticator_name(self, user: Person, type: Authenticator.Type) -> str:  # noqa: A002
        """Name a passkey that its owner gave no name."""
        count = Authenticator.objects.filter(user_id=user.pk, type=type).count()
        return "Passkey" if count == 0 else f"Passkey {count + 1}"

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """Say for whom a passkey is: this host, under the organisation's name."""
        entity: dict[str, str] = super().get_public_key_credential_rp_entity()
        return entity | {"name": settings.CONTROL.organisation}
