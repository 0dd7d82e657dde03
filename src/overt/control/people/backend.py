"""Who may sign in, and whose open session goes on: asked at sign-in and at each request."""

from __future__ import annotations

from typing import Any

from allauth.account.auth_backends import AuthenticationBackend

PATH = "overt.control.people.backend.Backend"


class Backend(AuthenticationBackend):  # type: ignore[misc]
    """E-mail address and password; an account that was removed or has ended is nobody's."""

    def user_can_authenticate(self, user: Any) -> bool:
        """Whether the account works."""
        return bool(user.may_sign_in)
