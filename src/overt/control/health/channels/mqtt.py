"""MQTT: the message as JSON, published once on a topic of a broker."""

from __future__ import annotations

import json
import ssl
from collections.abc import Sequence
from typing import Final
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from overt.control.health.channels.channel import TIMEOUT_S, Letter, Network, allowed_addresses
from overt.errors import InvalidError, OvertError, UnavailableError

PORTS: Final = {"mqtt": 1883, "mqtts": 8883}
MAX_TOPIC: Final = 200


class MqttChannel:
    """Publishes a message, quality of service 1: the broker says that it has it."""

    name = "mqtt"
    words = "MQTT"
    secret_words = "Password of the broker"  # noqa: S105 - says what it is

    def check(self, address: str) -> str:
        """Return the address."""
        _parsed(address.strip())
        return address.strip()

    def shown(self, address: str) -> str:
        """Return all of it but the user name."""
        scheme, _, host, port, topic = _parsed(address)
        return f"{scheme}://{host}:{port}/{topic}"

    def send(self, letter: Letter, ranges: Sequence[Network]) -> None:
        """Connect, publish, wait for the broker's word, and leave."""
        scheme, user, host, port, topic = _parsed(letter.address)
        allowed_addresses(host, port, ranges)
        client = paho.Client(CallbackAPIVersion.VERSION2)
        client.connect_timeout = TIMEOUT_S
        if user:
            client.username_pw_set(user, letter.secret or None)
        if scheme == "mqtts":
            client.tls_set_context(ssl.create_default_context())
        refused: list[str] = []
        client.on_connect = lambda _c, _u, _f, code, _p: refused.append(str(code)) if code.is_failure else None
        try:
            client.connect(host, port, keepalive=30)
            client.loop_start()
            published = client.publish(topic, json.dumps(letter.data, ensure_ascii=False), qos=1)
            published.wait_for_publish(TIMEOUT_S)
            if not published.is_published():
                why = f"refused: {refused[0]}" if refused else "no answer"
                raise UnavailableError(f"the broker {host} did not take it: {why}")
        except OvertError:
            raise
        except (OSError, ValueError, RuntimeError) as error:
            msg = f"the broker {host} did not take it: {type(error).__name__}: {error}"
            raise UnavailableError(msg[:500]) from error
        finally:
            client.disconnect()
            client.loop_stop()


def _parsed(address: str) -> tuple[str, str, str, int, str]:
    """Return scheme, user, host, port and topic."""
    msg = "Enter an address such as mqtts://user@broker.example.org:8883/cctv/alerts; the password has its own field."
    try:
        parts = urlsplit(address)
        port = parts.port or PORTS.get(parts.scheme, 0)
    except ValueError as error:
        raise InvalidError(msg) from error
    topic = unquote(parts.path.lstrip("/"))
    wrong = parts.password is not None or not parts.hostname or not port or parts.query or parts.scheme not in PORTS
    if wrong or not 1 <= len(topic) <= MAX_TOPIC or any(each in address for each in "+#\x00"):
        raise InvalidError(msg)
    return parts.scheme, unquote(parts.username or ""), str(parts.hostname), port, topic


MQTT: Final = MqttChannel()
