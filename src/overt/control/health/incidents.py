"""What is there to say to whom? Plain functions on plain values: said once, said when over, many at one place as one.

An *incident* is what a rule said together. A camera that comes back and goes again within the rule's delay is the same
incident; so is one that is lost first and then refuses: it is not recorded all the while.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from overt.control.health.kinds import LOSSES, UNRECORDED
from overt.control.health.severity import Severity

GROUP_FROM: Final = 3
"""As many cameras of one site or network, lost together, are one message."""
WINDOW: Final = dt.timedelta(seconds=120)
"""How far apart losses may begin that belong together."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A condition, as far as messages need it."""

    id: int
    kind: str
    subject: str
    title: str
    words: str
    severity: Severity
    since: dt.datetime
    until: dt.datetime | None = None
    camera: str = ""
    site: str = ""
    network: str = ""

    @property
    def trouble(self) -> tuple[str, str]:
        """What makes it the same trouble as another condition before it."""
        return ("unrecorded" if self.kind in UNRECORDED else self.kind), self.subject


@dataclass(frozen=True, slots=True)
class Terms:
    """What a rule asks for."""

    kinds: frozenset[str]
    """Empty: every kind."""
    severity: Severity
    cameras: frozenset[str] | None
    """None: everything, what is about no camera too."""
    delay: dt.timedelta
    repeat: dt.timedelta | None

    def covers(self, condition: Standing) -> bool:
        """Whether the rule is about a condition."""
        if self.kinds and condition.kind not in self.kinds:
            return False
        if condition.severity.rank > self.severity.rank:
            return False
        return self.cameras is None or condition.camera in self.cameras


@dataclass(frozen=True, slots=True)
class Open:
    """An incident that was said and is not over."""

    id: int
    place: str
    said_at: dt.datetime
    some_back: bool
    """Whether it was said that some are back."""
    conditions: tuple[Standing, ...]


class What(StrEnum):
    """What is said of an incident."""

    BEGAN = "began"
    SOME_BACK = "some-back"
    OVER = "over"
    AGAIN = "again"


@dataclass(frozen=True, slots=True)
class News:
    """Something to say."""

    what: What
    conditions: tuple[Standing, ...]
    """All that the incident is about."""
    place: str = ""
    """Site or network, for many at once; empty: one condition."""
    incident: int | None = None
    """None: a new one."""

    @property
    def remaining(self) -> tuple[Standing, ...]:
        """Those that are not over."""
        return tuple(each for each in self.conditions if each.until is None)


def by_trouble(standing: Iterable[Standing]) -> dict[tuple[str, str], Standing]:
    """Return what stands by the trouble that it is."""
    return {each.trouble: each for each in standing}


def succeeded(incident: Open, now: Mapping[tuple[str, str], Standing]) -> Open:
    """Return the incident with conditions that are over replaced by those that carry on the same trouble."""
    followed = (now.get(each.trouble, each) if each.until is not None else each for each in incident.conditions)
    unique = {each.id: each for each in followed}
    return Open(incident.id, incident.place, incident.said_at, incident.some_back, tuple(unique.values()))


def news(terms: Terms, standing: Sequence[Standing], incidents: Sequence[Open], now: dt.datetime) -> list[News]:
    """Return what a rule has to say now. `incidents` are its own, `succeeded` already."""
    found = [each for incident in incidents if (each := _of(terms, incident, now)) is not None]
    told = {each.trouble for incident in incidents for each in incident.conditions}
    untold = [each for each in standing if each.trouble not in told and terms.covers(each)]
    return found + _began(terms, untold, now)


def _of(terms: Terms, incident: Open, now: dt.datetime) -> News | None:
    remaining = [each for each in incident.conditions if each.until is None]
    ended = [each.until for each in incident.conditions if each.until is not None]
    settled = all(now - until >= terms.delay for until in ended)

    def say(what: What) -> News:
        return News(what, incident.conditions, incident.place, incident.id)

    if not incident.conditions:
        return None
    if not remaining:
        return say(What.OVER) if settled else None
    if ended and settled and incident.place and not incident.some_back:
        return say(What.SOME_BACK)
    if terms.repeat is not None and now - incident.said_at >= terms.repeat:
        return say(What.AGAIN)
    return None


def _began(terms: Terms, untold: Sequence[Standing], now: dt.datetime) -> list[News]:
    found: list[News] = []
    left = {each.id: each for each in untold}
    keys: tuple[Callable[[Standing], str], ...] = (lambda each: each.site, lambda each: each.network)
    for key in keys:
        for place, there in _at_places(left.values(), key).items():
            group = _together(there, terms, now)
            if len({each.camera for each in group}) >= GROUP_FROM:
                found.append(News(What.BEGAN, tuple(group), place))
                for each in group:
                    del left[each.id]
    found += [News(What.BEGAN, (each,)) for each in left.values() if now - each.since >= terms.delay]
    return found


def _at_places(conditions: Iterable[Standing], key: Callable[[Standing], str]) -> dict[str, list[Standing]]:
    places: dict[str, list[Standing]] = defaultdict(list)
    for each in conditions:
        if each.kind in LOSSES and key(each):
            places[key(each)].append(each)
    return places


def _together(conditions: Sequence[Standing], terms: Terms, now: dt.datetime) -> list[Standing]:
    """Return those that began around the oldest one that is due; the others of the same moment go with it."""
    due = [each.since for each in conditions if now - each.since >= terms.delay]
    if not due:
        return []
    # The latest one that is due: what began long before was untold for another reason, such as a limit on messages.
    return [each for each in conditions if any(abs(each.since - since) <= WINDOW for since in (min(due), max(due)))]
