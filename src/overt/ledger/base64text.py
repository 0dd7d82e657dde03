"""Base64 (RFC 4648 §4) in its one canonical form: padded, no white space, no stray bits."""

from __future__ import annotations

import base64
import binascii

from overt.errors import InvalidError


def encode(data: bytes) -> str:
    """Return the text of bytes."""
    return base64.b64encode(data).decode("ascii")


def decode(text: str, what: str, size: int | None = None) -> bytes:
    """Return the bytes of a text; exactly `size` of them, if it is given.

    Raises:
        InvalidError: it is not canonical base64, or of another length; the message names `what`.
    """
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (ValueError, binascii.Error) as error:
        msg = f"{what} is not base64"
        raise InvalidError(msg) from error
    if encode(data) != text:
        msg = f"{what} is not base64 in its canonical form"
        raise InvalidError(msg)
    if size is not None and len(data) != size:
        msg = f"{what} has {len(data)} bytes instead of {size}"
        raise InvalidError(msg)
    return data
