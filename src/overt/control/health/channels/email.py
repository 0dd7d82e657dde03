"""E-mail, through the mail server of `[control.mail]`."""

from __future__ import annotations

import smtplib
from collections.abc import Sequence
from typing import Final

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage
from django.core.validators import validate_email

from overt.control.health.channels.channel import Letter, Network
from overt.errors import InvalidError, UnavailableError

MOST: Final = 20
NO_MAIL: Final = "django.core.mail.backends.dummy.EmailBackend"


class EmailChannel:
    """Mails a message to up to 20 addresses."""

    name = "email"
    words = "E-mail"
    secret_words = ""

    def check(self, address: str) -> str:
        """Return the addresses, separated by commas."""
        found = [each.strip() for each in address.replace(";", ",").split(",") if each.strip()]
        if not 1 <= len(found) <= MOST:
            msg = f"Enter one to {MOST} e-mail addresses, separated by commas, such as duty@example.org."
            raise InvalidError(msg)
        for each in found:
            try:
                validate_email(each)
            except ValidationError as error:
                msg = f"“{each[:80]}” is no e-mail address: enter one such as duty@example.org."
                raise InvalidError(msg) from error
        return ", ".join(found)

    def shown(self, address: str) -> str:
        """Return all of it."""
        return address

    def send(self, letter: Letter, ranges: Sequence[Network]) -> None:
        """Hand the message to the mail server."""
        del ranges  # the mail server is the council's own, named by whoever runs the system
        if settings.EMAIL_BACKEND == NO_MAIL:
            raise UnavailableError("no mail server is named: fill in the table [control.mail] of the configuration")
        # No header of a message takes more than one line; Django refuses one that would.
        mail = EmailMessage(letter.subject, letter.body, to=letter.address.split(", "))
        mail.extra_headers = {"Auto-Submitted": "auto-generated", "X-Overt-Message": str(letter.id)}
        try:
            mail.send()
        except (OSError, smtplib.SMTPException) as error:
            msg = f"the mail server did not take it: {type(error).__name__}: {error}"
            raise UnavailableError(msg[:500]) from error


EMAIL: Final = EmailChannel()
