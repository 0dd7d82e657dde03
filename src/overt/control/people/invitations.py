"""Mail to who was invited. The link stands on the page of who invited too, for where there is no mail."""

from __future__ import annotations

import logging
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import send_mail
from django.utils import timezone

from overt.control.people.links import Link
from overt.control.people.models import Person

_LOG = logging.getLogger(__name__)


def can_send() -> bool:
    """Whether a mail server is configured."""
    return settings.CONTROL.mail is not None


def send(person: Person, link: Link) -> bool:
    """Send somebody the link by which they choose a password; False if there is no mail or the server refuses."""
    if not can_send():
        return False
    until = timezone.localtime(link.expires_at)
    text = (
        f"Hello {person.name},\n\n"
        f"you were given an account for the cameras of {settings.CONTROL.organisation}.\n"
        "Choose your password with this link, which works once:\n\n"
        f"{link.url}\n\n"
        f"It ends on {until.day} {until:%B %Y at %H:%M}. "
        "If you did not expect this, do nothing and tell whoever sent it.\n"
    )
    try:
        send_mail(f"Your account at {settings.CONTROL.organisation}", text, None, [person.email])
    except (SMTPException, OSError) as error:
        _LOG.warning("the invitation could not be sent: %s", error)
        return False
    return True
