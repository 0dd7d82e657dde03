"""Sessions: who holds which grant at present, what it opens, and what ends when it does.

Everything belongs to one event loop, except that bindings are written in a thread. A session is known by the SHA-256
of its token alone. A use (a live socket, a request that is being answered) is told within `SWEEP_S` that its grant was
revoked or has expired, or that its right ended.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import ClassVar, Final
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from starlette.concurrency import run_in_threadpool

from overt.clock import SECOND, Clock
from overt.contract.grant import SECRET_SIZE, Grant, Right, Window, covers, digest, from_text, joined, to_text
from overt.errors import ForbiddenError, InvalidError, OvertError, UnavailableError
from overt.recorder.media_plane.bindings import REVOKED, USED, Bindings
from overt.recorder.media_plane.limits import Kind, TooManyError, Usage
from overt.recorder.media_plane.released_keys import ReleasedKeys

SWEEP_S: Final = 0.25
GRACE_NS: Final = 60 * SECOND
"""Asking so much further back than the ring reaches is cut to it: a page asks for what was there a moment ago."""
MAX_GRANTS: Final = 8192
MAX_SESSIONS: Final = 16_384
EXPIRED: Final = "the grant has expired: ask for another"
CLOSED: Final = "the session was closed"


class NoSessionError(ForbiddenError):
    """The bearer's token belongs to no session (any more)."""

    http_status: ClassVar[int] = 401


@dataclass(slots=True, eq=False)
class Use:
    """One thing that a session does and that ends with its grant."""

    allowed: Callable[[int], object]
    """Given the time, raises `ForbiddenError` once it may no longer go on."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    error: OvertError | None = None
    """Why it ended."""

    def end(self, error: OvertError) -> None:
        """Tell it to end; what it was told first counts."""
        if self.error is None:
            self.error = error
            self.ended.set()


@dataclass(slots=True, eq=False)
class Session:
    """One holder of a grant at work."""

    key: bytes = field(repr=False)
    """SHA-256 of its token."""
    grant_id: UUID
    uses: set[Use] = field(default_factory=set)
    error: OvertError | None = None
    """Why it ended; None while it lasts."""


@dataclass(frozen=True, slots=True)
class Access:
    """What of a span may be read, and how it is opened."""

    start_ns: int
    end_ns: int
    """Not later than now."""
    recorded: bool
    """The recorded right alone opens all of it."""
    ring: bool
    """The ring's keys may open what was not released."""


@dataclass(slots=True, eq=False)
class _Held:
    """A grant in force, sorted by camera and right."""

    grant: Grant
    windows: dict[tuple[str, Right], list[Window]]
    sessions: list[Session] = field(default_factory=list)
    """The oldest first."""


class Sessions:
    """The grants in force, and their sessions."""

    def __init__(
        self,
        keys: Sequence[Ed25519PublicKey],
        site: UUID,
        bindings: Bindings,
        released: ReleasedKeys,
        usage: Usage,
        clock: Clock,
        ring_s: float,
    ) -> None:
        """Begin with no grant: the control room gives them again after a restart."""
        self._keys, self._site, self._bindings, self._released = tuple(keys), site, bindings, released
        self._usage, self._clock, self._ring_ns = usage, clock, int(ring_s * SECOND)
        self._grants: dict[UUID, _Held] = {}
        self._tickets: dict[bytes, UUID] = {}
        self._sessions: dict[bytes, Session] = {}
        self._revoked: set[UUID] = set()

    @property
    def count(self) -> int:
        """Sessions at present."""
        return len(self._sessions)

    @property
    def grants(self) -> int:
        """Grants in force."""
        return len(self._grants)

    # --- the control room's side -------------------------------------------------------------------------------------

    async def register(self, grant_id: UUID, token: object, roots: Mapping[UUID, bytes]) -> None:
        """Take a grant, or its renewal, with the keys released under it.

        Raises:
            InvalidError, ForbiddenError: if the grant is refused.
            UnavailableError: if the disk refuses, or there are too many.
        """
        grant = self._checked(token)
        if grant.id != grant_id:
            msg = "the grant's 'jti' is another id than the one in the path"
            raise InvalidError(msg)
        await run_in_threadpool(self._bindings.admit, grant)
        self._refuse_revoked(grant.id)
        self._released.release(grant.id, roots)
        self._hold(grant, given=True)

    async def revoke(self, grant_id: UUID) -> None:
        """Refuse a grant from now on; its uses end, its keys are forgotten.

        Raises:
            UnavailableError: if that could not be written, and a restart would forget it: ask again.
        """
        self._revoked.add(grant_id)
        self._end_grant(grant_id, ForbiddenError(REVOKED))
        await run_in_threadpool(self._bindings.revoke, grant_id)

    # --- the holder's side -------------------------------------------------------------------------------------------

    async def open(self, *, ticket: object, token: object, secret: object) -> tuple[Session, str]:
        """Begin a session on a ticket or on a grant itself (the other is None); return it and its token.

        Raises:
            InvalidError: if something is malformed.
            ForbiddenError: if the grant is refused, or is another's.
            UnavailableError: if the disk refuses, the control room has to give the grant anew, or there are too many.
        """
        if (ticket is None) == (token is None):
            msg = "give 'ticket' or 'grant'"
            raise InvalidError(msg)
        holder = digest(from_text(secret, SECRET_SIZE, "'secret'"))
        grant = await self._by_ticket(ticket, holder) if token is None else self._by_token(token, holder)
        await run_in_threadpool(self._bindings.bind, grant, holder)
        self._refuse_revoked(grant.id)
        held = self._hold(grant, given=False)
        if len(self._sessions) >= MAX_SESSIONS:
            msg = f"the recorder has {MAX_SESSIONS} sessions already: try again later"
            raise TooManyError(msg)
        if len(held.sessions) >= self._usage.limits.sessions_per_grant:
            self.close(held.sessions[0], NoSessionError("a newer session of the same grant took this one's place"))
        made = secrets.token_bytes(SECRET_SIZE)
        session = Session(digest(made), grant.id)
        self._sessions[session.key] = session
        held.sessions.append(session)
        return session, to_text(made)

    def find(self, token: object) -> Session:
        """Return the session of a bearer's token.

        Raises:
            NoSessionError: if there is none.
            ForbiddenError: if its grant is over.
        """
        msg = "there is no such session: begin one with POST /session"
        try:
            key = digest(from_text(token, SECRET_SIZE, "a token"))
        except InvalidError:
            raise NoSessionError(msg) from None
        session = self._sessions.get(key)
        if session is None or not hmac.compare_digest(session.key, key):
            raise NoSessionError(msg)
        self._held(session).grant.check_times(self._clock.utc_ns())
        return session

    def close(self, session: Session, error: OvertError | None = None) -> None:
        """End a session and what it does."""
        if session.error is not None:
            return
        session.error = error or NoSessionError(CLOSED)
        self._sessions.pop(session.key, None)
        held = self._grants.get(session.grant_id)
        if held is not None:
            held.sessions.remove(session)
        for use in session.uses:
            use.end(session.error)

    def grant(self, session: Session) -> Grant:
        """Return a session's grant as it is in force now; raises as `find` does."""
        return self._held(session).grant

    # --- what it opens -----------------------------------------------------------------------------------------------

    def rights(self, session: Session, camera: str) -> list[Right]:
        """Return the rights to a camera that are held now: the recorded one if any of its spans has begun."""
        now = self._clock.utc_ns()
        windows = self._held(session).windows
        found: list[Right] = []
        if covers(windows.get((camera, "live"), ()), now, now + 1):
            found.append("live")
        held: tuple[Right, ...] = ("recorded", "export")
        found += [right for right in held if any(start <= now for start, _ in windows.get((camera, right), ()))]
        return found

    def check_live(self, session: Session, camera: str, now_ns: int | None = None) -> None:
        """Refuse a live picture that is not granted now; raises `ForbiddenError`."""
        now = self._clock.utc_ns() if now_ns is None else now_ns
        held = self._named(session, camera)
        if not covers(held.windows.get((camera, "live"), ()), now, now + 1):
            msg = "the grant holds no right 'live' to this camera at this time"
            raise ForbiddenError(msg)

    def access(self, session: Session, camera: str, start_ns: int, end_ns: int) -> Access:
        """Return what of a span may be read.

        The recorded right opens its own spans and not a nanosecond more. The live right opens the part of its own
        spans that the ring reaches; what lies after now, or a little before the ring, is cut.

        Raises:
            ForbiddenError: if the span does not lie inside.
        """
        held = self._named(session, camera)
        now = self._clock.utc_ns()
        recorded = held.windows.get((camera, "recorded"), [])
        live = held.windows.get((camera, "live"), [])
        begin = now - self._ring_ns
        ring = bool(live) and covers(live, now, now + 1)
        if covers(recorded, start_ns, end_ns):
            return Access(start_ns, max(start_ns, min(end_ns, now)), recorded=True, ring=ring and end_ns > begin)
        if ring:
            reach = joined(
                [*recorded, *((max(start, begin), min(end, now)) for start, end in live if end > begin and start < now)]
            )
            first = (
                begin if begin - GRACE_NS <= start_ns < begin and not covers(recorded, start_ns, begin) else start_ns
            )
            last = min(end_ns, now)
            if last <= first and start_ns >= begin:
                return Access(first, first, recorded=False, ring=False)  # all of it lies ahead: nothing is there yet
            if first < last and covers(reach, first, last):
                return Access(first, last, recorded=False, ring=True)
        msg = "the grant does not open all of this time of this camera"
        raise ForbiddenError(msg)

    @contextmanager
    def use(self, session: Session, kind: Kind, address: str | None, allowed: Callable[[int], object]) -> Iterator[Use]:
        """Count a use for as long as the block runs; it ends with the session, or when `allowed` refuses it.

        `allowed` is called with the time about four times a second, and raises `ForbiddenError`. `address` is None
        where the use is counted under its address already.

        Raises:
            TooManyError: if a limit is reached.
        """
        use = Use(allowed)
        with self._usage.one(kind, address, session.grant_id):
            session.uses.add(use)
            if session.error is not None:
                use.end(session.error)
            try:
                yield use
            finally:
                session.uses.discard(use)

    # --- time --------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            self.sweep()
            await asyncio.sleep(SWEEP_S)

    def sweep(self) -> None:
        """End what is over by now."""
        now = self._clock.utc_ns()
        for held in [held for held in self._grants.values() if now >= held.grant.expires_s * SECOND]:
            self._end_grant(held.grant.id, ForbiddenError(EXPIRED))
        for session in list(self._sessions.values()):
            for use in list(session.uses):
                try:
                    use.allowed(now)
                except OvertError as error:
                    use.end(error)

    def end_uses(self, error: OvertError) -> None:
        """End everything that goes on, and no session: the recorder stops."""
        for session in self._sessions.values():
            for use in session.uses:
                use.end(error)

    # --- inside ------------------------------------------------------------------------------------------------------

    def _checked(self, token: object) -> Grant:
        grant = Grant.from_token(token, self._keys, self._site)
        grant.check_times(self._clock.utc_ns())
        self._refuse_revoked(grant.id)
        return grant

    def _refuse_revoked(self, grant_id: UUID) -> None:
        if grant_id in self._revoked:
            raise ForbiddenError(REVOKED)

    def _by_token(self, token: object, holder: bytes) -> Grant:
        grant = self._checked(token)
        if grant.binding.secret is None:
            msg = "this grant is bound by a ticket: give the ticket"
            raise ForbiddenError(msg)
        if not hmac.compare_digest(grant.binding.secret, holder):
            raise ForbiddenError(USED)
        return grant

    async def _by_ticket(self, ticket: object, holder: bytes) -> Grant:
        key = digest(from_text(ticket, SECRET_SIZE, "'ticket'"))
        held = self._grants.get(self._tickets.get(key, _NO_GRANT))
        if held is not None:
            held.grant.check_times(self._clock.utc_ns())
            return held.grant
        known = await run_in_threadpool(self._bindings.held_by, key, holder)
        if known is not None:
            self._refuse_revoked(known.grant)
            if known.revoked:
                raise ForbiddenError(REVOKED)
            if self._clock.utc_ns() >= known.expires_s * SECOND:
                raise ForbiddenError(EXPIRED)
            msg = "the recorder's media process has begun anew: the control room has to give it the grant again"
            raise UnavailableError(msg)
        msg = "the ticket is not known, or was used, or its grant is over: ask for another"
        raise ForbiddenError(msg)

    def _hold(self, grant: Grant, *, given: bool) -> _Held:
        """Put a grant in force; of two, the one that was issued later, and the control room's."""
        held = self._grants.get(grant.id)
        if held is None:
            if len(self._grants) >= MAX_GRANTS:
                msg = f"the recorder holds {MAX_GRANTS} grants already: try again later"
                raise TooManyError(msg)
            held = self._grants[grant.id] = _Held(grant, _by_camera(grant))
        elif grant.issued_s > held.grant.issued_s or (given and grant.issued_s == held.grant.issued_s):
            held.grant, held.windows = grant, _by_camera(grant)
        if grant.binding.ticket is not None:
            self._tickets[grant.binding.ticket] = grant.id
        return held

    def _held(self, session: Session) -> _Held:
        held = self._grants.get(session.grant_id)
        if held is None or session.error is not None:
            raise session.error or NoSessionError(CLOSED)
        return held

    def _named(self, session: Session, camera: str) -> _Held:
        """Return a session's grant if it names a camera; a camera that it does not name may exist or not."""
        held = self._held(session)
        if not any((camera, right) in held.windows for right in _RIGHTS):
            msg = "the grant does not name this camera"
            raise ForbiddenError(msg)
        return held

    def _end_grant(self, grant_id: UUID, error: OvertError) -> None:
        self._released.forget(grant_id)
        held = self._grants.get(grant_id)
        if held is None:
            return
        for session in list(held.sessions):
            self.close(session, error)
        del self._grants[grant_id]
        if held.grant.binding.ticket is not None:
            self._tickets.pop(held.grant.binding.ticket, None)


_NO_GRANT: Final = UUID(int=0)
_RIGHTS: Final[tuple[Right, ...]] = ("live", "recorded", "export")


def _by_camera(grant: Grant) -> dict[tuple[str, Right], list[Window]]:
    """Sort a grant's spans by camera and right."""
    found: dict[tuple[str, Right], list[Window]] = {}
    for permission in grant.may:
        for camera in permission.cameras:
            for right in permission.rights:
                found.setdefault((camera, right), []).append(permission.window)
    return {key: joined(windows) for key, windows in found.items()}
