"""Grants without a recorder: a media plane that remembers what it was told, a clock that is set by hand."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from overt.clock import SECOND
from overt.contract.grant import Grant, digest
from overt.control.people.models import Person
from overt.control.people.rights import rights_of
from overt.control.viewing.grants import Holder, Viewer
from overt.errors import ForbiddenError, UnavailableError

SECRET = bytes(range(32))
DIGEST = digest(SECRET)
SITE = uuid4()
KEY = Ed25519PrivateKey.generate()


@dataclass
class HandClock:
    now_ns: int = 1_800_000_000 * SECOND

    def utc_ns(self) -> int:
        return self.now_ns

    def monotonic_ns(self) -> int:
        return self.now_ns

    def pass_s(self, seconds: float) -> None:
        self.now_ns += int(seconds * SECOND)


@dataclass
class FakeMedia:
    """Keeps what it is told; `away` while nobody answers."""

    given: dict[UUID, list[Grant]] = field(default_factory=dict)
    roots: dict[UUID, dict[UUID, bytes]] = field(default_factory=dict)
    revoked: list[UUID] = field(default_factory=list)
    started: int = 1
    away: bool = False

    def give(self, grant_id: UUID, token: str, roots: dict[UUID, bytes]) -> None:
        self._answer()
        grant = Grant.from_token(token, [KEY.public_key()], SITE)
        assert grant.id == grant_id
        self.given.setdefault(grant_id, []).append(grant)
        self.roots.setdefault(grant_id, {}).update(roots)

    def revoke(self, grant_id: UUID) -> None:
        self._answer()
        self.revoked.append(grant_id)

    def started_us(self) -> int:
        self._answer()
        return self.started

    def restart(self) -> None:
        self.started += 1
        self.given.clear()
        self.roots.clear()

    def _answer(self) -> None:
        if self.away:
            raise UnavailableError("no recorder answers")


@dataclass
class FakeCustody:
    """A key that opens periods which the test names."""

    unlocked: bool = True
    periods: dict[UUID, tuple[str, int, int]] = field(default_factory=dict)
    """Camera, start and end of each."""
    site: UUID | None = SITE

    def release(
        self, cameras: Collection[str], from_ns: int, to_ns: int, given: Collection[UUID] = ()
    ) -> dict[UUID, bytes]:
        if not self.unlocked:
            raise ForbiddenError("locked")
        return {
            period: period.bytes * 2
            for period, (camera, start, end) in self.periods.items()
            if camera in cameras and start < to_ns and end > from_ns and period not in given
        }


def held_by(media: FakeMedia, custody: Any, clock: HandClock, **more: Any) -> Holder:
    return Holder(media, custody, lambda: KEY, clock, **more)


def viewer(person: Person, session: str) -> Viewer:
    return Viewer(person.pk, person.name, session, rights_of(person))


def windows(grant: Grant) -> dict[tuple[str, str], int]:
    """From when on each right to each camera holds."""
    return {(camera, right): each.from_ns for each in grant.may for camera in each.cameras for right in each.rights}
