"""Wraps: a key period's root, encrypted to the roles that may open it (HPKE, RFC 9180, base mode).

The suite is DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM (RFC 9180 §7: 0x0020, 0x0001, 0x0002). With four eyes
the root is encrypted to the first role, and the result to the second: the second role must act first when opening.
The public description is docs/formats/footage.md, "Wraps".
"""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from overt.errors import CorruptError, ForbiddenError, InvalidError
from overt.ids import StreamKey, checked_name, new_id
from overt.sealing.ratchet import KEY_SIZE, KeyPeriod
from overt.sealing.roles import Policy, Recipients, RoleKey

MAGIC: Final = b"OVWK"
VERSION: Final = 1
OVERHEAD: Final = 48
"""Bytes that one layer of HPKE adds: a 32-byte encapsulated key and a 16-byte tag."""
MAX_SIZE: Final = 512

_INFO: Final = b"overt footage v1 period root\x00"
_FIXED: Final = struct.Struct(">4sBBH16s16s")
_SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


class Layer(NamedTuple):
    """One layer of a wrap: the role it is for, and which of the role's keys."""

    role: str
    key_id: str


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A wrapped root with all that says whose it is. Kept in a database apart from the footage, never beside it."""

    site_id: UUID
    period_id: UUID
    key: StreamKey
    layers: tuple[Layer, ...]
    """Innermost first: the last one is opened first."""
    sealed: bytes
    """32 bytes and `OVERHEAD` for each layer."""

    @property
    def policy(self) -> Policy:
        """`single` with one layer, `four-eyes` with two."""
        return "single" if len(self.layers) == 1 else "four-eyes"

    def encode(self) -> bytes:
        """Return the bytes to be stored."""
        parts = [_FIXED.pack(MAGIC, VERSION, len(self.layers), 0, self.site_id.bytes, self.period_id.bytes)]
        parts += [_named(self.key.camera), _named(self.key.stream)]
        parts += [_named(layer.role) + bytes.fromhex(layer.key_id) for layer in self.layers]
        return b"".join(parts) + self.sealed

    @classmethod
    def decode(cls, data: bytes) -> WrappedKey:
        """Read the bytes that `encode` gave.

        Raises:
            InvalidError: if it is no wrapped key, or of a version that this program does not know.
            CorruptError: if it is cut short or contradicts itself.
        """
        if data[:4] != MAGIC:
            msg = f"not a wrapped period key: it does not begin with {MAGIC.decode()}"
            raise InvalidError(msg)
        if not _FIXED.size < len(data) <= MAX_SIZE:
            msg = f"wrapped period key: {len(data)} bytes cannot be right"
            raise CorruptError(msg)
        _, version, layers, reserved, site, period = _FIXED.unpack_from(data)
        if version != VERSION:
            msg = f"wrapped period key of version {version}; this program reads version {VERSION}: use a newer one"
            raise InvalidError(msg)
        camera, position = _name(data, _FIXED.size)
        stream, position = _name(data, position)
        read: list[Layer] = []
        for _ in range(min(layers, 2)):
            role, position = _name(data, position)
            read.append(Layer(role, data[position : position + 8].hex()))
            position += 8
        if layers not in {1, 2} or reserved or len(data) - position != KEY_SIZE + layers * OVERHEAD:
            msg = f"wrapped period key of {camera}/{stream}: its length and its {layers} layers disagree"
            raise CorruptError(msg)
        try:
            key = StreamKey(camera, stream)
            for layer in read:
                checked_name(layer.role, "role")
        except InvalidError as error:
            msg = f"wrapped period key: {error}"
            raise CorruptError(msg) from error
        return cls(UUID(bytes=site), UUID(bytes=period), key, tuple(read), data[position:])


def _named(name: str) -> bytes:
    """Return a name behind its one-byte length."""
    return bytes((len(name),)) + name.encode("ascii")


def _name(data: bytes, position: int) -> tuple[str, int]:
    """Read a name behind its one-byte length."""
    if position < len(data):
        end = position + 1 + data[position]
        if end <= len(data) and data[position + 1 : end].isascii():
            return data[position + 1 : end].decode("ascii"), end
    msg = f"wrapped period key: no name at byte {position}"
    raise CorruptError(msg)


def wrap_info(site_id: UUID, period_id: UUID, key: StreamKey, roles: Sequence[str], layer: int) -> bytes:
    """Return HPKE's `info` of one layer: it binds site, period, stream, all roles in order, and which layer it is."""
    named = b"".join(map(_named, (key.camera, key.stream, *roles)))
    return _INFO + site_id.bytes + period_id.bytes + bytes((len(roles), layer)) + named


def wrap_root(root: bytes, period_id: UUID, key: StreamKey, recipients: Recipients) -> WrappedKey:
    """Encrypt a period's root to the site's roles.

    Raises:
        InvalidError: if a public key is a point of small order.
    """
    roles = [recipient.role for recipient in recipients.recipients]
    sealed = root
    for number, recipient in enumerate(recipients.recipients):
        info = wrap_info(recipients.site_id, period_id, key, roles, number)
        try:
            sealed = _SUITE.encrypt(sealed, recipient.loaded(), info)
        except ValueError as error:
            msg = f"site {recipients.site}: the public key {recipient.key_id} of role {recipient.role} is unusable"
            raise InvalidError(msg) from error
    layers = tuple(Layer(recipient.role, recipient.key_id) for recipient in recipients.recipients)
    return WrappedKey(recipients.site_id, period_id, key, layers, sealed)


def begin_period(recipients: Recipients, key: StreamKey, period_id: UUID | None = None) -> tuple[KeyPeriod, WrappedKey]:
    """Begin a key period of one stream: a fresh random root, of which only the ratchet and the wrap remain.

    The wrap is stored, durably, before the first record of the period is: footage whose wrap is lost cannot be opened.
    """
    root = os.urandom(KEY_SIZE)
    wrapped = wrap_root(root, period_id or new_id(), key, recipients)
    return KeyPeriod(wrapped.period_id, root), wrapped


def unwrap(wrapped: WrappedKey, keys: Sequence[RoleKey]) -> bytes:
    """Return the root of a period, given the private keys of all its roles, in any order.

    Raises:
        ForbiddenError: if the keys are of another site, or one that is needed is not among them.
        CorruptError: if the right keys do not open it: it was altered.
    """
    sealed = wrapped.sealed
    for number in reversed(range(len(wrapped.layers))):
        sealed = open_layer(wrapped, number, sealed, keys)
    return sealed


def open_layer(wrapped: WrappedKey, number: int, sealed: bytes, keys: Sequence[RoleKey]) -> bytes:
    """Open one layer; `sealed` is `wrapped.sealed`, or what the layer outside this one gave.

    Raises: as `unwrap`.
    """
    layer = wrapped.layers[number]
    given = ", ".join(f"{key.key_id} ({key.role} of {key.site})" for key in keys) or "none"
    whose = f"the keys of {wrapped.key}, period {wrapped.period_id},"
    fitting = [key for key in keys if key.site_id == wrapped.site_id]
    if not fitting:
        msg = f"{whose} are sealed for site {wrapped.site_id}, role {layer.role}, key {layer.key_id}; given: {given}"
        raise ForbiddenError(msg)
    fitting = [key for key in fitting if key.key_id == layer.key_id]
    if not fitting:
        msg = f"{whose} need role {layer.role}, key {layer.key_id}; given: {given}"
        raise ForbiddenError(msg)
    info = wrap_info(wrapped.site_id, wrapped.period_id, wrapped.key, [each.role for each in wrapped.layers], number)
    try:
        return _SUITE.decrypt(sealed, fitting[0].private_key, info)
    except (InvalidTag, ValueError) as error:
        msg = f"{whose} do not open with key {layer.key_id} of role {layer.role}: the wrapped key was altered"
        raise CorruptError(msg) from error
