"""A role's private key on disk: a JSON file in which age files hold it, one under a passphrase, one under a paper code.

The format is described in docs/formats/site-key.md; any program that reads age files recovers the key from it. Opening
takes about a second of scrypt on purpose. No thread and no module state.
"""

from __future__ import annotations

import os
import unicodedata
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final, Literal, NamedTuple, Self
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from overt.errors import ConflictError, CorruptError, ForbiddenError, InvalidError
from overt.ids import checked_name, new_id
from overt.new_file import read_small, replace, write_new
from overt.sealing import age
from overt.sealing.recipients_file import first_complaint
from overt.sealing.recovery_code import new_recovery_code, parse_recovery_code
from overt.sealing.roles import Recipient, RoleKey, checked_site_name, fingerprint

CUSTODIAN: Final = "custodian"
MIN_PASSPHRASE: Final = 12
MAX_PASSPHRASE: Final = 1024
MAX_SIZE: Final = 16 * 1024
MODE: Final = 0o600


class KeyFile(BaseModel):
    """A key file's content. All of it may be seen; only passphrase or recovery code open what is sealed in it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["overt site key"] = "overt site key"
    version: Literal[1] = 1
    site_id: UUID
    site: str
    role: str
    key_id: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    public_key: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    created: AwareDatetime
    sealed: str
    """Armoured age file (scrypt) under the passphrase: the private key as 64 hexadecimal digits."""
    recovery: str
    """The same under the recovery code in its written form."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        """Refuse a key id that is not the public key's, and boxes that are no age files."""
        try:
            recipient = Recipient(self.role, bytes.fromhex(self.public_key))
        except InvalidError as error:
            raise ValueError(str(error)) from error
        if recipient.key_id != self.key_id:
            msg = f"public_key has id {recipient.key_id}, key_id says {self.key_id}"
            raise ValueError(msg)
        for name, box in (("sealed", self.sealed), ("recovery", self.recovery)):
            if not box.startswith(age.ARMOUR):
                msg = f"{name} is no armoured age file"
                raise ValueError(msg)
        return self

    @property
    def recipient(self) -> Recipient:
        """The public side."""
        return Recipient(self.role, bytes.fromhex(self.public_key))

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the public key in groups of four digits."""
        return fingerprint(bytes.fromhex(self.public_key))


class CreatedKey(NamedTuple):
    """A new key file, and the code that must be written on paper now: it is nowhere else."""

    key_file: KeyFile
    recovery_code: str


def checked_passphrase(passphrase: str) -> str:
    """Return a passphrase in the one form (Unicode NFC) in which all keyboards give it.

    Raises:
        InvalidError: if it is too short, too long or has control characters.
    """
    passphrase = unicodedata.normalize("NFC", passphrase)
    if len(passphrase) < MIN_PASSPHRASE:
        msg = (
            f"the passphrase has {len(passphrase)} characters; at least {MIN_PASSPHRASE} are needed, because whoever "
            "copies the key file can guess at it for years: take four or five unrelated words"
        )
        raise InvalidError(msg)
    if len(passphrase) > MAX_PASSPHRASE or any(unicodedata.category(each) == "Cc" for each in passphrase):
        msg = f"a passphrase has at most {MAX_PASSPHRASE} characters and no control characters"
        raise InvalidError(msg)
    return passphrase


def create_key_file(
    path: Path, site: str, passphrase: str, *, role: str = CUSTODIAN, same_site: KeyFile | None = None
) -> CreatedKey:
    """Make a role's key pair and keep it under a passphrase and a fresh recovery code.

    Args:
        path: the file to write; never overwritten.
        site: the site's name, for people.
        passphrase: at least `MIN_PASSPHRASE` characters.
        role: the role's name.
        same_site: another role's key file, whose site this role joins; then `site` is that file's.

    Raises:
        InvalidError: if passphrase, site or role will not do, or the other file is of the same role.
        ConflictError: if the file exists.
        MissingError, UnavailableError: if it cannot be written.
    """
    passphrase = checked_passphrase(passphrase)
    site = checked_site_name(same_site.site if same_site else site)
    checked_name(role, "role")
    if same_site is not None and same_site.role == role:
        msg = f"site {site}: the other key file is of role {role} too: give the second person another role"
        raise InvalidError(msg)
    site_id = same_site.site_id if same_site else new_id()
    created = datetime.now(UTC).replace(microsecond=0)
    return _kept(path, RoleKey(site_id, site, role, created, X25519PrivateKey.generate()), passphrase)


def keep_key(path: Path, role_key: RoleKey, passphrase: str) -> CreatedKey:
    """Keep a private key that exists already in a file of its own, under a passphrase and a fresh recovery code.

    Raises:
        InvalidError: as `checked_passphrase`.
        ConflictError: if the file exists; it is left alone.
        MissingError, UnavailableError: if it cannot be written.
    """
    return _kept(path, role_key, checked_passphrase(passphrase))


def _kept(path: Path, role_key: RoleKey, passphrase: str) -> CreatedKey:
    """Seal a key twice and write its file."""
    code = new_recovery_code()
    key_file = KeyFile(
        site_id=role_key.site_id,
        site=role_key.site,
        role=role_key.role,
        key_id=role_key.key_id,
        public_key=role_key.public_key.hex(),
        created=role_key.created,
        sealed=_sealed(role_key.private_key, passphrase),
        recovery=_sealed(role_key.private_key, code),
    )
    write_new(path, _encoded(key_file), MODE)
    return CreatedKey(key_file, code)


def read_key_file(path: Path) -> KeyFile:
    """Read a key file without opening what is sealed in it.

    Raises:
        MissingError, UnavailableError: if it cannot be read.
        InvalidError: if it is no key file, or contradicts itself.
    """
    data = read_small(path, MAX_SIZE, "key file")
    try:
        return KeyFile.model_validate_json(data)
    except ValidationError as error:
        msg = f"{path}: not a site key file: {first_complaint(error)}"
        raise InvalidError(msg) from error


def open_with_passphrase(key_file: KeyFile, passphrase: str) -> RoleKey:
    """Return the private key.

    Raises:
        ForbiddenError: if the passphrase is not this file's.
        CorruptError: if what it opens is not the private key of the file's public key.
    """
    return _opened(key_file, key_file.sealed, unicodedata.normalize("NFC", passphrase), "passphrase")


def open_with_recovery_code(key_file: KeyFile, typed: str) -> RoleKey:
    """Return the private key, by the code that was written down when it was made.

    Raises:
        InvalidError: if it is mistyped.
        ForbiddenError: if it is another file's.
        CorruptError: if what it opens is not the private key of the file's public key.
    """
    return _opened(key_file, key_file.recovery, parse_recovery_code(typed), "recovery code")


def set_passphrase(path: Path, role_key: RoleKey, new: str) -> KeyFile:
    """Put an opened key under another passphrase; its recovery code stays. Copies of the file keep the old one.

    Args:
        path: the key file, which is replaced.
        role_key: what `open_with_passphrase` or `open_with_recovery_code` returned for it.
        new: the passphrase that opens it from now on.

    Raises:
        InvalidError: as `checked_passphrase`.
        ConflictError: if the file holds another key.
        MissingError, UnavailableError: if it cannot be read or written.
    """
    new = checked_passphrase(new)
    key_file = read_key_file(path)
    if role_key.public_key.hex() != key_file.public_key:
        msg = f"{path}: holds another key than the one that was opened: it was replaced meanwhile, and is left alone"
        raise ConflictError(msg)
    changed = key_file.model_copy(update={"sealed": _sealed(role_key.private_key, new)})
    replace(Path(os.path.realpath(path)), _encoded(changed), MODE)
    return changed


def _encoded(key_file: KeyFile) -> bytes:
    """Return the file's bytes."""
    return key_file.model_dump_json(indent=2).encode() + b"\n"


def _sealed(private: X25519PrivateKey, passphrase: str) -> str:
    """Return an armoured age file with the private key."""
    return age.seal(private.private_bytes_raw().hex().encode("ascii"), passphrase)


def _opened(key_file: KeyFile, box: str, passphrase: str, what: str) -> RoleKey:
    """Open an age file and hold the key in it against the public key."""
    name = f"key {key_file.key_id} of role {key_file.role}, site {key_file.site}"
    try:
        secret = age.unseal(box, passphrase)
    except ForbiddenError as error:
        msg = f"the {what} does not open {name} (or the file was altered: {error})"
        raise ForbiddenError(msg) from error
    try:
        private = X25519PrivateKey.from_private_bytes(bytes.fromhex(secret.decode("ascii")))
    except ValueError as error:
        msg = f"{name}: what the {what} opens is no private key"
        raise CorruptError(msg) from error
    role_key = RoleKey(key_file.site_id, key_file.site, key_file.role, key_file.created, private)
    if role_key.public_key.hex() != key_file.public_key:
        msg = f"{name}: the sealed private key is that of {role_key.key_id}: the file's public key was replaced"
        raise CorruptError(msg)
    return role_key
