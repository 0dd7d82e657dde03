"""`overt keys`: make, keep and check the keys that open a site's footage."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from overt.cli.grant_keys import grant_key
from overt.cli.keyring_recovery import recover_keyring
from overt.cli.passphrase import read_passphrase
from overt.errors import ConflictError, InvalidError
from overt.sealing import custody
from overt.sealing.custody import KeyFile
from overt.sealing.recipients_file import write_recipients
from overt.sealing.roles import Recipients

RECOVERY_VARIABLE = "OVERT_RECOVERY_CODE"
NEW_VARIABLE = "OVERT_NEW_PASSPHRASE"

app = typer.Typer(help="Make, keep and check the keys that open a site's footage.", no_args_is_help=True)

KeyPath = Annotated[Path, typer.Argument(metavar="FILE", help="A role's key file.")]
PassphraseFile = Annotated[
    Path | None, typer.Option(help="File whose first line is the passphrase; else OVERT_PASSPHRASE, else a prompt.")
]
NewPassphraseFile = Annotated[
    Path | None,
    typer.Option(help="File whose first line is the new passphrase; else OVERT_NEW_PASSPHRASE, else a prompt."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]


@app.command()
def create(
    *,
    out: Annotated[Path, typer.Option(help="Key file to write; never overwritten.")],
    site: Annotated[str, typer.Option(help="Name of the site, for people.")] = "",
    role: Annotated[str, typer.Option(help="Role that holds this key.")] = custody.CUSTODIAN,
    same_site_as: Annotated[
        Path | None, typer.Option(help="Key file of the site's other role, for four eyes; instead of --site.")
    ] = None,
    recipients: Annotated[
        Path | None, typer.Option(help="Also write the recorder's file of public keys, for a site with one role.")
    ] = None,
    passphrase_file: PassphraseFile = None,
    as_json: AsJson = False,
) -> None:
    """Make a role's key pair, and print its recovery code once."""
    if bool(site) == bool(same_site_as):
        msg = "give either --site with the site's name, or --same-site-as with the other role's key file"
        raise InvalidError(msg)
    if recipients is not None and same_site_as is not None:
        msg = "--recipients is for a site with one role: with two, run 'overt keys recipients' on both key files"
        raise InvalidError(msg)
    for path in (out, recipients):
        if path is not None and path.exists():
            msg = f"{path} exists already and is not overwritten: choose another name, or move it away"
            raise ConflictError(msg)
    other = custody.read_key_file(same_site_as) if same_site_as else None
    passphrase = read_passphrase(passphrase_file, f"New passphrase of {role}", confirm=True)
    created = custody.create_key_file(out, site, passphrase, role=role, same_site=other)
    key_file = created.key_file
    if recipients is not None:
        write_recipients(recipients, Recipients(key_file.site_id, key_file.site, (key_file.recipient,)))
    facts = _facts(out, key_file)
    if as_json:
        _print_json(facts | {"recovery_code": created.recovery_code})
        return
    _print_facts(facts)
    typer.echo("")
    typer.echo("Recovery code. Write it on paper now and lock it away; it is stored nowhere and not shown again:")
    typer.echo(f"\n    {created.recovery_code}\n")
    typer.echo("Without the passphrase and without this code the footage of this site can never be opened.")


@app.command()
def show(file: KeyPath, as_json: AsJson = False) -> None:
    """Print what a key file says openly: site, role, key id, fingerprint."""
    _print(_facts(file, custody.read_key_file(file)), as_json)


@app.command()
def recipients(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Key files: one, or two for four eyes.")],
    out: Annotated[Path, typer.Option(help="File of public keys to write, for the recorders.")],
    as_json: AsJson = False,
) -> None:
    """Write the recorder's file of public keys. With two key files, both roles are needed to open footage."""
    key_files = [custody.read_key_file(path) for path in files]
    first = key_files[0]
    for path, key_file in zip(files, key_files, strict=True):
        if key_file.site_id != first.site_id:
            msg = (
                f"{path} is of site {key_file.site} ({key_file.site_id}), {files[0]} of {first.site} ({first.site_id})"
            )
            raise InvalidError(msg)
    made = Recipients(first.site_id, first.site, tuple(key_file.recipient for key_file in key_files))
    write_recipients(out, made)
    facts: dict[str, Any] = {"file": str(out), "site": made.site, "site_id": str(made.site_id), "policy": made.policy}
    if as_json:
        _print_json(facts | {"roles": [{"role": r.role, "key_id": r.key_id} for r in made.recipients]})
        return
    _print_facts(facts)
    for each in made.recipients:
        typer.echo(f"{'role':<12} {each.role}, key {each.key_id}")


@app.command(name="change-passphrase")
def change_passphrase(
    file: KeyPath,
    passphrase_file: PassphraseFile = None,
    new_passphrase_file: NewPassphraseFile = None,
    as_json: AsJson = False,
) -> None:
    """Put the key under another passphrase. The recovery code stays valid, and so does the old one in old copies."""
    key_file = custody.read_key_file(file)
    role_key = custody.open_with_passphrase(key_file, read_passphrase(passphrase_file, "Present passphrase"))
    new = read_passphrase(new_passphrase_file, "New passphrase", confirm=True, variable=NEW_VARIABLE)
    _print(_facts(file, custody.set_passphrase(file, role_key, new)) | {"changed": True}, as_json)


@app.command()
def recover(
    file: KeyPath,
    code_file: Annotated[
        Path | None, typer.Option(help="File whose first line is the code; else OVERT_RECOVERY_CODE, else a prompt.")
    ] = None,
    new_passphrase_file: NewPassphraseFile = None,
    as_json: AsJson = False,
) -> None:
    """Set a new passphrase by the recovery code. The code stays valid: put it back under lock."""
    key_file = custody.read_key_file(file)
    code = read_passphrase(code_file, "Recovery code", variable=RECOVERY_VARIABLE)
    role_key = custody.open_with_recovery_code(key_file, code)
    new = read_passphrase(new_passphrase_file, "New passphrase", confirm=True, variable=NEW_VARIABLE)
    _print(_facts(file, custody.set_passphrase(file, role_key, new)) | {"changed": True}, as_json)


@app.command()
def check(file: KeyPath, passphrase_file: PassphraseFile = None, as_json: AsJson = False) -> None:
    """Try whether the passphrase opens the key; nothing is changed."""
    key_file = custody.read_key_file(file)
    custody.open_with_passphrase(key_file, read_passphrase(passphrase_file, f"Passphrase of {key_file.role}"))
    _print(_facts(file, key_file) | {"opens": True}, as_json)


def _facts(path: Path, key_file: KeyFile) -> dict[str, Any]:
    """Return what may be shown of a key file."""
    return {
        "file": str(path),
        "site": key_file.site,
        "site_id": str(key_file.site_id),
        "role": key_file.role,
        "key_id": key_file.key_id,
        "fingerprint": key_file.fingerprint,
        "created": key_file.created.isoformat().replace("+00:00", "Z"),
    }


def _print(facts: dict[str, Any], as_json: bool) -> None:
    """Print facts in the form that was asked for."""
    if as_json:
        _print_json(facts)
    else:
        _print_facts(facts)


def _print_json(facts: dict[str, Any]) -> None:
    """Print one JSON object."""
    typer.echo(json.dumps(facts, indent=2, ensure_ascii=False))


def _print_facts(facts: dict[str, Any]) -> None:
    """Print facts as lines of name and value."""
    for name, value in facts.items():
        shown = {True: "yes", False: "no"}[value] if isinstance(value, bool) else value
        typer.echo(f"{name.replace('_', ' '):<12} {shown}")


app.command("grant-key")(grant_key)
app.command("recover-keyring")(recover_keyring)
