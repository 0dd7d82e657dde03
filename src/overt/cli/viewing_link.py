"""A link that opens the recorder's page: a grant signed here, keys released under it, both renewed while it is held.

The link carries a one-time ticket; whoever opens it first binds the grant to the secret of their own page, and the link
opens nothing any more. When the link is let go the grant is revoked, and the media plane forgets the keys.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from overt.clock import SECOND, Clock
from overt.contract.grant import (
    SECRET_SIZE,
    SKEW_S,
    Binding,
    Grant,
    Permission,
    Right,
    digest,
    to_text,
)
from overt.contract.instant import LATEST_NS
from overt.contract.socket_client import MediaControl
from overt.errors import ForbiddenError, MissingError, OvertError, UnavailableError
from overt.footage.opening import StoredPeriods
from overt.footage.reading import FootageReader
from overt.ids import new_id

LOOK_S: Final = 2.0
"""How often it is looked for key periods that have begun, and for a media process that has begun anew."""
LIFETIME_S: Final = 900
"""Of one grant; it is renewed long before. What is not renewed any more, because this program died, ends by then."""
RENEW_S: Final = 300
START_S: Final = 20.0
"""How long the media process may take to come up."""
RECENT_NS: Final = 600 * SECOND
REVOKE_ATTEMPTS: Final = 5
ISSUER: Final = "overt view"
_LOG: Final = logging.getLogger(__name__)


class GrantRefusedError(ForbiddenError):
    """The recorder does not accept the grant."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What a link lets its holder see."""

    person: str
    """Who it is for, as the page calls them."""
    cameras: tuple[str, ...]
    live_from_ns: int
    """Live pictures, and instant replay of the ring back to this moment."""
    until_ns: int | None = None
    """The end of everything; None: as long as the link is held."""
    recorded_from_ns: int | None = None
    """Recorded footage from here on; None: none but the ring."""
    recorded_to_ns: int | None = None
    live: bool = True


class ViewingLink:
    """Holds one grant in force. A context manager; its thread is `viewing-link`."""

    def __init__(
        self,
        control: MediaControl,
        key: Ed25519PrivateKey,
        site: UUID,
        sight: Sight,
        opening: StoredPeriods | None,
        clock: Clock,
    ) -> None:
        """Prepare; nothing is given before the block is entered.

        Args:
            control: the recorder's media plane.
            key: signs the grant; the recorder must know its public half.
            site: site id of the recorder.
            sight: what may be seen.
            opening: opens the wrapped keys of recorded footage; None where none is to be opened.
            clock: of this machine, which is the recorder's too.
        """
        self._control, self._key, self._site, self._sight = control, key, site, sight
        self._opening, self._clock = opening, clock
        self._id = new_id()
        self._ticket = os.urandom(SECRET_SIZE)
        self._given: set[UUID] = set()
        self._refused: set[UUID] = set()
        self.revoked = False
        """The recorder has said that the grant is over."""
        self._began_us = 0
        self._issued_ns = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="viewing-link", daemon=True)

    def url(self, base: str) -> str:
        """Return the link: the ticket stands behind `#`, which no browser sends to a server."""
        return f"{base.rstrip('/')}/#ticket={to_text(self._ticket)}"

    def __enter__(self) -> Self:
        """Give the grant; wait for a media process that is still starting.

        Raises:
            UnavailableError: it does not answer.
            GrantRefusedError: it does not know the key that signs.
            ForbiddenError: the keys at hand open none of the footage.
        """
        self._wait_for_media()
        self._give()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Revoke the grant; a media process that is gone has forgotten the keys by itself."""
        self._ended.set()
        if self._thread.ident is not None:
            self._thread.join()
        for attempt in range(REVOKE_ATTEMPTS):
            try:
                self._control.revoke(self._id)
            except OvertError as refusal:
                if attempt == REVOKE_ATTEMPTS - 1:
                    words = "the grant of %s could not be revoked, and ends by itself within %d s: %s"
                    _LOG.warning(words, self._sight.person, LIFETIME_S, refusal)
                time.sleep(0.2)
            else:
                self.revoked = True
                return

    @property
    def over(self) -> bool:
        """Whether its time has run out."""
        return self._sight.until_ns is not None and self._clock.utc_ns() >= self._sight.until_ns

    def _wait_for_media(self) -> None:
        began = self._clock.monotonic_ns()
        while True:
            try:
                self._control.started_us()
            except UnavailableError:
                if self._clock.monotonic_ns() - began > START_S * SECOND:
                    raise
                time.sleep(0.1)
            else:
                return

    def _keep(self) -> None:
        """Renew the grant in time, release what has begun since, give all of it to a media process that began anew."""
        trouble = ""
        while not self._ended.wait(LOOK_S):
            try:
                if self.over:
                    continue
                if self._control.started_us() != self._began_us:
                    self._given.clear()
                    self._give()
                elif self._clock.utc_ns() - self._issued_ns > RENEW_S * SECOND or self._fresh():
                    self._give()
                trouble = ""
            except OvertError as error:
                # The recorder restarts, or its disk refuses: said once, tried again.
                if str(error) != trouble:
                    _LOG.warning("the grant of %s cannot be renewed now: %s", self._sight.person, error)
                trouble = str(error)

    def _fresh(self, *, whole: bool = False) -> set[UUID]:
        """Return the periods that belong to what may be seen and were not released yet.

        Looks at what was recorded lately; with `whole` at all of it, for a repair may have brought footage back.
        """
        sight, now = self._sight, self._clock.utc_ns()
        if self._opening is None or sight.recorded_from_ns is None:
            return set()
        start = sight.recorded_from_ns if whole else max(sight.recorded_from_ns, now - RECENT_NS)
        end = LATEST_NS if sight.recorded_to_ns is None else sight.recorded_to_ns
        if start >= end:
            return set()
        try:
            with FootageReader(self._opening.directory) as reader:
                return reader.periods(sight.cameras, start, end) - self._given
        except MissingError:
            return set()  # A recorder that is new has no index yet.

    def _give(self) -> None:
        began_us = self._control.started_us()
        fresh = self._fresh(whole=True)
        roots = self._opened(fresh)
        # Of two grants of one id the later issued counts: a clock that was set back a little must not matter.
        issued_ns = max(self._clock.utc_ns(), min(self._issued_ns, self._clock.utc_ns() + SKEW_S * SECOND))
        try:
            self._control.give(self._id, self._grant(issued_ns).to_token(self._key), roots)
        except ForbiddenError as error:
            raise GrantRefusedError(str(error)) from error
        self._given |= fresh
        self._began_us, self._issued_ns = began_us, issued_ns

    def _opened(self, periods: set[UUID]) -> dict[UUID, bytes]:
        """Return the roots of periods; one that does not open is said once, and keeps nothing else shut.

        Raises:
            ForbiddenError: the keys at hand open none of them.
        """
        if self._opening is None or not periods:
            return {}
        roots, refusals = self._opening.roots(periods)
        for period, refusal in refusals.items():
            if period not in self._refused:
                _LOG.warning("some recorded footage cannot be shown: %s", refusal)
        first = next(iter(refusals.values()), None)
        if isinstance(first, ForbiddenError) and not roots and not self._given:
            raise first
        self._refused |= refusals.keys()
        return roots

    def _grant(self, now_ns: int) -> Grant:
        sight, issued = self._sight, now_ns // SECOND
        expires = issued + LIFETIME_S
        if sight.until_ns is not None:
            expires = max(issued + 1, min(expires, sight.until_ns // SECOND))
        may = []
        if sight.live:
            may.append(_permission(sight.cameras, "live", sight.live_from_ns, sight.until_ns))
        if sight.recorded_from_ns is not None:
            may.append(_permission(sight.cameras, "recorded", sight.recorded_from_ns, sight.recorded_to_ns))
        return Grant(
            issuer=ISSUER,
            person=sight.person,
            id=self._id,
            site=self._site,
            issued_s=issued,
            not_before_s=issued,
            expires_s=expires,
            binding=Binding(ticket=digest(self._ticket)),
            may=tuple(may),
        )


def _permission(cameras: Sequence[str], right: Right, from_ns: int, to_ns: int | None) -> Permission:
    return Permission(cameras=tuple(cameras), rights=(right,), from_ns=from_ns, to_ns=to_ns)
