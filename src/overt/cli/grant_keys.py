"""The key that signs grants: made, kept in a file, read. It opens no footage; it says who may be shown what is open."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from rich.text import Text

from overt.cli.options import JsonOption
from overt.cli.output import Output
from overt.contract.grant import to_text
from overt.errors import InvalidError
from overt.new_file import read_small, write_new

MAX_FILE: Final = 4096


def public_text(key: Ed25519PrivateKey) -> str:
    """Return the public half as the recorder's setting `grant_keys` has it: 32 raw bytes, base64url."""
    return to_text(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))


def read_grant_key(path: Path) -> Ed25519PrivateKey:
    """Read a key file: Ed25519, PKCS #8 in PEM (RFC 8410), not encrypted.

    Raises:
        MissingError, UnavailableError: if it cannot be read.
        InvalidError: if it is no such key.
    """
    msg = f"{path} is no key for signing grants: 'overt keys grant-key --out FILE' makes one"
    try:
        key = load_pem_private_key(read_small(path, MAX_FILE, "grant key"), None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InvalidError(msg) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise InvalidError(msg)
    return key


def grant_key(
    *,
    out: Annotated[Path, typer.Option(metavar="FILE", help="Key file to write; never overwritten.")],
    as_json: JsonOption = False,
) -> None:
    """Make the key that signs grants for viewers, and print what the recorder needs to accept them."""
    key = Ed25519PrivateKey.generate()
    write_new(out, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), 0o600)
    public = public_text(key)
    text = Text(f'{out} signs grants. In the recorder\'s configuration:\n\n[recorder]\ngrant_keys = ["{public}"]\n\n')
    text.append("Whoever reads this file can let anybody watch live: keep it as you keep the key to the control room.")
    Output(as_json=as_json).show({"file": str(out), "public_key": public}, text)
