"""Checking passwords as cameras do: Basic (RFC 7617) and Digest with MD5 or SHA-256 (RFC 2617, RFC 7616)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
import time
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from overt.simulator.dialects import Dialect
    from overt.simulator.rtsp import Request

Scheme = Literal["none", "basic", "digest-md5", "digest-sha256", "digest"]
"""`digest` offers SHA-256 and MD5 and takes either."""
MAX_NONCES: Final = 256
_PARAMETER: Final = re.compile(r'([a-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]*))', re.IGNORECASE)
_ALGORITHMS: Final[dict[str, tuple[str, ...]]] = {
    "digest-md5": ("MD5",),
    "digest-sha256": ("SHA-256",),
    "digest": ("SHA-256", "MD5"),
}


class Doorkeeper:
    """Knows one user and one password. Remembers the last `MAX_NONCES` nonces it gave out. Not thread-safe."""

    def __init__(
        self, scheme: Scheme, user: str, password: str, dialect: Dialect, nonce_lifetime_s: float | None = None
    ) -> None:
        """Ask for `scheme` in the form of `dialect`; nonces die after `nonce_lifetime_s` (None: never)."""
        self._scheme = scheme
        self._user = user
        self._password = password
        self._dialect = dialect
        self._lifetime = nonce_lifetime_s
        self._nonces: dict[str, float] = {}
        self._counts: dict[str, int] = {}

    def admits(self, request: Request) -> bool | Literal["stale"]:
        """Tell whether `request` proves knowledge of the password; `stale` if only its nonce is too old."""
        if self._scheme == "none":
            return True
        kind, _, rest = request.headers.get("authorization", "").partition(" ")
        if self._scheme == "basic":
            return kind.lower() == "basic" and self._basic(rest)
        return kind.lower() == "digest" and self._digest(request.method, rest)

    def challenges(self, *, stale: bool = False) -> list[str]:
        """Return the `WWW-Authenticate` headers of a 401 reply, with fresh nonces."""
        realm = self._dialect.realm
        if self._scheme == "basic":
            return [f'WWW-Authenticate: Basic realm="{realm}"']
        lines = []
        for algorithm in _ALGORITHMS.get(self._scheme, ()):
            nonce = secrets.token_hex(16)
            self._nonces[nonce] = time.monotonic()
            while len(self._nonces) > MAX_NONCES:
                oldest = next(iter(self._nonces))
                del self._nonces[oldest]
                self._counts.pop(oldest, None)
            line = f'WWW-Authenticate: Digest realm="{realm}", nonce="{nonce}"'
            if algorithm != "MD5" or self._dialect.qop:
                line += f', algorithm={algorithm}, qop="auth"'
            if stale:
                line += ", stale=true"
            elif self._dialect.stale_always:
                line += ', stale="FALSE"'
            lines.append(line)
        return lines

    def _basic(self, text: str) -> bool:
        try:
            given = base64.b64decode(text.strip(), validate=True)
        except (binascii.Error, ValueError):
            return False
        return hmac.compare_digest(given, f"{self._user}:{self._password}".encode())

    def _digest(self, method: str, text: str) -> bool | Literal["stale"]:
        given = {name.lower(): quoted or plain for name, quoted, plain in _PARAMETER.findall(text)}
        nonce = given.get("nonce", "")
        algorithm = given.get("algorithm", "MD5").upper()
        if algorithm not in _ALGORITHMS[self._scheme] or given.get("username") != self._user:
            return False
        first = self._hashed(algorithm, f"{self._user}:{self._dialect.realm}:{self._password}")
        second = self._hashed(algorithm, f"{method}:{given.get('uri', '')}")
        if given.get("qop"):
            middle = f"{nonce}:{given.get('nc', '')}:{given.get('cnonce', '')}:{given['qop']}"
        else:
            middle = nonce
        expected = self._hashed(algorithm, f"{first}:{middle}:{second}")
        if not hmac.compare_digest(expected.encode(), given.get("response", "").encode()):
            return False
        born = self._nonces.get(nonce)
        if born is None or (self._lifetime is not None and time.monotonic() - born > self._lifetime):
            return "stale"
        return self._counted(nonce, given.get("nc") if given.get("qop") else None)

    def _counted(self, nonce: str, count: str | None) -> bool | Literal["stale"]:
        """A nonce count must grow (RFC 7616 3.4), or somebody replays what was overheard."""
        if count is None:
            return True
        if not re.fullmatch(r"[0-9a-fA-F]{8}", count):
            return False
        if int(count, 16) <= self._counts.get(nonce, 0):
            return "stale"
        self._counts[nonce] = int(count, 16)
        return True

    @staticmethod
    def _hashed(algorithm: str, text: str) -> str:
        if algorithm == "MD5":
            return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
        return hashlib.sha256(text.encode()).hexdigest()
