"""Grant: who may watch which cameras, with which rights, in which span of time, until when.

A JSON Web Token (RFC 7519), signed with Ed25519 (`alg: EdDSA`, RFC 8037) by the control room and checked by the
recorder. Its claims are described in docs/reference/media-plane.md. A grant is bound to its holder by `cnf` (RFC 7800):
the SHA-256 of a secret, or of a one-time ticket. Tokens appear in no `repr` and in no error.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Final, Literal, Self
from uuid import UUID

import jwt
from cryptography.exceptions import InvalidKey, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    model_validator,
)

from overt.contract.instant import LATEST_NS, SECOND
from overt.errors import ForbiddenError, InvalidError
from overt.ids import checked_name

ALGORITHM: Final = "EdDSA"
"""The one algorithm that is accepted; never taken from the token."""
MAX_LIFETIME_S: Final = 3600
"""`exp` may lie so long after `iat`; a longer visit is a grant renewed under the same id."""
SKEW_S: Final = 60
"""A grant may be issued so far in the recorder's future: two machines' clocks differ."""
MAX_TOKEN: Final = 64 * 1024
"""Characters of the longest token that is looked at."""
MAX_CAMERAS: Final = 4096
MAX_DIGITS: Final = 21
"""Of the latest moment."""
MAX_PERMISSIONS: Final = 256
SECRET_SIZE: Final = 32
"""Bytes of a secret, a ticket and a public key."""
DIGEST_SIZE: Final = 32

Right = Literal["live", "recorded", "export"]
Window = tuple[int, int]
"""Start (included) and end (excluded) in nanoseconds since the Unix epoch."""


def digest(secret: bytes) -> bytes:
    """Return the SHA-256 by which a secret or a ticket is known."""
    return hashlib.sha256(secret).digest()


def to_text(value: bytes) -> str:
    """Write bytes as base64url without padding (RFC 4648 §5)."""
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode("ascii")


def from_text(text: object, size: int, what: str) -> bytes:
    """Read what `to_text` writes: exactly `size` bytes in their one lawful spelling.

    Raises:
        InvalidError: naming `what`, never repeating the text.
    """
    msg = f"{what} must be {size} bytes in base64url without padding"
    if not isinstance(text, str) or len(text) != -(-size * 4 // 3) or not text.isascii():
        raise InvalidError(msg)
    try:
        value = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error) as error:
        raise InvalidError(msg) from error
    if len(value) != size or to_text(value) != text:
        raise InvalidError(msg)
    return value


def read_public_key(text: str) -> Ed25519PublicKey:
    """Read an Ed25519 public key: its 32 raw bytes (RFC 8032) in base64url.

    Raises:
        InvalidError: if it is none.
    """
    raw = from_text(text, SECRET_SIZE, "an Ed25519 public key")
    try:
        return Ed25519PublicKey.from_public_bytes(raw)
    except (ValueError, InvalidKey, UnsupportedAlgorithm) as error:
        msg = "an Ed25519 public key must be a point of the curve"
        raise InvalidError(msg) from error


def _digest_from_text(value: object) -> bytes:
    if isinstance(value, bytes) and len(value) == DIGEST_SIZE:
        return value
    try:
        return from_text(value, DIGEST_SIZE, "a SHA-256")
    except InvalidError as error:
        raise ValueError(str(error)) from error


def _moment(value: object) -> object:
    """Take a moment as a decimal string: JSON numbers lose nanoseconds on their way through many a reader."""
    if isinstance(value, str):
        if not (value.isascii() and value.isdigit() and len(value) <= MAX_DIGITS):
            msg = "must be nanoseconds since the Unix epoch, as a decimal string"
            raise ValueError(msg)
        return int(value)
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    msg = "must be a decimal string"
    raise ValueError(msg)


def _camera(value: str) -> str:
    try:
        return checked_name(value, "camera")
    except InvalidError as error:
        raise ValueError(str(error)) from error


_Moment = Annotated[
    int,
    Field(ge=0, le=LATEST_NS),
    PlainSerializer(str, return_type=str, when_used="json"),
]
_Digest = Annotated[
    bytes, BeforeValidator(_digest_from_text), PlainSerializer(to_text, return_type=str, when_used="json")
]
_FROZEN: Final = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, strict=True)


class Permission(BaseModel):
    """Rights to some cameras in a span of time."""

    model_config = _FROZEN

    cameras: Annotated[
        tuple[Annotated[str, AfterValidator(_camera)], ...], Field(min_length=1, max_length=MAX_CAMERAS, strict=False)
    ]
    rights: Annotated[tuple[Right, ...], Field(min_length=1, max_length=3, strict=False)]
    from_ns: Annotated[_Moment, BeforeValidator(_moment)]
    """Nanoseconds since the Unix epoch; included."""
    to_ns: Annotated[_Moment | None, BeforeValidator(_moment)]
    """Excluded; None: open."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.to_ns is not None and self.to_ns <= self.from_ns:
            msg = "'to_ns' must be later than 'from_ns'"
            raise ValueError(msg)
        return self

    @property
    def window(self) -> Window:
        """The span, an open one up to the end of the calendar."""
        return self.from_ns, LATEST_NS if self.to_ns is None else self.to_ns


class Binding(BaseModel):
    """By what the holder is known: exactly one of the two, as SHA-256."""

    model_config = _FROZEN

    secret: _Digest | None = None
    """Of a secret that the holder made."""
    ticket: _Digest | None = None
    """Of a ticket, whose first bearer binds the grant to a secret of their own."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.secret is None) == (self.ticket is None):
            msg = "holds 'secret' or 'ticket'"
            raise ValueError(msg)
        return self


class Grant(BaseModel):
    """A grant whose form is right. `from_token` also checks who signed it and for whom; `check_times` when."""

    model_config = ConfigDict(**_FROZEN, populate_by_name=True)

    issuer: Annotated[str, Field(alias="iss", min_length=1, max_length=200)]
    person: Annotated[str, Field(alias="sub", min_length=1, max_length=200)]
    id: Annotated[UUID, Field(alias="jti", strict=False)]
    site: Annotated[UUID, Field(alias="aud", strict=False)]
    """Site id of the recorder that it is for."""
    issued_s: Annotated[int, Field(alias="iat", ge=0, le=LATEST_NS // SECOND)]
    """Seconds since the Unix epoch, as the two that follow."""
    not_before_s: Annotated[int, Field(alias="nbf", ge=0, le=LATEST_NS // SECOND)]
    expires_s: Annotated[int, Field(alias="exp", ge=0, le=LATEST_NS // SECOND)]
    """Excluded: at this second it is over."""
    binding: Annotated[Binding, Field(alias="cnf", repr=False)]
    may: Annotated[tuple[Permission, ...], Field(min_length=1, max_length=MAX_PERMISSIONS, strict=False)]

    @model_validator(mode="after")
    def _lawful(self) -> Self:
        if not self.issued_s < self.expires_s <= self.issued_s + MAX_LIFETIME_S:
            msg = f"'exp' must be later than 'iat', by at most {MAX_LIFETIME_S} s"
            raise ValueError(msg)
        if sum(len(permission.cameras) for permission in self.may) > MAX_CAMERAS:
            msg = f"names more than {MAX_CAMERAS} cameras"
            raise ValueError(msg)
        return self

    def to_token(self, key: Ed25519PrivateKey) -> str:
        """Sign it: for the control room."""
        claims = json.loads(self.model_dump_json(by_alias=True))
        claims["cnf"] = {name: value for name, value in claims["cnf"].items() if value is not None}
        return jwt.encode(claims, key, ALGORITHM)

    @classmethod
    def from_token(cls, token: object, keys: Iterable[Ed25519PublicKey], site: UUID) -> Grant:
        """Check form, signature and audience; times are for `check_times`, at every use anew.

        Raises:
            InvalidError: if it is no such token.
            ForbiddenError: if none of the keys signed it, or it is for another recorder.
        """
        if not isinstance(token, str) or not 0 < len(token) <= MAX_TOKEN or not token.isascii():
            msg = f"a grant is a JSON Web Token of at most {MAX_TOKEN} characters"
            raise InvalidError(msg)
        claims = _verified(token, list(keys), site)
        try:
            return cls.model_validate(claims)
        except ValidationError as error:
            found = error.errors(include_url=False, include_context=False, include_input=False)[0]
            where = ".".join(str(part) for part in found["loc"][:4]) or "it"
            msg = f"the grant's claims are not what a grant says: {where}: {found['msg']}"
            raise InvalidError(msg) from error

    def check_times(self, now_ns: int) -> None:
        """Refuse it outside its times.

        Raises:
            ForbiddenError: it is over, or not yet begun, or was issued in the future.
        """
        if now_ns >= self.expires_s * SECOND:
            msg = "the grant has expired: ask for another"
            raise ForbiddenError(msg)
        if now_ns < self.not_before_s * SECOND or now_ns < (self.issued_s - SKEW_S) * SECOND:
            msg = "the grant has not begun: compare the clocks of recorder and control room"
            raise ForbiddenError(msg)


def joined(windows: Iterable[Window]) -> list[Window]:
    """Return spans in order, those that overlap or touch as one."""
    found: list[Window] = []
    for start, end in sorted(windows):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def covers(windows: Sequence[Window], start_ns: int, end_ns: int) -> bool:
    """True if a span lies wholly inside one of the spans, which are `joined`."""
    return any(start <= start_ns and end_ns <= end for start, end in windows)


def _verified(token: str, keys: Sequence[Ed25519PublicKey], site: UUID) -> dict[str, Any]:
    """Return the claims of a token that one of the keys signed for this site."""
    options: Any = {
        "require": ["iss", "sub", "jti", "aud", "iat", "nbf", "exp", "cnf", "may"],
        "strict_aud": True,
        # Times are compared by `check_times` with the recorder's clock, whenever the grant is used.
        "verify_exp": False,
        "verify_nbf": False,
        "verify_iat": False,
    }
    for key in keys:
        try:
            # The id is compared here, not by a list of names in the token: one token, one recorder.
            return jwt.decode(token, key, algorithms=[ALGORITHM], audience=str(site), options=options)
        except jwt.InvalidSignatureError:
            continue
        except jwt.InvalidAudienceError:
            msg = "the grant is for another recorder"
            raise ForbiddenError(msg) from None
        except jwt.InvalidAlgorithmError:
            msg = f"the grant is not signed with {ALGORITHM} (Ed25519)"
            raise ForbiddenError(msg) from None
        except (jwt.InvalidTokenError, ValueError, RecursionError):
            # `from None`: the library's own words may hold parts of the token.
            msg = "the grant is not a JSON Web Token with the claims of a grant"
            raise InvalidError(msg) from None
    msg = "the grant is not signed by a control room that this recorder knows"
    raise ForbiddenError(msg)
