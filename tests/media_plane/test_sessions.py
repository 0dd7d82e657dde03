"""Sessions: who may begin one, what it opens to the nanosecond, and what ends it."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_rig import PERIOD, RING_S, ROOT, SECOND, ControlRoom, SteppedClock, may, run
from overt.clock import SystemClock
from overt.contract.grant import Grant, to_text
from overt.errors import ForbiddenError, InvalidError, OvertError, UnavailableError
from overt.recorder.media_plane.bindings import FILE_NAME, KEEP_S, Bindings
from overt.recorder.media_plane.limits import Bound, Limits, TooManyError, Usage
from overt.recorder.media_plane.released_keys import ReleasedKeys
from overt.recorder.media_plane.sessions import GRACE_NS, NoSessionError, Session, Sessions
from overt.sealing.ratchet import PeriodKeys

ROOM = ControlRoom(uuid4())
RING_NS = int(RING_S * SECOND)


class Still(SteppedClock):
    """A clock that stands until it is stepped."""

    now = 1_800_000_000 * SECOND

    def utc_ns(self) -> int:
        return self.now + self.step_ns


class Rig:
    def __init__(self, folder: Path, clock: SteppedClock | None = None) -> None:
        self.folder, self.clock = folder, clock or Still()
        self.released = ReleasedKeys()
        self.bindings = Bindings(folder, self.clock)
        self.usage = Usage()
        key = ROOM.key.public_key()
        self.sessions = Sessions([key], ROOM.site, self.bindings, self.released, self.usage, self.clock, RING_S)

    def grant(self, *permissions: object, **more: object) -> Grant:
        return ROOM.grant(*permissions, now_ns=self.clock.utc_ns(), **more)

    async def put(self, grant: Grant, **more: object) -> None:
        await self.sessions.register(grant.id, grant.to_token(ROOM.key), {PERIOD: ROOT})

    async def open(self, grant: Grant, secret: bytes) -> Session:
        token = grant.to_token(ROOM.key)
        session, _ = await self.sessions.open(ticket=None, token=token, secret=to_text(secret))
        return session

    async def open_ticket(self, ticket: bytes, secret: bytes) -> tuple[Session, str]:
        return await self.sessions.open(ticket=to_text(ticket), token=None, secret=to_text(secret))

    def restarted(self) -> Rig:
        """A media process that begins anew on the same directory."""
        self.bindings.close()
        return Rig(self.folder, self.clock)


@pytest.fixture(name="rig")
def _rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def opened(rig: Rig, *permissions: object) -> Session:
    secret = os.urandom(32)
    found: list[Session] = []

    async def begin() -> None:
        found.append(await rig.open(rig.grant(*permissions, secret=secret), secret))

    run(begin())
    return found[0]


def test_a_grant_is_worthless_without_its_secret(rig: Rig) -> None:
    async def walk() -> None:
        mine, grant = b"m" * 32, rig.grant(secret=b"m" * 32)
        for other in (b"o" * 32, grant.binding.secret or b"", bytes(32)):
            with pytest.raises(ForbiddenError, match="another holder"):
                await rig.open(grant, other)
        await rig.open(grant, mine)

    run(walk())


def test_a_borrowed_ticket_the_first_bearer_keeps_it(rig: Rig) -> None:
    async def walk() -> None:
        ticket, first, second = os.urandom(32), os.urandom(32), os.urandom(32)
        await rig.put(rig.grant(ticket=ticket))
        session, token = await rig.open_ticket(ticket, first)
        for _ in range(3):
            with pytest.raises(ForbiddenError, match="another holder"):
                await rig.open_ticket(ticket, second)
        assert rig.sessions.find(token) is session
        await rig.open_ticket(ticket, first)

    run(walk())


def test_an_unknown_ticket_is_refused(rig: Rig) -> None:
    async def walk() -> None:
        with pytest.raises(ForbiddenError, match="not known"):
            await rig.open_ticket(os.urandom(32), os.urandom(32))

    run(walk())


def test_the_bearer_of_a_ticket_is_told_why_its_grant_is_over(rig: Rig) -> None:
    revoked, expired, mine = os.urandom(32), os.urandom(32), os.urandom(32)

    async def walk() -> None:
        grant = rig.grant(ticket=revoked)
        for each in (grant, rig.grant(ticket=expired, lifetime_s=60)):
            await rig.put(each)
        for ticket in (revoked, expired):
            await rig.open_ticket(ticket, mine)
        await rig.sessions.revoke(grant.id)
        rig.clock.step_ns += 61 * SECOND
        rig.sessions.sweep()
        await told(rig)
        await told(rig.restarted())

    async def told(again: Rig) -> None:
        with pytest.raises(ForbiddenError, match="revoked"):
            await again.open_ticket(revoked, mine)
        with pytest.raises(ForbiddenError, match="expired"):
            await again.open_ticket(expired, mine)
        with pytest.raises(ForbiddenError, match="not known"):
            await again.open_ticket(expired, os.urandom(32))

    run(walk())


def test_a_ticket_grant_is_not_taken_without_its_ticket(rig: Rig) -> None:
    async def walk() -> None:
        with pytest.raises(ForbiddenError, match="give the ticket"):
            await rig.open(rig.grant(ticket=b"t" * 32), b"s" * 32)

    run(walk())


def test_a_restart_forgets_neither_holder_nor_revocation(rig: Rig) -> None:
    async def walk() -> None:
        ticket, first, second = os.urandom(32), os.urandom(32), os.urandom(32)
        grant, revoked = rig.grant(ticket=ticket), rig.grant(secret=first)
        await rig.put(grant)
        await rig.open_ticket(ticket, first)
        await rig.put(revoked)
        await rig.sessions.revoke(revoked.id)

        again = rig.restarted()
        with pytest.raises(UnavailableError, match="control room"):
            await again.open_ticket(ticket, first)
        with pytest.raises(ForbiddenError):
            await again.open_ticket(ticket, second)
        await again.put(grant)
        with pytest.raises(ForbiddenError, match="another holder"):
            await again.open_ticket(ticket, second)
        await again.open_ticket(ticket, first)
        with pytest.raises(ForbiddenError, match="revoked"):
            await again.put(revoked)
        with pytest.raises(ForbiddenError, match="revoked"):
            await again.open(revoked, first)
        assert again.released.count == 1

    run(walk())


def test_a_grant_that_was_revoked_before_it_came_is_refused(rig: Rig) -> None:
    async def walk() -> None:
        grant = rig.grant(secret=b"s" * 32)
        await rig.sessions.revoke(grant.id)
        with pytest.raises(ForbiddenError, match="revoked"):
            await rig.open(grant, b"s" * 32)

    run(walk())


def test_a_replayed_older_grant_does_not_bring_back_what_a_newer_one_took_away(rig: Rig) -> None:
    async def walk() -> None:
        secret = os.urandom(32)
        wide = rig.grant(may("front", "yard"), secret=secret)
        session = await rig.open(wide, secret)
        rig.clock.step_ns += 5 * SECOND
        narrow = rig.grant(may("front"), secret=secret, jti=wide.id)
        await rig.put(narrow)
        rig.sessions.check_live(session, "front")
        with pytest.raises(ForbiddenError, match="does not name"):
            rig.sessions.check_live(session, "yard")
        with pytest.raises(ForbiddenError, match="newer one"):
            await rig.open(wide, secret)
        with pytest.raises(ForbiddenError, match="newer one"):
            await rig.restarted().open(wide, secret)

    run(walk())


def test_a_renewal_prolongs_the_sessions_that_run(rig: Rig) -> None:
    async def walk() -> None:
        secret = os.urandom(32)
        grant = rig.grant(secret=secret, lifetime_s=60)
        session = await rig.open(grant, secret)
        rig.clock.step_ns += 50 * SECOND
        await rig.put(rig.grant(secret=secret, jti=grant.id, lifetime_s=60))
        rig.clock.step_ns += 50 * SECOND
        rig.sessions.sweep()
        assert session.error is None
        rig.clock.step_ns += 10 * SECOND
        rig.sessions.sweep()
        assert "expired" in str(session.error)
        assert (rig.sessions.grants, rig.sessions.count, rig.released.count) == (0, 0, 0)

    run(walk())


def test_a_renewal_cannot_change_the_holder(rig: Rig) -> None:
    async def walk() -> None:
        first, second = os.urandom(32), os.urandom(32)
        grant = rig.grant(secret=first)
        await rig.open(grant, first)
        with pytest.raises(ForbiddenError, match="another holder"):
            await rig.open(rig.grant(secret=second, jti=grant.id), second)

    run(walk())


def test_the_path_and_the_grant_name_the_same_id(rig: Rig) -> None:
    async def walk() -> None:
        with pytest.raises(InvalidError, match="jti"):
            await rig.sessions.register(uuid4(), rig.grant(secret=b"s" * 32).to_token(ROOM.key), {})

    run(walk())


def test_tokens_are_kept_as_hashes_alone(rig: Rig) -> None:
    async def walk() -> None:
        ticket, secret = os.urandom(32), os.urandom(32)
        grant = rig.grant(ticket=ticket)
        await rig.put(grant)
        session, token = await rig.open_ticket(ticket, secret)
        assert rig.sessions.find(token) is session
        for wrong in (token[:-1], token + "A", "", None, to_text(session.key), to_text(bytes(32)), "é" * 43):
            with pytest.raises(NoSessionError):
                rig.sessions.find(wrong)
        assert token not in repr(vars(rig.sessions)) + repr(session)
        stored = b"".join(path.read_bytes() for path in rig.folder.iterdir())
        for value in (
            ticket,
            secret,
            token.encode(),
            to_text(secret).encode(),
            grant.to_token(ROOM.key).encode(),
            ROOT,
        ):
            assert value not in stored
        assert stat.S_IMODE((rig.folder / FILE_NAME).stat().st_mode) == 0o600

    run(walk())


def test_sessions_of_a_grant_are_few_and_the_oldest_makes_room(rig: Rig) -> None:
    async def walk() -> None:
        secret = os.urandom(32)
        grant = rig.grant(secret=secret)
        found = [await rig.open(grant, secret) for _ in range(Limits().sessions_per_grant + 2)]
        assert [session.error is None for session in found] == [False] * 2 + [True] * Limits().sessions_per_grant
        assert rig.sessions.count == Limits().sessions_per_grant

    run(walk())


def test_a_binding_that_cannot_be_written_opens_nothing(rig: Rig) -> None:
    async def walk() -> None:
        rig.bindings.close()
        with pytest.raises(UnavailableError):
            await rig.open(rig.grant(secret=b"s" * 32), b"s" * 32)
        assert rig.sessions.count == 0

    run(walk())


def test_a_revocation_that_cannot_be_written_takes_effect_all_the_same(rig: Rig) -> None:
    async def walk() -> None:
        grant = rig.grant(secret=b"s" * 32)
        await rig.put(grant)
        session = await rig.open(grant, b"s" * 32)
        rig.bindings.close()
        with pytest.raises(UnavailableError):
            await rig.sessions.revoke(grant.id)
        assert "revoked" in str(session.error)
        assert rig.released.count == 0

    run(walk())


def test_bindings_that_are_long_over_are_forgotten(tmp_path: Path) -> None:
    clock = Still()
    first = Bindings(tmp_path, clock)
    grant = ROOM.grant(secret=b"s" * 32, now_ns=clock.utc_ns())
    first.revoke(grant.id)
    first.close()
    clock.step_ns = (KEEP_S - 10) * SECOND
    second = Bindings(tmp_path, clock)
    with pytest.raises(ForbiddenError):
        second.admit(grant)
    second.close()
    clock.step_ns = (KEEP_S + 4000) * SECOND
    third = Bindings(tmp_path, clock)
    third.admit(grant)
    third.close()


def test_a_spoilt_file_of_bindings_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"not a database at all" * 1000)
    with pytest.raises(UnavailableError, match=FILE_NAME):
        Bindings(tmp_path, SystemClock())


# --- what a session opens ---------------------------------------------------------------------------------------------

NOW = Still.now
FROM, TO = NOW - 7200 * SECOND, NOW - 3600 * SECOND


@pytest.fixture(name="recorded")
def _recorded(rig: Rig) -> Session:
    return opened(rig, may("front", rights=("recorded",), from_ns=FROM, to_ns=TO), may("yard"))


def test_the_recorded_right_opens_its_span(rig: Rig, recorded: Session) -> None:
    access = rig.sessions.access(recorded, "front", FROM, TO)
    assert (access.start_ns, access.end_ns, access.recorded, access.ring) == (FROM, TO, True, False)


@pytest.mark.parametrize(("start", "end"), [(FROM - 1, TO), (FROM, TO + 1), (FROM - 1, FROM), (TO, TO + 1), (0, NOW)])
def test_a_window_one_nanosecond_too_wide_is_refused(rig: Rig, recorded: Session, start: int, end: int) -> None:
    with pytest.raises(ForbiddenError, match="all of this time"):
        rig.sessions.access(recorded, "front", start, end)


def test_another_right_or_camera_is_refused(rig: Rig, recorded: Session) -> None:
    with pytest.raises(ForbiddenError, match="'live'"):
        rig.sessions.check_live(recorded, "front")
    with pytest.raises(ForbiddenError):
        rig.sessions.access(recorded, "yard", FROM, TO)
    for camera in ("cellar", "no-such-camera", "", "..", "FRONT"):
        with pytest.raises(ForbiddenError, match="does not name"):
            rig.sessions.access(recorded, camera, FROM, TO)
        with pytest.raises(ForbiddenError, match="does not name"):
            rig.sessions.check_live(recorded, camera)


def test_the_live_right_reaches_back_as_far_as_the_ring(rig: Rig) -> None:
    session = opened(rig, may("front"))
    begin = NOW - RING_NS
    access = rig.sessions.access(session, "front", begin, NOW)
    assert (access.start_ns, access.end_ns, access.recorded, access.ring) == (begin, NOW, False, True)
    for start, end in ((begin - 1, NOW), (begin - GRACE_NS, NOW + 3600 * SECOND)):
        cut = rig.sessions.access(session, "front", start, end)
        assert (cut.start_ns, cut.end_ns) == (begin, NOW)
    for start, end in ((begin - GRACE_NS - 1, NOW), (begin - 10, begin - 5), (begin - 10, begin), (0, NOW)):
        with pytest.raises(ForbiddenError):
            rig.sessions.access(session, "front", start, end)
    ahead = rig.sessions.access(session, "front", NOW + 5, NOW + 10)
    assert ahead.start_ns == ahead.end_ns


def test_the_live_right_of_a_minute_opens_that_minute_of_the_ring(rig: Rig) -> None:
    minute = NOW - 60 * SECOND
    session = opened(rig, may("front", from_ns=minute, to_ns=NOW + 60 * SECOND))
    assert rig.sessions.access(session, "front", minute, NOW).ring
    with pytest.raises(ForbiddenError):
        rig.sessions.access(session, "front", minute - 1, NOW)
    rig.clock.step_ns = 60 * SECOND
    with pytest.raises(ForbiddenError):
        rig.sessions.check_live(session, "front")
    with pytest.raises(ForbiddenError):
        rig.sessions.access(session, "front", minute, NOW)


def test_both_rights_together_open_what_they_join(rig: Rig) -> None:
    meet = NOW - 300 * SECOND
    session = opened(rig, may("front"), may("front", rights=("recorded",), from_ns=FROM, to_ns=meet))
    assert rig.sessions.access(session, "front", FROM, NOW).ring
    inside = rig.sessions.access(session, "front", meet - SECOND, meet)
    assert (inside.recorded, inside.ring) == (True, True), "released first, the ring where that fails"
    old = rig.sessions.access(session, "front", FROM, FROM + SECOND)
    assert (old.recorded, old.ring) == (True, False)
    with pytest.raises(ForbiddenError):
        rig.sessions.access(session, "front", FROM - 1, NOW)


MOMENTS = st.integers(-90, 30)
SPANS = st.lists(st.tuples(MOMENTS, st.integers(1, 60)), max_size=4)


@given(SPANS, SPANS, MOMENTS, st.integers(1, 60))
def test_no_nanosecond_is_opened_that_no_right_covers(
    recorded: list[tuple[int, int]], live: list[tuple[int, int]], start: int, length: int
) -> None:
    unit = 20 * SECOND  # the ring is 30 of them
    permissions = [
        may("front", rights=(right,), from_ns=NOW + first * unit, to_ns=NOW + (first + size) * unit)
        for right, spans in (("recorded", recorded), ("live", live))
        for first, size in spans
    ]
    grant = ROOM.grant(*permissions, may("other"), secret=b"s" * 32, now_ns=NOW)
    with_no_file: Bindings = None  # type: ignore[assignment]
    sessions = Sessions([], ROOM.site, with_no_file, ReleasedKeys(), Usage(), Still(), RING_S)
    sessions._hold(grant, given=True)
    session = Session(b"", grant.id)
    try:
        access = sessions.access(session, "front", NOW + start * unit, NOW + (start + length) * unit)
    except ForbiddenError:
        return
    assert NOW + start * unit <= access.start_ns <= access.end_ns <= NOW + (start + length) * unit
    live_now = any(first <= 0 < first + size for first, size in live)
    for each in range(-90, 90):
        if not access.start_ns <= NOW + each * unit < access.end_ns:
            continue
        by_recorded = any(first <= each < first + size for first, size in recorded)
        by_ring = live_now and -30 <= each < 0 and any(first <= each < first + size for first, size in live)
        assert by_recorded or by_ring
        assert by_recorded or access.ring


# --- released keys and limits -----------------------------------------------------------------------------------------


def test_keys_are_opened_under_their_own_grant_until_it_ends() -> None:
    released, mine, other = ReleasedKeys(), uuid4(), uuid4()
    released.release(mine, {PERIOD: ROOT})
    open_period = released.opener(mine)
    assert open_period(PERIOD).key(300) == PeriodKeys(ROOT).key(300)
    assert list(open_period(PERIOD).keys(60, 70)) == list(PeriodKeys(ROOT).keys(60, 70))
    for refused, period in ((released.opener(other), PERIOD), (open_period, uuid4())):
        with pytest.raises(ForbiddenError, match="not released"):
            refused(period)
    released.forget(mine)
    with pytest.raises(ForbiddenError):
        open_period(PERIOD)
    assert ROOT.hex() not in repr(released)


def test_released_periods_are_bounded() -> None:
    released = ReleasedKeys(max_periods=2)
    released.release(uuid4(), {uuid4(): ROOT})
    with pytest.raises(UnavailableError, match="more than 2"):
        released.release(uuid4(), {uuid4(): ROOT, uuid4(): ROOT})
    with pytest.raises(OvertError):
        released.release(uuid4(), {uuid4(): b"short"})
    assert released.count == 1


def test_limits_by_grant_address_and_all_together() -> None:
    usage = Usage(Limits(sockets=Bound(1, 2, 3)))
    grants = [uuid4() for _ in range(4)]
    with usage.one("socket", "a", grants[0]):
        with pytest.raises(TooManyError, match="grant"), usage.one("socket", "b", grants[0]):
            pass
        with usage.one("socket", "a", grants[1]):
            with pytest.raises(TooManyError, match="address"), usage.one("socket", "a", grants[2]):
                pass
            with (
                usage.one("socket", "b", grants[2]),
                pytest.raises(TooManyError, match="recorder serves 3"),
                usage.one("socket", "c", grants[3]),
            ):
                pass
    assert usage.count("socket") == 0
    assert not any(counter for counter in (*usage._grants.values(), *usage._addresses.values()))
