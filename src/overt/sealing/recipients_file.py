"""The recorder's side of the keys: a JSON file with the site's public keys and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from overt.errors import InvalidError
from overt.new_file import read_small, replace, write_new
from overt.sealing.roles import Policy, Recipient, Recipients

MAX_SIZE: Final = 16 * 1024
MODE: Final = 0o644
"""Public keys may be read by anyone; who may replace them is the directory's business."""


class _Recipient(BaseModel):
    """One role."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    role: str
    public_key: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    key_id: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]


class _RecipientsFile(BaseModel):
    """The file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["overt recipients"]
    version: Literal[1]
    site_id: UUID
    site: str
    policy: Policy
    roles: list[_Recipient]


def first_complaint(error: ValidationError) -> str:
    """Return what is wrong with a file's first bad field, without showing its value."""
    detail = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(part) for part in detail["loc"])
    return f"{where}: {detail['msg']}" if where else str(detail["msg"])


def write_recipients(path: Path, recipients: Recipients) -> None:
    """Write the file that a recorder is given.

    Raises:
        ConflictError: if the file exists.
        MissingError, UnavailableError: if it cannot be written.
    """
    write_new(path, encode_recipients(recipients), MODE)


def replace_recipients(path: Path, recipients: Recipients) -> None:
    """Put other recipients in the place of a recorder's, whole or not at all.

    Raises:
        UnavailableError: if it cannot be written; the file is as it was.
    """
    replace(path, encode_recipients(recipients), MODE)


def encode_recipients(recipients: Recipients) -> bytes:
    """Return the bytes of the file that `decode_recipients` reads; of the same recipients, always the same."""
    model = _RecipientsFile(
        format="overt recipients",
        version=1,
        site_id=recipients.site_id,
        site=recipients.site,
        policy=recipients.policy,
        roles=[
            _Recipient(role=each.role, public_key=each.public_key.hex(), key_id=each.key_id)
            for each in recipients.recipients
        ],
    )
    return model.model_dump_json(indent=2).encode() + b"\n"


def read_recipients(path: Path) -> Recipients:
    """Read the public keys that a recorder seals to.

    Raises:
        MissingError, UnavailableError: if it cannot be read.
        InvalidError: if it is not such a file, or contradicts itself.
    """
    return decode_recipients(read_small(path, MAX_SIZE, "recipients file"), path)


def decode_recipients(data: bytes, path: Path) -> Recipients:
    """Read the bytes of such a file; messages name it `path`.

    Raises:
        InvalidError: if they are none, or contradict themselves.
    """
    try:
        model = _RecipientsFile.model_validate_json(data)
    except ValidationError as error:
        msg = f"{path}: not a recipients file: {first_complaint(error)}; make one with 'overt keys recipients'"
        raise InvalidError(msg) from error
    roles: list[Recipient] = []
    for each in model.roles:
        recipient = Recipient(each.role, bytes.fromhex(each.public_key))
        if recipient.key_id != each.key_id:
            msg = f"{path}: the public key of role {each.role} has id {recipient.key_id}, the file says {each.key_id}"
            raise InvalidError(msg)
        roles.append(recipient)
    recipients = Recipients(model.site_id, model.site, tuple(roles))
    if recipients.policy != model.policy:
        msg = f"{path}: policy {model.policy} does not go with {len(roles)} roles"
        raise InvalidError(msg)
    return recipients
