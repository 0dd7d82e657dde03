"""HTTP authentication as RTSP uses it: Basic (RFC 7617) and Digest (RFC 2617, RFC 7616).

A password is shown to a camera once a challenge: a refusal is final unless the server says that only the nonce was
stale, so that a wrong password can neither loop nor lock an account.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

from overt.errors import ForbiddenError, InvalidError
from overt.media.rtsp.messages import readable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MAX_CHALLENGE_CHARACTERS: Final = 8192
"""What is read of one WWW-Authenticate header: a longer one would hold up the other cameras of the thread."""
MAX_CHALLENGE_HEADERS: Final = 8

_TOKEN: Final = re.compile(r"[^\s,=\"]+")
_BARE_VALUE: Final = re.compile(r"[^\s,]*")
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)(?:"|\Z|(?=\\\Z))', re.DOTALL)
_SPACE: Final = re.compile(r"\s*")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_HASHES: Final = {"md5": "md5", "sha-256": "sha256"}
_STRENGTH: Final = {"md5": 1, "sha-256": 2}


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """User name and password of a camera. Neither is ever shown by `repr` or in an error."""

    username: str
    password: str

    def __post_init__(self) -> None:
        """Refuse control characters, which would break the header they are written into."""
        if _CONTROL.search(self.username) or _CONTROL.search(self.password):
            msg = "the user name or the password of the camera contains a control character"
            raise InvalidError(msg)

    def __repr__(self) -> str:
        """Hide both."""
        return "Credentials(<hidden>)"


@dataclass(frozen=True, slots=True)
class Challenge:
    """One challenge of a WWW-Authenticate header. Parameter names in lower case, quoted values without quotes."""

    scheme: str
    """In lower case."""
    parameters: dict[str, str]

    @property
    def algorithm(self) -> str:
        """Digest algorithm in lower case, without the `-sess` suffix."""
        return (self.parameters.get("algorithm") or "MD5").lower().removesuffix("-sess")

    @property
    def strength(self) -> int:
        """0 for Basic, more for Digest by its hash, -1 for what is not spoken here."""
        if self.scheme == "basic":
            return 0
        if self.scheme != "digest" or not self.parameters.get("nonce"):
            return -1
        if _chosen_qop(self.parameters) is None:
            return -1
        return _STRENGTH.get(self.algorithm, -1)

    @property
    def label(self) -> str:
        """Name for a reader: `Basic`, `Digest MD5`, ..."""
        if self.scheme != "digest":
            return readable(self.scheme.capitalize(), 20)
        return f"Digest {readable(self.parameters.get('algorithm') or 'MD5', 20)}"


def parse_challenges(values: Iterable[str]) -> list[Challenge]:
    """Parse every challenge of one or more WWW-Authenticate headers (RFC 9110 §11.6.1), within bounds; never raises.

    Tolerates missing commas, unquoted values with spaces and a missing closing quote. A quoted value keeps its
    backslashes: RFC 2617 §3.2.2 hashes what stands between the quotes.
    """
    challenges: list[Challenge] = []
    for value in islice(values, MAX_CHALLENGE_HEADERS):
        _parse_one(value[:MAX_CHALLENGE_CHARACTERS], challenges)
    return challenges


def _parse_one(value: str, challenges: list[Challenge]) -> None:
    position, after_comma, key = 0, True, ""
    parameters: dict[str, str] | None = None
    while position < len(value):
        if value[position] == "," or value[position].isspace():
            after_comma = after_comma or value[position] == ","
            position += 1
            continue
        token = _TOKEN.match(value, position)
        if token is None:
            position += 1
            continue
        position = _end(_SPACE.match(value, token.end()))
        if position < len(value) and value[position] == "=":
            key = token.group().lower()
            text, position = _parameter_value(value, _end(_SPACE.match(value, position + 1)))
            if parameters is not None:
                parameters.setdefault(key, text)
        elif after_comma or parameters is None:
            parameters, key = {}, ""
            challenges.append(Challenge(token.group().lower(), parameters))
        elif key in parameters:
            parameters[key] += f" {token.group()}"
        after_comma = False


def _end(match: re.Match[str] | None) -> int:
    return match.end() if match else 0


def _parameter_value(value: str, position: int) -> tuple[str, int]:
    if quoted := _QUOTED.match(value, position):
        return quoted.group(1), quoted.end()
    bare = _BARE_VALUE.match(value, position)
    return (bare.group(), bare.end()) if bare else ("", position)


def _chosen_qop(parameters: dict[str, str]) -> str | None:
    """Return `auth`, `auth-int`, or "" for the form without qop (RFC 2069); None if only unknown ones are offered."""
    offered = [option.strip().lower() for option in re.split(r"[,\s]+", parameters.get("qop", "")) if option.strip()]
    if not offered:
        return ""
    return next((option for option in ("auth", "auth-int") if option in offered), None)


def digest_authorization(
    challenge: Challenge,
    credentials: Credentials,
    method: str,
    uri: str,
    *,
    nonce_count: int,
    cnonce: str,
    body: bytes = b"",
) -> str:
    """Return the value of the Authorization header for one request (RFC 7616 §3.4).

    `uri` must be the request URL exactly as it is sent. The value is Latin-1 text holding UTF-8 bytes.
    """
    parameters = challenge.parameters
    hash_name = _HASHES[challenge.algorithm]

    def hashed(text: bytes) -> str:
        return hashlib.new(hash_name, text, usedforsecurity=False).hexdigest()

    realm, nonce = parameters.get("realm", ""), parameters.get("nonce", "")
    ha1 = hashed(
        b":".join((credentials.username.encode(), realm.encode("latin-1", "replace"), credentials.password.encode()))
    )
    if parameters.get("algorithm", "").lower().endswith("-sess"):
        ha1 = hashed(f"{ha1}:{nonce}:{cnonce}".encode("latin-1", "replace"))
    qop = _chosen_qop(parameters) or ""
    a2 = f"{method}:{uri}" + (f":{hashed(body)}" if qop == "auth-int" else "")
    ha2 = hashed(a2.encode("latin-1", "replace"))
    count = f"{nonce_count:08x}"
    middle = f"{nonce}:{count}:{cnonce}:{qop}" if qop else nonce
    response = hashed(f"{ha1}:{middle}:{ha2}".encode("latin-1", "replace"))
    username = credentials.username.replace("\\", "\\\\").replace('"', '\\"').encode().decode("latin-1")
    fields = [
        f'username="{username}"',
        f'realm="{realm}"',
        f'nonce="{nonce}"',
        f'uri="{uri}"',
        f'response="{response}"',
    ]
    if "algorithm" in parameters:
        fields.append(f"algorithm={parameters['algorithm']}")
    if "opaque" in parameters:
        fields.append(f'opaque="{parameters["opaque"]}"')
    if qop:
        fields += [f"qop={qop}", f"nc={count}", f'cnonce="{cnonce}"']
    elif parameters.get("algorithm", "").lower().endswith("-sess"):
        fields.append(f'cnonce="{cnonce}"')
    return "Digest " + ", ".join(fields)


def _new_cnonce() -> str:
    return secrets.token_hex(8)


class Authenticator:
    """Credentials and the challenge in force of one dialogue. Holds a secret: its `repr` shows none."""

    __slots__ = ("_accepted", "_challenge", "_cnonce", "_count", "_credentials", "_make_cnonce")

    def __init__(self, credentials: Credentials | None, make_cnonce: Callable[[], str] = _new_cnonce) -> None:
        """Begin without a challenge; `make_cnonce` is replaced only by tests."""
        self._credentials = credentials
        self._make_cnonce = make_cnonce
        self._challenge: Challenge | None = None
        self._cnonce = ""
        self._count = 0
        self._accepted = False

    @property
    def label(self) -> str:
        """The authentication in force for a reader: `none`, `Basic`, `Digest MD5`, `Digest SHA-256`."""
        return "none" if self._challenge is None else self._challenge.label

    def authorization(self, method: str, url: str, body: bytes = b"") -> str | None:
        """Return the Authorization value for a request, or None while no challenge is in force."""
        if self._challenge is None or self._credentials is None:
            return None
        if self._challenge.scheme == "basic":
            pair = f"{self._credentials.username}:{self._credentials.password}".encode()
            return "Basic " + base64.b64encode(pair).decode("ascii")
        self._count += 1
        return digest_authorization(
            self._challenge, self._credentials, method, url, nonce_count=self._count, cnonce=self._cnonce, body=body
        )

    def accepted(self) -> None:
        """Record that the server took an Authorization: a later refusal may be an expired nonce."""
        self._accepted = True

    def challenged(self, headers: Iterable[str], *, authorized: bool, retried: bool) -> None:
        """Take the WWW-Authenticate values of a 401; return if the request may be sent again.

        `authorized`: the refused request carried an Authorization; `retried`: it had been sent again already because
        of a stale nonce. A refused Authorization is retried only with a new nonce, once, and only where the server
        says `stale=true` or had accepted the same credentials before.

        Raises:
            ForbiddenError: no credentials, credentials refused, or no challenge that is spoken here.
        """
        challenges = parse_challenges(headers)
        best = max(challenges, key=lambda challenge: challenge.strength, default=None)
        if self._credentials is None:
            msg = "the camera asks for a user name and password, and none is configured for it"
            raise ForbiddenError(msg)
        if authorized and not challenges:
            msg = "the camera refused the user name or password: correct them before trying again"
            raise ForbiddenError(msg)
        if best is None or best.strength < 0:
            offered = ", ".join(challenge.label for challenge in challenges[:8]) or "nothing"
            msg = f"the camera refused access and offers no authentication that is supported here (offered: {offered})"
            raise ForbiddenError(msg)
        if authorized and not self._may_retry(best, retried=retried):
            msg = f"the camera refused the user name or password ({best.label}): correct them before trying again"
            raise ForbiddenError(msg)
        self._challenge, self._cnonce, self._count, self._accepted = best, self._make_cnonce(), 0, False

    def _may_retry(self, challenge: Challenge, *, retried: bool) -> bool:
        if retried or challenge.scheme != "digest":
            return False
        old = self._challenge.parameters.get("nonce") if self._challenge is not None else None
        if challenge.parameters.get("nonce") == old:
            return False
        return self._accepted or challenge.parameters.get("stale", "").lower() == "true"

    def __repr__(self) -> str:
        """Name the scheme alone."""
        return f"Authenticator({self.label})"
