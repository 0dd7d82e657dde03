"""`overt keys recover-keyring`: footage opens without a browser and without a security key, by the paper recovery."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Final

import typer

from overt.cli.passphrase import MAX_FILE, read_passphrase
from overt.errors import ConflictError, ForbiddenError, InvalidError
from overt.new_file import read_small
from overt.sealing.custody import keep_key
from overt.sealing.keyring import MAX_ARMOURED, open_keyring, tidy_recovery
from overt.sealing.roles import checked_site_name

RECOVERY_VARIABLE: Final = "OVERT_RECOVERY_SECRET"


def recover_keyring(
    keyring: Annotated[Path, typer.Argument(metavar="KEYRING", help="The role's keyring, an armoured age file.")],
    *,
    out: Annotated[Path, typer.Option(help="Key file to write; never overwritten.")],
    role: Annotated[str, typer.Option(help="Role whose keyring this should be; another one is refused.")],
    site: Annotated[str, typer.Option(help="Name of the site, for people; else its id.")] = "",
    key_id: Annotated[
        str | None, typer.Option(help="Which key of the keyring, for older footage; else the newest.")
    ] = None,
    secret_file: Annotated[
        Path | None, typer.Option(help="File with the recovery secret; else OVERT_RECOVERY_SECRET, else a prompt.")
    ] = None,
    passphrase_file: Annotated[
        Path | None,
        typer.Option(help="File whose first line is the new passphrase; else OVERT_PASSPHRASE, else a prompt."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")] = False,
) -> None:
    """Write a role's key to a key file of its own, by the recovery secret on paper instead of a security key."""
    if out.exists():
        msg = f"{out} exists already and is not overwritten: choose another name, or move it away"
        raise ConflictError(msg)
    armoured = _text(read_small(keyring, MAX_ARMOURED, "keyring"), keyring)
    opened = open_keyring(armoured, tidy_recovery(_secret(secret_file)))
    if opened.role != role:
        msg = f"{keyring} is the keyring of role {opened.role}, not of {role}"
        raise ForbiddenError(msg)
    role_key = opened.role_key(checked_site_name(site or str(opened.site_id)), key_id)
    passphrase = read_passphrase(passphrase_file, f"New passphrase of {role}", confirm=True)
    created = keep_key(out, role_key, passphrase)
    others = [each.key_id for each in opened.keys if each.key_id != role_key.key_id]
    if as_json:
        facts = {"file": str(out), "site_id": str(role_key.site_id), "role": role, "key_id": role_key.key_id}
        typer.echo(json.dumps(facts | {"other_keys": others, "recovery_code": created.recovery_code}, indent=2))
        return
    typer.echo(f"{out}: key {role_key.key_id} of role {role}, under the passphrase from now on")
    if others:
        typer.echo(f"The keyring also holds {', '.join(others)}: take them with --key-id for the footage they open")
    typer.echo("Recovery code of this key file. Write it on paper now, or destroy the file after use:")
    typer.echo(f"\n    {created.recovery_code}\n")
    typer.echo(
        "Whoever has this file and its passphrase opens footage without a security key: keep it no longer than needed."
    )


def _secret(file: Path | None) -> str:
    """Return the recovery secret: a file for `age -i` has it among lines that begin with '#'."""
    if file is None:
        return read_passphrase(None, "Recovery secret", variable=RECOVERY_VARIABLE)
    lines = _text(read_small(file, MAX_FILE, "recovery secret"), file).splitlines()
    return "".join(line for line in lines if not line.lstrip().startswith("#"))


def _text(data: bytes, path: Path) -> str:
    """Return a file's text."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        msg = f"{path}: not text: it is no armoured age file, and no secret"
        raise InvalidError(msg) from error
