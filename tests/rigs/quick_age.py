"""Age files whose passphrase is tried at once: a low work factor, else as the library makes them.

For keys of tests that are not about passphrases. The library chooses a factor that keeps this machine busy for a
second at each opening, and on a busy machine refuses what it chose itself when it had nothing else to do. What opens
these files is the library as it is, in any process.
"""

from __future__ import annotations

import base64
import contextlib
import os
from collections.abc import Iterator
from typing import Final
from unittest import mock

import pyrage  # type: ignore[import-untyped]  # compiled, without stubs
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

WORK_FACTOR: Final = 4
"""Base-2 logarithm of scrypt's cost."""
CHUNK: Final = 64 * 1024
LINE: Final = 64
_SLOW: Final = pyrage.passphrase.encrypt


def encrypt(content: bytes, passphrase: str, armored: bool = False) -> bytes:
    """Return an age file, as `pyrage.passphrase.encrypt` does (age-encryption.org/v1)."""
    file_key, salt, nonce = os.urandom(16), os.urandom(16), os.urandom(16)
    wrapping = Scrypt(b"age-encryption.org/v1/scrypt" + salt, 32, 2**WORK_FACTOR, 8, 1).derive(passphrase.encode())
    stanza = _text(ChaCha20Poly1305(wrapping).encrypt(bytes(12), file_key, None))
    header = f"age-encryption.org/v1\n-> scrypt {_text(salt)} {WORK_FACTOR}\n{stanza}\n---".encode()
    mac = HMAC(_derived(file_key, b"", b"header"), SHA256())
    mac.update(header)
    cipher = ChaCha20Poly1305(_derived(file_key, nonce, b"payload"))
    chunks = [content[at : at + CHUNK] for at in range(0, max(len(content), 1), CHUNK)]
    sealed = [
        cipher.encrypt(number.to_bytes(11, "big") + bytes([number == len(chunks) - 1]), chunk, None)
        for number, chunk in enumerate(chunks)
    ]
    made = b"".join([header, b" ", _text(mac.finalize()).encode(), b"\n", nonce, *sealed])
    if not armored:
        return made
    text = base64.b64encode(made).decode()
    lines = [text[at : at + LINE] for at in range(0, len(text), LINE)]
    return "\n".join(["-----BEGIN AGE ENCRYPTED FILE-----", *lines, "-----END AGE ENCRYPTED FILE-----", ""]).encode()


@contextlib.contextmanager
def quick_passphrases() -> Iterator[None]:
    """Let whatever is sealed under a passphrase in this process meanwhile be sealed so."""
    with mock.patch("pyrage.passphrase.encrypt", encrypt):
        yield


@contextlib.contextmanager
def slow_passphrases() -> Iterator[None]:
    """Let it be sealed as it is outside tests."""
    with mock.patch("pyrage.passphrase.encrypt", _SLOW):
        yield


def _derived(key: bytes, salt: bytes, purpose: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt, purpose).derive(key)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")
