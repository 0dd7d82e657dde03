"""Forms by which a passkey is tried: the library's own, which besides write down what they refuse.

The library says by a signal that a code was refused, of a passkey it does not.
"""

from __future__ import annotations

from typing import Any, Final

from allauth.core import context
from allauth.mfa.adapter import get_adapter
from allauth.mfa.webauthn import forms
from allauth.mfa.webauthn.internal import auth
from django.core.exceptions import ValidationError

from overt.control.people.models import Person
from overt.control.people.sign_in_acts import unproved

LIMITED: Final = "rate_limited"
"""Code of a refusal for having tried too often: nothing was tried, and it is not written down each time."""


class _Written:
    """Writes down a passkey that is refused. Stands before a form of the library."""

    signed_in = False
    user: Person | None
    cleaned_data: dict[str, Any]

    def clean_credential(self) -> Any:
        """Return whose passkey it is; raises ValidationError."""
        tried = self.cleaned_data.get("credential")
        try:
            return self._checked()
        except ValidationError as refusal:
            if refusal.code != LIMITED:
                unproved(context.request, self.user or _said(tried), "with a passkey", signed_in=self.signed_in)
            raise

    def _checked(self) -> Any:
        try:
            return super().clean_credential()  # type: ignore[misc]
        except (KeyError, TypeError, AttributeError) as error:  # the library asks for parts that need not be there
            raise get_adapter().validation_error("incorrect_code") from error


def _said(credential: object) -> Person | None:
    """Return whose passkey it claims to be: a claim, of somebody who did not prove it."""
    try:
        found = auth.extract_user_from_response(credential) if isinstance(credential, dict) else None
    except (ValidationError, AttributeError):
        return None  # it claims nothing that can be read
    return found if isinstance(found, Person) else None


class AuthenticateForm(_Written, forms.AuthenticateWebAuthnForm):  # type: ignore[misc]
    """A passkey as the second step after a password."""


class SignInForm(_Written, forms.LoginWebAuthnForm):  # type: ignore[misc]
    """A passkey alone."""


class ReauthenticateForm(_Written, forms.ReauthenticateWebAuthnForm):  # type: ignore[misc]
    """A passkey of somebody who is signed in and is asked again."""

    signed_in = True
