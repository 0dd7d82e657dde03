"""The ways by which a message leaves: one file each, all of them named in `CHANNELS`."""

from __future__ import annotations

from typing import Final

from overt.control.health.channels import apprise_url, email, mqtt, webhook
from overt.control.health.channels.channel import Channel, Letter
from overt.errors import InvalidError

CHANNELS: Final[tuple[Channel, ...]] = (email.EMAIL, webhook.WEBHOOK, mqtt.MQTT, apprise_url.APPRISE)
__all__ = ["CHANNELS", "Channel", "Letter", "channel_named"]


def channel_named(name: str) -> Channel:
    """Return a channel; raises InvalidError for a name that none has."""
    found = next((each for each in CHANNELS if each.name == name), None)
    if found is None:
        msg = f"there is no channel {name!r}: choose from {', '.join(each.name for each in CHANNELS)}"
        raise InvalidError(msg)
    return found
