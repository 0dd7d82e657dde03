"""The scheme's register of purposes: for what people may look back, and with what they must say it.

A purpose says on which legal basis pictures are looked at, whether a reference (an incident number, a request's number)
has to be given, and what it may open: the last minutes, recorded footage, or a clip that is taken away. It is never
deleted, since the ledger names it; one that is not to be used any more is switched off.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from django.db import transaction

from overt.clock import SECOND
from overt.control.acts.kinds import Kind
from overt.control.acts.recording import MAX_REFERENCE, changes_of, record
from overt.control.people.actions import Action
from overt.control.people.rights import Rights, require
from overt.control.people.versions import save
from overt.control.viewing.approvals import answering
from overt.control.viewing.models import OPENABLE, Purpose
from overt.control.viewing.reasons import Reason, Stated
from overt.errors import InvalidError, MissingError, OvertError

_LOG: Final = logging.getLogger(__name__)
_REFERENCE: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]+")
FIELDS: Final = ("name", "legal_basis", "needs_reference", "reference_name", "opens", "may_stand", "in_use")

STARTING_PURPOSES: Final[tuple[Mapping[str, Any], ...]] = (
    {
        "name": "Prevention and detection of crime",
        "legal_basis": "Public task: UK GDPR Article 6(1)(e); Crime and Disorder Act 1998, section 17",
        "needs_reference": True,
        "reference_name": "Incident number",
        "opens": OPENABLE,
    },
    {
        "name": "Safety of people on the site",
        "legal_basis": "Public task: UK GDPR Article 6(1)(e); Health and Safety at Work etc. Act 1974",
        "needs_reference": False,
        "reference_name": "Incident number",
        "opens": OPENABLE,
    },
    {
        "name": "Request of somebody who was filmed (subject access)",
        "legal_basis": "Legal obligation: UK GDPR Articles 6(1)(c) and 15",
        "needs_reference": True,
        "reference_name": "Number of the request",
        "opens": (Action.RECORDED, Action.EXPORT),
    },
    {
        "name": "Checking that cameras record as they should",
        "legal_basis": "Public task: UK GDPR Articles 6(1)(e) and 32",
        "needs_reference": False,
        "reference_name": "Job number",
        "opens": (Action.REPLAY, Action.RECORDED),
    },
)
"""With which a new system begins. They are a beginning: whose system it is decides what it is for."""


def stated(reason: Reason, person: UUID) -> Stated:
    """Hold somebody's reason against the register; where their approval for a shift answers, against that.

    Raises:
        InvalidError: there is no such purpose in use, its reference is missing, or a text is none.
        ForbiddenError: they have no such approval any more.
    """
    approval = answering(reason.approval, person) if reason.approval else None
    if approval is not None:
        reason = replace(reason, purpose=approval.purpose_id, reference=approval.reference)
    found = Purpose.objects.filter(pk=reason.purpose, in_use=True).first()
    if found is None:
        msg = "This purpose is not in use any more: choose another."
        raise InvalidError(msg)
    reference = _text(reason.reference, found.reference_name)
    if found.needs_reference and not reference:
        msg = (
            f"“{found.name}” needs a reference: enter the {found.reference_name[:1].lower()}{found.reference_name[1:]}."
        )
        raise InvalidError(msg)
    return Stated(
        purpose=found.pk,
        name=found.name,
        legal_basis=found.legal_basis,
        opens=frozenset(Action(each) for each in found.opens),
        reference=reference,
        authorisation=_text(reason.authorisation, "Number of the authorisation"),
        approval=reason.approval,
        groups=None if approval is None else frozenset(approval.groups.values_list("pk", flat=True)),
        until_ns=0 if approval is None else int(approval.until.timestamp()) * SECOND,
    )


def _text(text: str, what: str) -> str:
    plain = text.strip()
    if len(plain) > MAX_REFERENCE or (plain and not _REFERENCE.fullmatch(plain)):
        msg = f"{what}: at most {MAX_REFERENCE} characters on one line."
        raise InvalidError(msg)
    return plain


def offered(rights: Rights) -> list[Purpose]:
    """Return the purposes for which somebody may look at something, in the order of the register."""
    may = {each.value for each in OPENABLE if rights.anywhere(each)}
    return [each for each in Purpose.objects.filter(in_use=True) if may.intersection(each.opens)]


def described(purpose: Purpose) -> dict[str, Any]:
    """Return a purpose as a page that asks for one takes it."""
    return {
        "id": purpose.pk,
        "name": purpose.name,
        "needs_reference": purpose.needs_reference,
        "reference_name": purpose.reference_name,
        "opens": list(purpose.opens),
    }


def whole(purpose: Purpose) -> dict[str, Any]:
    """Return a purpose as the API has it."""
    return {"id": purpose.pk, "version": purpose.version, **_values(purpose)}


def all_purposes() -> list[Purpose]:
    """Return the register, those that are not used any more too."""
    return list(Purpose.objects.all())


def purpose_of(number: int) -> Purpose:
    """Return a purpose.

    Raises:
        MissingError: there is none of this id.
    """
    found = Purpose.objects.filter(pk=number).first()
    if found is None:
        msg = "There is no such purpose."
        raise MissingError(msg)
    return found


def add_purpose(rights: Rights, values: Mapping[str, Any]) -> Purpose:
    """Put a purpose into the register.

    Raises:
        ForbiddenError: it needs the right to change cameras everywhere. Django's ValidationError names fields.
    """
    require(rights, Action.CHANGE_CAMERAS)
    with transaction.atomic():
        made = Purpose(**{name: values[name] for name in FIELDS if name in values})
        made.full_clean()
        made.save()
        _record(made, {})
    return made


def change_purpose(rights: Rights, number: int, version: int, values: Mapping[str, Any]) -> Purpose:
    """Change a purpose: from now on; what was looked at for it keeps the words that it had then.

    Raises:
        ConflictError: somebody else changed it since `version`.
        MissingError, ForbiddenError: there is none, or not for them. Django's ValidationError names fields.
    """
    require(rights, Action.CHANGE_CAMERAS)
    with transaction.atomic():
        row = purpose_of(number)
        before = _values(row)
        for name in FIELDS:
            if name in values:
                setattr(row, name, values[name])
        row.full_clean()
        save(row, version, *FIELDS)
        _record(row, before)
    return row


def begin() -> None:
    """Fill an empty register when the control room starts; where the ledger cannot be written, at the next start."""
    try:
        make_starting_purposes()
    except OvertError as error:
        _LOG.error("the register of purposes could not be begun: %s", error)


def make_starting_purposes() -> None:
    """Fill an empty register with what a new system begins with."""
    if Purpose.objects.exists():
        return
    with transaction.atomic():
        for each in STARTING_PURPOSES:
            made = Purpose.objects.create(**{**each, "opens": in_order(each["opens"])})
            _record(made, {})


def in_order(actions: Iterable[str]) -> list[str]:
    """Return what a purpose may open, once each, in the order in which pages show it."""
    given = {str(each) for each in actions}
    known = [each.value for each in OPENABLE]
    return [each for each in known if each in given] + sorted(given.difference(known))


def _values(row: Purpose) -> dict[str, object]:
    return {name: getattr(row, name) for name in FIELDS}


def _record(row: Purpose, before: Mapping[str, object]) -> None:
    changed = changes_of(before, _values(row))
    if changed:
        record(Kind.PURPOSE_CHANGED, changes=changed, more={"purpose": {"id": row.pk, "name": row.name}})
