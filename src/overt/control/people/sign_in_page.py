"""The sign-in page, and the way to the directory and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import requests
from allauth.account.views import LoginView
from allauth.socialaccount.providers.openid_connect import views as directory
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

from overt.control.people.gate import open_to_all
from overt.errors import UnavailableError


class SignInView(LoginView):  # type: ignore[misc]
    """The sign-in page, with a button for the directory where there is one."""

    def get_context_data(self, **named: Any) -> dict[str, Any]:
        """Return what the page shows."""
        shown: dict[str, Any] = super().get_context_data(**named)
        told = settings.CONTROL.single_sign_on
        return shown | {"single_sign_on": told.name if told else None}


@open_to_all
def to_directory(request: HttpRequest, provider_id: str) -> HttpResponseBase:
    """Lead somebody to the directory; asks first if no form of ours asked for it."""
    return _asked(directory.login, request, provider_id)


@open_to_all
def from_directory(request: HttpRequest, provider_id: str) -> HttpResponseBase:
    """Take somebody who comes back from the directory."""
    return _asked(directory.callback, request, provider_id)


def _asked(
    view: Callable[[HttpRequest, str], HttpResponseBase], request: HttpRequest, provider_id: str
) -> HttpResponseBase:
    """Call a view that asks the directory.

    Raises:
        UnavailableError: it does not answer, or with something that is no answer.
    """
    try:
        return view(request, provider_id)
    except requests.RequestException as error:
        told = settings.CONTROL.single_sign_on
        name = told.name if told else "The directory"
        raise UnavailableError(
            f"{name} does not answer just now. Try again in a moment, or sign in with a password or a passkey."
        ) from error
