"""A webhook: the message as JSON, posted to an https address, with a signature if there is a secret.

The name is looked up once, every address that it has must be allowed, and the connection goes to one that was checked:
a name that is looked up again and then points elsewhere gains nothing. Redirects are not followed.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import ssl
import time
from collections.abc import Sequence
from typing import Final

import httpx
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from overt.control.health.channels.channel import TIMEOUT_S, Letter, Network, allowed_addresses
from overt.errors import InvalidError, UnavailableError

SIGNATURE: Final = "X-Overt-Signature"
TIMESTAMP: Final = "X-Overt-Timestamp"
MESSAGE: Final = "X-Overt-Message"
MAX_URL: Final = 2000
_HOST: Final = re.compile(rb"[A-Za-z0-9.-]{1,253}|[0-9A-Fa-f:.]{2,45}")
ATTEMPTS: Final = 3
"""At once, for a connection that breaks; the queue tries again later."""


class WebhookChannel:
    """Posts a message."""

    name = "webhook"
    words = "Webhook"
    secret_words = "Secret that signs the messages"  # noqa: S105 - says what it is

    def check(self, address: str) -> str:
        """Return the address."""
        _parsed(address.strip())
        return address.strip()

    def shown(self, address: str) -> str:
        """Return scheme and host: paths of webhooks let anybody post who knows them."""
        url = _parsed(address)
        return f"https://{url.netloc.decode('ascii')}/…"

    def send(self, letter: Letter, ranges: Sequence[Network]) -> None:
        """Post the message; an answer of 2xx says that it arrived."""
        url = _parsed(letter.address)
        address = allowed_addresses(url.host, url.port or 443, ranges)[0]
        content = json.dumps(letter.data, ensure_ascii=False).encode()
        headers = {
            "Host": url.netloc.decode("ascii"),
            "Content-Type": "application/json",
            "User-Agent": "Overt",
            MESSAGE: str(letter.id),
            **signature(letter.secret, content, int(time.time())),
        }
        request = httpx.Request(
            "POST",
            url.copy_with(host=address),
            content=content,
            headers=headers,
            extensions={"sni_hostname": url.host, "timeout": httpx.Timeout(TIMEOUT_S).as_dict()},
        )
        self._post(request, url.host)

    def _post(self, request: httpx.Request, host: str) -> None:
        trying = Retrying(
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_random_exponential(multiplier=0.2, max=2),
            retry=retry_if_exception_type(httpx.TransportError),
            reraise=True,
        )
        with httpx.Client(verify=ssl.create_default_context(), trust_env=False, follow_redirects=False) as client:
            try:
                answer = trying(client.send, request, stream=True)
                answer.close()  # nothing of what it says is wanted
            except (httpx.HTTPError, ssl.SSLError) as error:
                msg = f"{host} did not take it: {type(error).__name__}: {error}"
                raise UnavailableError(msg[:500]) from error
        if not answer.is_success:
            msg = f"{host} answered {answer.status_code}; it has to answer 2xx"
            raise UnavailableError(msg)


def signature(secret: str, content: bytes, now_s: int) -> dict[str, str]:
    """Return the headers that sign a message: HMAC-SHA256 over `TIMESTAMP.BODY`; none without a secret."""
    if not secret:
        return {}
    signed = hmac.new(secret.encode(), f"{now_s}.".encode() + content, hashlib.sha256).hexdigest()
    return {TIMESTAMP: str(now_s), SIGNATURE: f"sha256={signed}"}


def _parsed(address: str) -> httpx.URL:
    msg = "Enter an address that begins with https://, such as https://example.org/alerts."
    try:
        url = httpx.URL(address)
    except (httpx.InvalidURL, ValueError, TypeError) as error:
        raise InvalidError(msg) from error
    if len(address) > MAX_URL or url.scheme != "https" or url.userinfo or not _HOST.fullmatch(url.raw_host):
        raise InvalidError(msg)
    return url


WEBHOOK: Final = WebhookChannel()
