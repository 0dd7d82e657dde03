"""The thread `health-alerts`: lets rules speak, and brings what waits in the queue to where it is to go.

A message that does not arrive is tried again, ever later, for a day; why it failed stands on the page. A message is
sent at least once: a control room that dies between sending and noting it sends it again.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from typing import Final

from cryptography.fernet import InvalidToken
from django.conf import settings
from django.utils import timezone

from overt.control.health import alerting
from overt.control.health.channels import Letter, channel_named
from overt.control.health.models import MAX_REASON, AlertRule, Message
from overt.control.health.plain_text import plain
from overt.control.rounds import Alone, Rounds
from overt.control.secrets import credentials_cipher
from overt.errors import CorruptError, OvertError

EVERY_S: Final = 5.0
QUIET_S: Final = 60.0
"""After the start: recorder and cameras find each other first."""
RETRY_S: Final = (60, 300, 900, 3600)
"""Until the next attempt; the last one again and again."""
GIVE_UP: Final = dt.timedelta(days=1)
CLAIM: Final = dt.timedelta(minutes=5)
"""A message that is being sent is left alone by others for so long."""
AT_ONCE: Final = 20
"""Messages of one round, so that rules speak in between."""
PRUNE_EVERY_S: Final = 3600.0
_LOG: Final = logging.getLogger(__name__)


def sealed(text: str) -> str:
    """Encrypt an address or a secret, as the database keeps it."""
    return credentials_cipher(settings.CONTROL.secrets).encrypt(text.encode()).decode() if text else ""


def opened(text: str) -> str:
    """Return what `sealed` encrypted; raises CorruptError if it was encrypted with another key."""
    try:
        return credentials_cipher(settings.CONTROL.secrets).decrypt(text.encode()).decode() if text else ""
    except InvalidToken as error:
        msg = "the address of this rule was encrypted with another key: enter it again"
        raise CorruptError(msg) from error


def deliver(now: dt.datetime) -> int:
    """Try what is due; return how many messages arrived."""
    due = Message.objects.filter(next_at__lte=now).order_by("next_at").values_list("pk", flat=True)
    return sum(send(pk, now) for pk in list(due[:AT_ONCE]))


def send(pk: int, now: dt.datetime) -> bool:
    """Try a message now; notes that it arrived, or why not and when it is tried again. False if it did not arrive."""
    claimed = Message.objects.filter(pk=pk, sent_at=None, next_at__lte=now).update(next_at=now + CLAIM)
    if not claimed:
        return False
    message = Message.objects.select_related("rule").get(pk=pk)
    failure = _attempt(message.rule, message)
    message.attempts += 1
    message.failure = failure[:MAX_REASON]
    if not failure:
        message.sent_at, message.next_at = timezone.now(), None
    else:
        _LOG.warning("alert %d of rule %d did not arrive: %s", message.pk, message.rule_id, failure)
        wait = RETRY_S[min(message.attempts, len(RETRY_S)) - 1]
        again = now + dt.timedelta(seconds=wait)
        message.next_at = again if again - message.made_at < GIVE_UP and not message.test else None
    message.save(update_fields=["attempts", "failure", "sent_at", "next_at"])
    return not failure


def _attempt(rule: AlertRule, message: Message) -> str:
    """Send; return why it did not arrive, or an empty text."""
    address = secret = ""
    try:
        address, secret = opened(rule.address_sealed), opened(rule.secret_sealed)
        letter = Letter(message.pk, message.subject, message.body, message.data, address, secret)
        channel_named(rule.channel).send(letter, settings.CONTROL.alert_ranges)
    except OvertError as error:
        return without(str(error), address, secret)
    except Exception as error:  # noqa: BLE001 - a channel's library may raise anything; the message waits all the same
        _LOG.exception("alert %d: a fault of ours", message.pk)
        return without(f"{type(error).__name__}: {error}", address, secret)
    return ""


def without(text: str, address: str, secret: str) -> str:
    """Return what a library said without the address and the secret that it may repeat."""
    for hidden in (secret, address, address.partition("://")[2]):
        if hidden:
            text = text.replace(hidden, "***")
    return plain(text, 500)


class Sending:
    """Speaks and delivers, again and again."""

    def __init__(self, quiet_s: float = QUIET_S) -> None:
        """Say nothing for so long, and deliver what waits."""
        self._quiet_until = time.monotonic() + quiet_s
        self._pruned_at: float | None = None

    def look(self) -> None:
        """Speak, deliver, forget what is old. Raises DatabaseError."""
        now = timezone.now()
        if time.monotonic() >= self._quiet_until:
            alerting.speak(now)
        deliver(now)
        if self._pruned_at is None or time.monotonic() - self._pruned_at >= PRUNE_EVERY_S:
            alerting.prune(now)
            self._pruned_at = time.monotonic()


_running: Final = Alone()


def start(every_s: float = EVERY_S, quiet_s: float = QUIET_S) -> None:
    """Begin to send alerts."""
    _running.start(lambda: Rounds("health-alerts", "alerts", Sending(quiet_s).look, every_s=every_s))


def stop() -> None:
    """End sending; what waits stays in the queue."""
    _running.stop()
