"""May this person see this? What a page asks for, held against the rights of whoever asks: plain functions.

What is refused is refused with words, camera by camera; of a camera that somebody may not know of it is not said
whether there is one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from overt.clock import SECOND
from overt.contract.grant import Permission, Right
from overt.control.people.actions import WORDS, Action
from overt.control.people.rights import Rights
from overt.control.viewing.catalogue import Place
from overt.control.viewing.reasons import Reason, Stated
from overt.errors import InvalidError

MAX_CAMERAS: Final = 64
"""Of one page: a wall of 16, and the tiles of a tour that come next."""
MAX_SPAN_NS: Final = 26 * 3600 * SECOND
"""Recorded footage is opened by the day; one day has 25 hours."""
RING_NS: Final = 600 * SECOND
"""How far back the recorder's ring reaches, which the right to replay opens."""
CALENDAR_NS: Final = 31 * 24 * 3600 * SECOND
"""Of so long a time before it is told what was recorded; pictures are opened for the hours that were asked for."""
NO_REASON: Final = "Say for what purpose you look back: what is past is shown for a purpose, and it is written down."
LOCKED: Final = (
    "Recorded footage is locked: nobody has unlocked it since the control room was started. "
    "Ask whoever holds the passphrase to do so on the page “Footage key”."
)


@dataclass(frozen=True, slots=True)
class Wish:
    """What a page wants to show: short names of cameras, and of recorded footage the hours."""

    live: tuple[str, ...] = ()
    recorded: tuple[str, ...] = ()
    from_ns: int = 0
    """Of recorded footage; nanoseconds since the Unix epoch."""
    to_ns: int = 0
    reason: Reason | None = None
    """Why; where it is left out, what the page said before holds."""

    @property
    def cameras(self) -> tuple[str, ...]:
        """Every camera that is named, once."""
        return tuple(dict.fromkeys((*self.live, *self.recorded)))

    def checked(self) -> Wish:
        """Return it without repetitions.

        Raises:
            InvalidError: it asks for too many cameras, or for too long a time.
        """
        if len(self.cameras) > MAX_CAMERAS:
            msg = f"A page shows at most {MAX_CAMERAS} cameras at a time: leave some out."
            raise InvalidError(msg)
        if self.recorded and not 0 < self.to_ns - self.from_ns <= MAX_SPAN_NS:
            msg = "Recorded footage is opened for one day at a time: ask for a span of at most 26 hours."
            raise InvalidError(msg)
        live, recorded = (tuple(dict.fromkeys(each)) for each in (self.live, self.recorded))
        return Wish(live, recorded, self.from_ns, self.to_ns, self.reason)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why somebody may not see a camera in one of the ways that they asked for."""

    camera: str
    action: Action
    words: str
    unlawful: bool = False
    """The right to it is lacking; else it is a purpose or the key."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What is allowed of a wish: cameras, by what may be done."""

    live: tuple[str, ...] = ()
    """Live, and nothing of what is past."""
    replay: tuple[str, ...] = ()
    """Live, and back as far as the ring reaches."""
    recorded: tuple[str, ...] = ()
    export: tuple[str, ...] = ()
    """Those of `recorded` of which footage may be taken away."""
    refusals: tuple[Refusal, ...] = ()

    @property
    def cameras(self) -> tuple[str, ...]:
        """Every camera of which anything may be seen."""
        return tuple(dict.fromkeys((*self.live, *self.replay, *self.recorded)))


def decide(
    rights: Rights, known: Mapping[str, Place], wish: Wish, why: Stated | None = None, *, locked: bool = False
) -> Decision:
    """Hold a wish against somebody's rights and the purpose that they stated.

    Without a purpose nothing that is past is shown, not even the last minutes. `locked`: no key is at hand that opens
    recorded footage.
    """
    live: list[str] = []
    replay: list[str] = []
    recorded: list[str] = []
    export: list[str] = []
    refusals: list[Refusal] = []
    for key in wish.live:
        place = known.get(key)
        if place is None or not rights.may(Action.LIVE, place.group):
            refusals.append(_refusal(rights, key, place, Action.LIVE))
        else:
            opens = why.opens if why is not None and why.covers(place.group) else frozenset()
            may = Action.REPLAY in opens and rights.may(Action.REPLAY, place.group)
            (replay if may else live).append(key)
    for key in wish.recorded:
        place = known.get(key)
        if place is None or not rights.may(Action.RECORDED, place.group):
            refusals.append(_refusal(rights, key, place, Action.RECORDED))
        elif why is None:
            refusals.append(Refusal(key, Action.RECORDED, NO_REASON))
        elif not why.covers(place.group):
            words = f"Your approval for this shift does not cover {place.name}: look back for a purpose that you state."
            refusals.append(Refusal(key, Action.RECORDED, words))
        elif Action.RECORDED not in why.opens:
            words = f"The purpose “{why.name}” does not open recorded footage: choose another that does."
            refusals.append(Refusal(key, Action.RECORDED, words))
        elif locked:
            refusals.append(Refusal(key, Action.RECORDED, LOCKED))
        else:
            recorded.append(key)
            if Action.EXPORT in why.opens and rights.may(Action.EXPORT, place.group):
                export.append(key)
    return Decision(tuple(live), tuple(replay), tuple(recorded), tuple(export), tuple(refusals))


def _refusal(rights: Rights, key: str, place: Place | None, action: Action) -> Refusal:
    if place is None or not any(rights.may(each, place.group) for each in Action):
        return Refusal(key, action, f"There is no camera “{key}”, or you may not know of it.", unlawful=True)
    words = f"You may not see this of {place.name}: it needs the right “{WORDS[action]}” at {place.site_name}."
    return Refusal(key, action, words, unlawful=True)


def permissions(decision: Decision, wish: Wish, issued_ns: int) -> tuple[Permission, ...]:
    """Return what a grant says of a decision.

    The recorded right covers the month before the hours that were asked for, so that a page can show on which days
    there is footage. It opens no picture by itself: keys are released for the hours alone.
    """
    found = []
    if decision.replay:
        found.append(_permission(decision.replay, ("live",), issued_ns - RING_NS))
    if decision.live:
        found.append(_permission(decision.live, ("live",), issued_ns))
    plain = tuple(key for key in decision.recorded if key not in decision.export)
    begin = max(0, min(wish.from_ns, issued_ns) - CALENDAR_NS)
    if plain:
        found.append(_permission(plain, ("recorded",), begin))
    if decision.export:
        found.append(_permission(decision.export, ("recorded", "export"), begin))
    return tuple(found)


def _permission(cameras: tuple[str, ...], rights: tuple[Right, ...], from_ns: int) -> Permission:
    return Permission(cameras=cameras, rights=rights, from_ns=from_ns, to_ns=None)


def within(now: Decision, before: Decision) -> Decision:
    """Return what of a decision is still allowed: nothing is added that was not given."""

    def both(wanted: tuple[str, ...], allowed: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(each for each in wanted if each in allowed)

    replay = both(before.replay, now.replay)
    live = both((*before.live, *before.replay), (*now.live, *now.replay))
    return Decision(
        live=tuple(each for each in live if each not in replay),
        replay=replay,
        recorded=both(before.recorded, now.recorded),
        export=both(before.export, now.export),
        refusals=before.refusals,
    )
