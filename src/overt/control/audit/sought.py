"""Writing down that somebody searched who did what, and whose looks they read by name, before they read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from overt.control.acts import indexing
from overt.control.acts.kinds import Kind, Theme, kinds_of
from overt.control.acts.recording import Json, record
from overt.control.audit.finding import Wanted, wanted_of
from overt.control.people.actions import Action
from overt.control.people.models import Person
from overt.control.people.rights import Rights

IN_A_LEAF: Final = 200
"""People whose looks were read, in one leaf."""
_LOOKS: Final = [each.value for each in kinds_of(Theme.LOOKING)]


def note(reader: Person, rights: Rights, wanted: Wanted, query: Mapping[str, str], how: str) -> None:
    """Write down a search. Where it is by a person, whoever's looks are found is named: they are told.

    Raises:
        UnavailableError: it cannot be written: nothing is shown.
    """
    sought: dict[str, Json] = {**query}
    people = reviewed(reader, rights, wanted)
    more: dict[str, Json] = {"sought": sought, "how": how}
    if not people:
        record(Kind.READ, more=more)
        return
    more["as"] = [*_roles(reader)]
    for start in range(0, len(people), IN_A_LEAF):
        named: list[Json] = [{"id": str(each.pk), "name": each.name} for each in people[start : start + IN_A_LEAF]]
        record(Kind.READ, more={**more, "reviewed": named})


def reviewed(reader: Person, rights: Rights, wanted: Wanted) -> list[Person]:
    """Return whose looks a search by person finds; nobody for other searches, and never the reader."""
    if not wanted.person.strip():
        return []
    indexing.catch_up()
    actors = wanted_of(rights, wanted).filter(kind__in=_LOOKS, actor__isnull=False).order_by()
    found = Person.objects.filter(pk__in=actors.values("actor")).exclude(pk=reader.pk)
    return list(wanted.named(found).order_by("name"))


def _roles(reader: Person) -> list[str]:
    rows = reader.appointments.select_related("role").order_by("role__name")
    return list(dict.fromkeys(each.role.name for each in rows if Action.READ_LEDGER.value in each.role.actions))
