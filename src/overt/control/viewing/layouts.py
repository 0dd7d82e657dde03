"""Saved layouts and tours: one's own, and those that are shared with groups at which one may watch."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Final

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from overt.control.acts.kinds import Kind
from overt.control.acts.recording import changes_of, record
from overt.control.people.actions import Action
from overt.control.people.models import Person, SiteGroup
from overt.control.people.rights import Rights
from overt.control.viewing.messages import NewLayout, NewTour
from overt.control.viewing.models import TILES, Layout, Tour, TourStep
from overt.errors import ConflictError, ForbiddenError, InvalidError, MissingError

MAX_OF_ONE: Final = 200
"""Layouts, and tours, of one person."""
_GONE: Final = "There is no such {}, or it is not yours to change."


def _shared(rights: Rights) -> Q:
    where = rights.where(Action.LIVE)
    return Q(group__isnull=False) if where is None else Q(group_id__in=where)


def layouts_of(person: Person, rights: Rights) -> QuerySet[Layout]:
    """Return the layouts that somebody may show."""
    return Layout.objects.filter(Q(owner=person) | _shared(rights)).select_related("owner")


def tours_of(person: Person, rights: Rights) -> QuerySet[Tour]:
    """Return the tours that somebody may show."""
    return Tour.objects.filter(Q(owner=person) | _shared(rights)).select_related("owner").prefetch_related("steps")


def save_layout(person: Person, rights: Rights, asked: NewLayout) -> Layout:
    """Save a layout; one's own of the same name is replaced. That one is shared, or was, is written down.

    Raises:
        InvalidError: it contradicts itself.
        ForbiddenError: it cannot be shared with that group by this person.
        ConflictError: there are too many.
        UnavailableError: it cannot be written down.
    """
    if asked.tiles not in TILES or len(asked.cells) > asked.tiles:
        msg = f"A layout has {', '.join(map(str, TILES[:-1]))} or {TILES[-1]} tiles, and no more cells than tiles."
        raise InvalidError(msg)
    filled = [cell for cell in asked.cells if cell is not None]
    if len(filled) != len(set(filled)):
        msg = "A camera stands once in a layout."
        raise InvalidError(msg)
    values = {"group": _group(rights, asked.group), "tiles": asked.tiles, "cells": list(asked.cells)}
    own = Layout.objects.filter(owner=person)

    def save() -> Layout:
        before = _shown(own.filter(name=asked.name.strip()).first())
        layout: Layout = _save(Layout, person, asked.name, values)
        _record(before, _shown(layout), layout)
        return layout

    made: Layout = _kept(own, save)
    return made


def save_tour(person: Person, rights: Rights, asked: NewTour) -> Tour:
    """Save a tour; one's own of the same name is replaced. Raises as `save_layout`."""
    allowed = {
        each.pk: each for each in layouts_of(person, rights).filter(pk__in=[step.layout for step in asked.steps])
    }
    group = _group(rights, asked.group)
    for step in asked.steps:
        layout = allowed.get(step.layout)
        if layout is None:
            msg = f"There is no layout {step.layout}, or it is not shared with you."
            raise InvalidError(msg)
        if group is not None and layout.group_id != group.pk:
            msg = f"The layout “{layout.name}” is not shared with {group.name}: share it first."
            raise InvalidError(msg)

    own = Tour.objects.filter(owner=person)

    def save() -> Tour:
        before = _shown(own.filter(name=asked.name.strip()).first())
        tour: Tour = _save(Tour, person, asked.name, {"group": group})
        tour.steps.all().delete()
        TourStep.objects.bulk_create(
            TourStep(tour=tour, layout_id=step.layout, position=at, seconds=step.seconds)
            for at, step in enumerate(asked.steps)
        )
        _record(before, _shown(tour), tour)
        return tour

    made: Tour = _kept(own, save)
    return made


def remove_layout(person: Person, layout: int) -> None:
    """Remove one's own layout. Raises MissingError."""
    _remove(Layout.objects.filter(owner=person, pk=layout), "layout")


def remove_tour(person: Person, tour: int) -> None:
    """Remove one's own tour. Raises MissingError."""
    _remove(Tour.objects.filter(owner=person, pk=tour), "tour")


def _remove(found: QuerySet[Any], what: str) -> None:
    row = found.first()
    if row is None:
        raise MissingError(_GONE.format(what))
    with transaction.atomic():
        _record(_shown(row), {}, row)
        row.delete()


def _shown(row: Layout | Tour | None) -> dict[str, object]:
    """Return what others can show of a layout or tour: nothing of one that is not shared."""
    if row is None or row.group is None:
        return {}
    shown: dict[str, object] = {"shared_with": row.group.name}
    if isinstance(row, Layout):
        return shown | {"cameras": [cell for cell in row.cells if cell is not None]}
    return shown | {"layouts": [step.layout.name for step in row.steps.select_related("layout")]}


def _record(before: dict[str, object], after: dict[str, object], row: Layout | Tour) -> None:
    """Write down that something which is shared was saved, is shared no more, or was removed."""
    fields = dict.fromkeys([*before, *after])
    changed = changes_of(before, {name: after.get(name) for name in fields})
    if changed:
        what = "layout" if isinstance(row, Layout) else "tour"
        record(Kind.LAYOUT_CHANGED, changes=changed, more={what: {"id": row.pk, "name": row.name}})


def _group(rights: Rights, group: int | None) -> SiteGroup | None:
    """Return the group to share with: one at which the sharer may watch."""
    if group is None:
        return None
    found = SiteGroup.objects.filter(pk=group).first() if rights.may(Action.LIVE, group) else None
    if found is None:
        msg = "You may share with groups of sites at which you may watch live."
        raise ForbiddenError(msg)
    return found


def _save(model: Callable[..., Any], person: Person, name: str, values: dict[str, Any]) -> Any:
    manager: Any = model.objects  # type: ignore[attr-defined]
    made, _ = manager.update_or_create(owner=person, name=name.strip(), defaults=values)
    return made


def _kept(own: QuerySet[Any], save: Callable[[], Any]) -> Any:
    try:
        with transaction.atomic():
            made = save()
            if own.count() > MAX_OF_ONE:
                msg = f"You have {MAX_OF_ONE} of them already: remove some first."
                raise ConflictError(msg)
            return made
    except IntegrityError as error:
        msg = "Somebody saved or removed the same at this moment: load the page again."
        raise ConflictError(msg) from error


def described_layout(layout: Layout, person: Person, visible: Collection[str]) -> dict[str, Any]:
    """Return a layout for a page; cameras that somebody may not see are left out of it."""
    return {
        "id": layout.pk,
        "name": layout.name,
        "tiles": layout.tiles,
        "cells": [cell if cell in visible else None for cell in layout.cells],
        "group": layout.group_id,
        "mine": layout.owner_id == person.pk,
        "owner": layout.owner.name,
    }


def described_tour(tour: Tour, person: Person) -> dict[str, Any]:
    """Return a tour for a page."""
    return {
        "id": tour.pk,
        "name": tour.name,
        "steps": [{"layout": step.layout_id, "seconds": step.seconds} for step in tour.steps.all()],
        "group": tour.group_id,
        "mine": tour.owner_id == person.pk,
        "owner": tour.owner.name,
    }
