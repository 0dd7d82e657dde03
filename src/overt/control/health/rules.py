"""Alert rules: checked, saved, deleted. For pages and for the API alike."""

from __future__ import annotations

from typing import Final

from django.db import transaction
from django.utils import timezone

from overt.control.acts.kinds import Kind
from overt.control.acts.recording import Change, Json, changes_of, record
from overt.control.health.channels import channel_named
from overt.control.health.kinds import KINDS
from overt.control.health.models import AlertRule, Incident
from overt.control.health.sending import sealed
from overt.control.people.actions import Action
from overt.control.people.rights import Rights, require
from overt.errors import ConflictError, InvalidError

MAX_ADDRESS: Final = 2000
MAX_SECRET: Final = 500
FIELDS: Final = ("name", "kinds", "severity", "group", "channel", "delay_s", "repeat_hours", "enabled")
"""What the ledger says of a rule; of address and secret only that there are others."""


def save_rule(
    rule: AlertRule, rights: Rights, *, address: str, secret: str | None, version: int | None = None
) -> AlertRule:
    """Check and save a rule; an empty address or secret None keeps what there is.

    A rule whose channel changes needs its address anew.

    Raises:
        ForbiddenError: it is for sites where this person may not change cameras.
        InvalidError: the address is none of its channel, or a kind is unknown.
        ValidationError: another field is not lawful, or the name is taken.
        ConflictError: somebody else has changed it since `version`.
        UnavailableError: it cannot be written down.
    """
    require(rights, Action.CHANGE_CAMERAS, rule.group_id)
    channel = channel_named(rule.channel)
    unknown = [each for each in rule.kinds if each not in KINDS]
    if unknown:
        msg = f"there is no condition {unknown[0]!r}: see the reference of conditions"
        raise InvalidError(msg)
    if len(address) > MAX_ADDRESS or len(secret or "") > MAX_SECRET:
        raise InvalidError("the address or the secret is too long")
    with transaction.atomic():
        before = AlertRule.objects.select_for_update().filter(pk=rule.pk).first() if rule.pk else None
        if before is not None:
            require(rights, Action.CHANGE_CAMERAS, before.group_id)
            if version is not None and before.version != version:
                raise ConflictError("Somebody else has changed this rule meanwhile: look at it again, then change it.")
        moved = before is None or before.channel != rule.channel
        if address:
            rule.address_sealed, rule.shown = (
                sealed(channel.check(address)),
                channel.shown(channel.check(address))[:300],
            )
        elif moved:
            raise InvalidError("Enter where it is to be sent.")
        if secret is not None or moved:
            rule.secret_sealed = sealed(secret or "")
        rule.version = (before.version if before else 0) + 1
        rule.full_clean()
        rule.save()
        if not rule.enabled:
            Incident.objects.filter(rule=rule, over_at=None).update(over_at=timezone.now())
        _record(before, rule, [("address", bool(address)), ("secret", bool(secret))])
    return rule


def delete_rule(rule: AlertRule, rights: Rights) -> None:
    """Delete a rule with its messages; raises ForbiddenError and UnavailableError as `save_rule`."""
    require(rights, Action.CHANGE_CAMERAS, rule.group_id)
    named: Json = {"id": rule.pk, "name": rule.name}
    with transaction.atomic():
        rule.delete()
        record(Kind.ALERT_CHANGED, more={"rule": named, "what": "It was deleted."})


def _record(before: AlertRule | None, rule: AlertRule, sealed_ones: list[tuple[str, bool]]) -> None:
    old = {} if before is None else {name: getattr(before, name) for name in FIELDS}
    changed = changes_of(old, {name: getattr(rule, name) for name in FIELDS})
    changed += [Change(name, "", "another one") for name, given in sealed_ones if given]
    if changed:
        record(Kind.ALERT_CHANGED, changes=changed, more={"rule": {"id": rule.pk, "name": rule.name}})
