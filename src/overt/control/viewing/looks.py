"""Leaves about who looked at what: each written before a picture of it can be seen."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from overt.control.acts.actor import Actor
from overt.control.acts.kinds import Kind
from overt.control.acts.recording import Json, Span, record
from overt.control.viewing.reasons import Stated


def watched(who: Actor, grant: UUID, cameras: Collection[str]) -> None:
    """Write down that cameras are about to be watched live. Raises as `record`; so do the others."""
    record(Kind.LOOK_LIVE, by=who, cameras=cameras, more={"grant": str(grant)})


def replayed(who: Actor, grant: UUID, cameras: Collection[str], why: Stated) -> None:
    """Write down that the last minutes of cameras are about to be opened."""
    _for_a_purpose(Kind.LOOK_REPLAYED, who, grant, cameras, None, why)


def asked(who: Actor, grant: UUID, cameras: Collection[str], span: Span, why: Stated) -> None:
    """Write down that somebody asks for recorded footage, which is opened once security keys were touched."""
    _for_a_purpose(Kind.LOOK_ASKED, who, grant, cameras, span, why)


def opened(
    who: Actor, grant: UUID, cameras: Collection[str], span: Span, why: Stated, request: UUID | None = None
) -> None:
    """Write down that recorded footage is about to be opened; `request`: the one that security keys have answered."""
    _for_a_purpose(Kind.LOOK_OPENED, who, grant, cameras, span, why, request)


def taken(who: Actor, grant: UUID, cameras: Collection[str], span: Span, why: Stated) -> None:
    """Write down that footage is about to be saved as a clip."""
    _for_a_purpose(Kind.CLIP_TAKEN, who, grant, cameras, span, why)


def _for_a_purpose(
    kind: Kind,
    who: Actor,
    grant: UUID,
    cameras: Collection[str],
    span: Span | None,
    why: Stated,
    request: UUID | None = None,
) -> None:
    more: dict[str, Json] = {"grant": str(grant), "purpose": {**why.to_json()}}
    if request is not None:
        more["request"] = str(request)
    record(kind, by=who, cameras=cameras, footage=span, reference=why.reference, more=more)


def ended(who: Actor, grant: UUID, cameras: Collection[str], why: str) -> None:
    """Write down that nothing can be seen under a grant any more, and why."""
    record(Kind.LOOK_ENDED, by=who, cameras=cameras, more={"grant": str(grant), "why": why})
