"""What pages and the API send: checked bodies, and answers as plain values."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from overt.clock import SECOND
from overt.contract.grant import SECRET_SIZE, from_text
from overt.control.acts.recording import MAX_REFERENCE
from overt.control.viewing.granting import MAX_CAMERAS, Wish
from overt.control.viewing.held import Given
from overt.control.viewing.models import TILES
from overt.control.viewing.reasons import Reason

MAX_STEPS: Final = 50
MAX_TILES: Final = max(TILES)
LATEST_US: Final = 253_402_300_799_000_000
_FROZEN: Final = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
Key = Annotated[str, Field(min_length=1, max_length=63)]
Words = Annotated[str, Field(min_length=1, max_length=120, pattern=r"^[^\x00-\x1f\x7f]*\S[^\x00-\x1f\x7f]*$")]
Moment = Annotated[int, Field(ge=0, le=LATEST_US)]
"""Microseconds since the Unix epoch."""


class Recorded(BaseModel):
    """Recorded footage that a page wants to show."""

    model_config = _FROZEN

    cameras: Annotated[tuple[Key, ...], Field(min_length=1, max_length=MAX_CAMERAS)]
    from_us: Moment
    to_us: Moment


class Why(BaseModel):
    """For what purpose somebody looks at what is past."""

    model_config = _FROZEN

    purpose: Annotated[int, Field(ge=1, le=2**53)]
    reference: Annotated[str, Field(max_length=MAX_REFERENCE)] = ""
    authorisation: Annotated[str, Field(max_length=MAX_REFERENCE)] = ""
    approval: Annotated[str, Field(max_length=36)] = ""
    """Id of one's approval for a shift: then it says purpose and reference."""

    def reason(self) -> Reason:
        """Return it in the words of the decision."""
        return Reason(self.purpose, self.reference, self.authorisation, self.approval)


class Wanted(BaseModel):
    """What a page wants to show."""

    model_config = _FROZEN

    live: Annotated[tuple[Key, ...], Field(max_length=MAX_CAMERAS)] = ()
    recorded: Recorded | None = None
    why: Why | None = None

    def wish(self) -> Wish:
        """Return it in the words of the decision."""
        found, reason = self.recorded, None if self.why is None else self.why.reason()
        if found is None:
            return Wish(live=self.live, reason=reason)
        return Wish(self.live, found.cameras, found.from_us * 1000, found.to_us * 1000, reason)


class NewGrant(Wanted):
    """The same from a page that has no grant yet."""

    secret_sha256: Annotated[str, Field(min_length=43, max_length=43, repr=False)]
    """Of the secret that the page keeps, in base64url."""

    @property
    def digest(self) -> bytes:
        """The 32 bytes; raises InvalidError if it is none."""
        return from_text(self.secret_sha256, SECRET_SIZE, "'secret_sha256'")


class Clip(BaseModel):
    """A clip that is about to be saved."""

    model_config = _FROZEN

    cameras: Annotated[tuple[Key, ...], Field(min_length=1, max_length=9)]
    from_us: Moment
    to_us: Moment


class NewLayout(BaseModel):
    """A layout as somebody saves it."""

    model_config = _FROZEN

    name: Words
    group: int | None = None
    """Id of the group of sites that it is shared with."""
    tiles: int
    cells: Annotated[tuple[Key | None, ...], Field(max_length=MAX_TILES)]


class NewPurpose(BaseModel):
    """A purpose for the register."""

    model_config = _FROZEN

    name: Words
    legal_basis: Annotated[str, Field(min_length=1, max_length=400)]
    needs_reference: bool = False
    reference_name: Annotated[str, Field(min_length=1, max_length=60)] = "Incident number"
    opens: Annotated[list[str], Field(min_length=1, max_length=8)]
    may_stand: bool = False
    in_use: bool = True


class ChangedPurpose(NewPurpose):
    """The same, with the version that it was made of."""

    version: Annotated[int, Field(ge=0, le=2**31 - 1)]


class Step(BaseModel):
    """One layout of a tour."""

    model_config = _FROZEN

    layout: int
    seconds: Annotated[int, Field(ge=5, le=3600)]


class NewTour(BaseModel):
    """A tour as somebody saves it."""

    model_config = _FROZEN

    name: Words
    group: int | None = None
    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=MAX_STEPS)]


def given(grant: Given, media_port: int) -> dict[str, Any]:
    """Return what a page needs of its grant."""
    decision = grant.decision
    return {
        "id": str(grant.id),
        "grant": grant.token,
        "expires_us": grant.expires_s * SECOND // 1000,
        "media_port": media_port,
        "live": [*decision.replay, *decision.live],
        "replay": list(decision.replay),
        "recorded": list(decision.recorded),
        "export": list(decision.export),
        "refused": [
            {"camera": each.camera, "right": each.action.value, "words": each.words} for each in decision.refusals
        ],
        "shut": grant.shut,
        "opened_until_us": grant.opened_until_ns // 1000,
    }
