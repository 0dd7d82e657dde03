"""Single sign-on: the council's directory, as django-allauth takes it from settings."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

from overt.control.configuration import ControlSettings

PROVIDER: Final = "directory"
"""Its name in addresses: `/sign-in/directory/back` is where it sends people back to."""


def single_sign_on(control: ControlSettings) -> list[dict[str, Any]]:
    """Return the application that the directory knows us as; none without a table `[control.single_sign_on]`.

    Raises:
        OSError: the file of the secret cannot be read.
    """
    told = control.single_sign_on
    if told is None:
        return []
    return [
        {
            "provider_id": PROVIDER,
            "name": told.name,
            "client_id": told.client_id,
            "secret": told.client_secret_file.read_text().strip(),
            "settings": {"server_url": told.issuer, "verified_email": list(told.verified_domains)},
        }
    ]


def origins(control: ControlSettings) -> list[str]:
    """Return the origins to which the sign-in form may lead: the content security policy of forms follows redirects."""
    if control.single_sign_on is None:
        return []
    parts = urlsplit(control.single_sign_on.issuer)
    return [f"{parts.scheme}://{parts.netloc}"]
