"""What a leaf's body says, line by line, for an auditor: a name for each thing, and its value in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from django.utils import timezone

from overt.control.acts.moments import in_words
from overt.control.audit.finding import Shown
from overt.control.custody.assertions import check_kept
from overt.control.custody.texts import challenge_of
from overt.errors import CorruptError

LABELS = {
    "email": "E-mail address",
    "address": "Network address",
    "grant": "Grant",
    "why": "Why",
    "how": "How",
    "what": "What",
    "did": "What",
    "token": "Token",
    "scopes": "It allows",
    "ends": "It ends",
    "where": "Where",
    "site": "Site",
    "version": "Version",
    "for": "For",
    "live": "Live, and the last minutes",
    "sudo": "By sudo of",
    "began": "Of leaf",
    "leaves": "Leaves",
    "first": "From leaf",
    "below": "Before leaf",
    "kinds": "Kinds",
    "keep_days": "Older than, in days",
    "approval": "Approval",
    "groups": "Groups of sites",
    "until": "Until",
    "as": "As",
    "reviewed": "Whose looks were read",
    "sought": "Searched for",
    "lacking": "They lack the right",
    "more": "Besides",
    "file": "File",
    "rule": "Rule",
    "plan": "Plan",
    "layout": "Layout",
    "tour": "Tour",
    "settings": "Settings",
    "recorder": "Recorder",
    "ledger_key": "Key of its ledger",
    "ledger_key_before": "Key of its ledger before",
    "witness": "Witness’s key",
    "seen": "Seen before",
    "checkpoint": "Checkpoint",
    "key": "Security key",
    "key_role": "Role of the key",
    "request": "Request",
    "text": "What was signed",
    "credential": "Credential of the key",
    "assertion": "What the key answered",
    "recipient": "Recipient of the key",
    "rp_id": "Name that the key answers to",
    "model": "Model of the key",
    "public_key": "Public key",
    "key_id": "Id of the role’s key",
    "new_role_key": "A new key of the role",
    "recipients": "Sealed to",
    "recovery": "Recovery on paper",
    "opened": "Opened",
    "failed": "Not opened",
    "periods": "Key periods",
    "count": "How many",
}
"""Names of what stands in bodies besides what has a place of its own."""
PURPOSE = {
    "name": "Purpose",
    "legal_basis": "Legal basis",
    "authorisation": "Authorisation to follow",
    "approval": "By the approval for a shift",
}
"""Names of what stands in a purpose."""
_OWN = frozenset({"who", "person", "cameras", "footage", "reference", "purpose", "changes", "name", "role", "policy"})


_TECHNICAL: Final = frozenset(
    {"Grant", "Legal basis", "What was signed", "Credential of the key", "What the key answered", "Request"}
    | {"Recipient of the key", "Name that the key answers to", "Sealed to", "Public key", "Key periods"}
)
"""What lists leave out: an act's own page has it."""


def lines(act: Shown) -> Iterator[tuple[str, str]]:
    """Return (name, value) of everything that an act's body says."""
    body = act.body
    if body is None:
        return
    if person := body.get("person"):
        yield "Account", str(person.get("name", ""))
    if act.camera_names:
        yield "Cameras", act.camera_names
    if footage := body.get("footage"):
        end = footage.get("to")
        yield "Footage", f"{in_words(footage.get('from'))} to {in_words(end) if end else 'what is being recorded'}"
    if purpose := body.get("purpose"):
        yield from ((name, str(purpose[key])) for key, name in PURPOSE.items() if purpose.get(key))
    if reference := body.get("reference"):
        yield "Reference", str(reference)
    if role := body.get("role"):
        yield "Role", str(role.get("name", ""))
        if actions := role.get("actions"):
            yield "It allows", ", ".join(map(str, actions))
    for change in body.get("changes", []):
        name = str(change.get("field", "")).replace("_", " ").capitalize()
        yield name, f"{change.get('before') or 'nothing'} → {change.get('after') or 'nothing'}"
    if "assertion" in body:
        yield "Signature", _signature(body)
    for name, value in body.items():
        if name not in _OWN:
            yield LABELS.get(name, name), _plain(value)


def removed(act: Shown) -> str:
    """Say that an act's details were removed, and when; nothing of one that has them, or whose ledger is at fault."""
    if act.body is not None or act.fault:
        return ""
    if act.removed_at is None:
        return "Its details were removed under the ledger’s own retention."
    local = timezone.localtime(act.removed_at)
    return f"Its content was removed on {local.day} {local:%B %Y} under the scheme’s retention."


def summary(act: Shown) -> str:
    """Return the same in one line, for lists."""
    if words := removed(act):
        return words
    return "; ".join(f"{name}: {value}" for name, value in lines(act) if name not in {"Grant", "Legal basis"})


def _signature(body: Mapping[str, Any]) -> str:
    """Verify what a security key has signed, now and here."""
    try:
        signed = check_kept(challenge_of(str(body.get("text"))), str(body.get("credential")), body["assertion"])
    except CorruptError as error:
        return f"NOT good: {error}"
    key = body.get("key")
    name = key.get("name", "") if isinstance(key, dict) else ""
    where = f"on the page {signed.origin}"
    return f"good: the key “{name}” has signed this text, {where}, for somebody whom it had verified"


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return str(value.get("name", "")) or ", ".join(f"{key}: {_plain(each)}" for key, each in value.items())
    if isinstance(value, list):
        return ", ".join(map(_plain, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)
