"""Services that Apprise knows, by its URL: Teams, Slack, Pushover, text messages and others.

Only services whose traffic is encrypted, and none that acts on this machine itself: Apprise knows both. Those that one
runs oneself must be in an allowed network.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import apprise

from overt.control.health.channels.channel import Letter, Network, allowed_addresses
from overt.errors import InvalidError, UnavailableError

HOSTED: Final = (
    "workflows",
    "slack",
    "pover",
    "tgram",
    "twilio",
    "discord",
    "opsgenie",
    "pagerduty",
    "signl4",
    "clickatell",
    "bulksms",
    "webex",
    "gchat",
)
"""Schemes of services that their makers run."""
OWN: Final = ("ntfys", "gotifys", "matrixs", "mmosts", "rockets", "zulip")
"""Schemes of services that one may run oneself."""
MAX_URL: Final = 2000


class AppriseChannel:
    """Hands a message to Apprise."""

    name = "apprise"
    words = "Another service (Apprise)"
    secret_words = ""

    def check(self, address: str) -> str:
        """Return the address."""
        _service(address.strip())
        return address.strip()

    def shown(self, address: str) -> str:
        """Return the service: the rest of these addresses is made of passwords."""
        return f"{address.partition('://')[0].lower()}://…"

    def send(self, letter: Letter, ranges: Sequence[Network]) -> None:
        """Hand it over; Apprise says whether the service took it."""
        scheme, service = _service(letter.address)
        if scheme in OWN and service.host:
            allowed_addresses(service.host, service.port or 443, ranges)
        if not service.notify(body=letter.body, title=letter.subject, body_format=apprise.NotifyFormat.TEXT):
            raise UnavailableError("the service did not take it; the log of the control room has its answer")


def _service(address: str) -> tuple[str, apprise.NotifyBase]:
    scheme = address.partition("://")[0].lower()
    if scheme not in (*HOSTED, *OWN) or len(address) > MAX_URL:
        msg = (
            f"Enter an Apprise address that begins with one of: {', '.join(f'{each}://' for each in (*HOSTED, *OWN))}."
        )
        raise InvalidError(msg)
    service = apprise.Apprise.instantiate(address, suppress_exceptions=True)
    if service is None:
        raise InvalidError(f"This is no address of {scheme}://: see Apprise's documentation for what it is made of.")
    return scheme, service


APPRISE: Final = AppriseChannel()
