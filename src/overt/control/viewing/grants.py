"""Grants in force: given to the recorder's media plane, renewed while their pages ask, revoked when anything ends them.

A grant is a page's: it lasts while the page says that it is there, its sign-in lasts and the account works, and opens
what its person may see at every moment. They live in memory: a control room that starts anew has none, what an earlier
one gave ends by itself within `LIFETIME_S`, and pages ask again. One thread, `viewing-grants`; calls from any.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import DatabaseError, InterfaceError

from overt.clock import SECOND, Clock
from overt.contract.grant import SKEW_S, Binding, Grant
from overt.control.acts.recording import Span
from overt.control.custody.policies import KeyRole
from overt.control.custody.switching import roles_now
from overt.control.people.actions import Action
from overt.control.people.rights import Rights
from overt.control.rounds import Rounds
from overt.control.viewing import looks
from overt.control.viewing.approvals import OVER
from overt.control.viewing.catalogue import places
from overt.control.viewing.custody import Custody
from overt.control.viewing.granting import NO_REASON, Decision, Wish, decide, permissions, within
from overt.control.viewing.held import Given, Held, Media, Shut, Viewer
from overt.control.viewing.purposes import stated
from overt.control.viewing.reasons import Stated
from overt.control.viewing.refused import RefusedLooks
from overt.control.viewing.standing import Standing, standing
from overt.errors import ConflictError, ForbiddenError, InvalidError, MissingError, OvertError, UnavailableError
from overt.ids import new_id

ISSUER: Final = "overt control room"
LIFETIME_S: Final = 300
"""Of one grant as it is signed; it is renewed long before. What nobody renews any more ends by then."""
RENEW_S: Final = 60
HEARD_S: Final = 60
"""A page that has said nothing for so long is closed."""
LOOK_S: Final = 1.0
STANDING_S: Final = 5.0
"""How often the database is asked whether sign-ins last; what is said by a signal is acted upon at once."""
FRESH_S: Final = 3.0
"""How often it is looked for key periods that have begun."""
FRESH_NS: Final = 600 * SECOND
MAX_PER_SESSION: Final = 24
"""Open pages of one sign-in."""
MAX_GRANTS: Final = 4096
REMEMBERED: Final = 2048
"""Grants that have ended, and of which it is still known why."""
_LOG: Final = logging.getLogger(__name__)

SIGNED_OUT: Final = "You are signed out, or were away for too long. Sign in again."
ACCOUNT_ENDED: Final = "Your account has ended or was removed."
NOTHING_LEFT: Final = "Your rights have changed: you may not see any of these cameras any more."
CLOSED: Final = "This page was closed."
STOPPED: Final = "The control room is being stopped."


class Holder:
    """Gives, renews and revokes."""

    def __init__(
        self,
        media: Media,
        custody: Custody,
        key: Callable[[], Ed25519PrivateKey],
        clock: Clock,
        ask: Callable[[Collection[str], Collection[UUID]], Standing] = standing,
        keys_needed: Callable[[], Collection[KeyRole]] = roles_now,
    ) -> None:
        """Hold nothing yet. `key` signs; `ask` says who may still see; `keys_needed`, whose security keys open."""
        self._media, self._custody, self._key, self._clock, self._ask = media, custody, key, clock, ask
        self._keys_needed = keys_needed
        self._held: dict[UUID, Held] = {}
        self._lock = threading.Lock()
        self._to_revoke: dict[UUID, int] = {}
        """Those that the media plane has not yet been told of, and when they end by themselves (monotonic)."""
        self._reasons: OrderedDict[UUID, tuple[str, str]] = OrderedDict()
        self._refused = RefusedLooks(clock)
        self._rounds = Rounds(
            "viewing-grants", "renewing and revoking grants", self.look, every_s=LOOK_S, first_s=LOOK_S
        )
        self._asked_ns = self._freshened_ns = 0
        self._trouble = ""

    # --- the page's side ---------------------------------------------------------------------------------------------

    def give(self, viewer: Viewer, secret: bytes, wish: Wish) -> Given:
        """Give a page a grant, bound to the secret whose SHA-256 it sends.

        Raises:
            InvalidError: the wish is none, or asks for nothing.
            ForbiddenError: nothing of it is allowed; the words of the first camera.
            ConflictError: too many pages are open.
            UnavailableError: the recorder does not answer, or there are too many grants.
        """
        wish = wish.checked()
        why = None if wish.reason is None else stated(wish.reason, viewer.person)
        held = Held(new_id(), viewer, secret, wish, self._clock.monotonic_ns(), why=why)
        with self._lock:
            mine = sum(1 for each in self._held.values() if each.viewer.session == viewer.session)
            if mine >= MAX_PER_SESSION:
                msg = f"You have {mine} pages with pictures open. Close some, or wait a minute."
                raise ConflictError(msg)
            if len(self._held) >= MAX_GRANTS:
                msg = "Too many people watch at this moment. Try again later."
                raise UnavailableError(msg)
            self._held[held.id] = held
        try:
            with held.turn:
                return self._put(held, viewer, wish)
        except BaseException:
            self._end(held, "It could not be given.")
            raise

    def change(self, grant: UUID, viewer: Viewer, wish: Wish) -> Given:
        """Let a page see other cameras or hours; raises as `give`, and MissingError as `heard`."""
        wish = wish.checked()
        held = self._mine(grant, viewer.session)
        with held.turn:
            held.heard_ns = self._clock.monotonic_ns()
            return self._put(held, viewer, wish)

    def heard(self, grant: UUID, viewer: Viewer) -> Given:
        """Take note that a page is still there; return its grant as it is now.

        Raises:
            MissingError: it is over, or not this sign-in's; says why where that is known.
        """
        held = self._mine(grant, viewer.session)
        held.heard_ns = self._clock.monotonic_ns()
        return self._given(held)

    def close(self, grant: UUID, session: str) -> None:
        """End a grant by its page's wish; one that is over or another's is left alone."""
        held = self._held.get(grant)
        if held is not None and held.viewer.session == session:
            self._end(held, CLOSED)

    def take(self, grant: UUID, viewer: Viewer, cameras: Collection[str], from_ns: int, to_ns: int) -> None:
        """Write down that somebody saves footage as a clip, before they do.

        Raises:
            ForbiddenError: they may not, or the footage was not opened.
            MissingError: as `heard`.
        """
        held = self._mine(grant, viewer.session)
        lacking = [each for each in cameras if each not in held.decision.export]
        if lacking or not cameras:
            asked = [(each, Action.EXPORT) for each in lacking]
            self._refused.note(viewer.session, viewer.actor, asked, Span(from_ns, to_ns))
            msg = "You may not save footage of these cameras: it needs the right “Export footage”."
            raise ForbiddenError(msg)
        opened = any(set(cameras) <= each and begin <= from_ns < to_ns <= end for each, begin, end in held.spans)
        if not opened:
            msg = "This footage is not open on your page: go to its day first."
            raise ForbiddenError(msg)
        if held.why is None:
            raise ForbiddenError(NO_REASON)
        looks.taken(viewer.actor, grant, sorted(cameras), Span(from_ns, to_ns), held.why)

    def shut(self, grant: UUID, viewer: Viewer) -> Shut:
        """Return what of a grant waits for security keys.

        Raises:
            ConflictError: nothing does.
            MissingError: as `heard`.
            UnavailableError: the recorder does not answer.
        """
        held = self._mine(grant, viewer.session)
        with held.turn:
            decision, wish, why = held.decision, held.wish, held.why
            if not decision.recorded or why is None or not self._keys_needed():
                raise ConflictError("Nothing of what you look at waits for a security key.")
            wraps = self._custody.in_hand(decision.recorded, wish.from_ns, wish.to_ns, held.released)
            return Shut(decision.recorded, Span(wish.from_ns, wish.to_ns), why, wraps)

    def opened(self, grant: UUID, viewer: Viewer, shut: Shut, request: UUID, roots: Mapping[UUID, bytes]) -> Given:
        """Release what security keys have opened.

        Raises:
            ConflictError: the page looks at something else by now.
            MissingError: as `heard`.
            UnavailableError: it cannot be written down, or the recorder does not answer.
        """
        held = self._mine(grant, viewer.session)
        with held.turn:
            wish, cameras = held.wish, frozenset(shut.cameras)
            same = (wish.from_ns, wish.to_ns) == (shut.span.from_ns, shut.span.to_ns) and held.why == shut.why
            if held.over or not same or not cameras <= set(held.decision.recorded):
                raise ConflictError("Your page shows something else by now: ask once more.")
            looks.opened(viewer.actor, held.id, sorted(cameras), shut.span, shut.why, request)
            found = dict(roots)
            if self._custody.unlocked:
                # What was sealed to the custodian before keys were in hand.
                found |= self._custody.release(cameras, wish.from_ns, wish.to_ns, held.released)
            held.spans.append((cameras, wish.from_ns, wish.to_ns))
            held.until[_hours(shut.cameras, wish, shut.why)] = min(wish.to_ns, self._clock.utc_ns())
            self._sign(held, held.decision, wish, found)
            return self._given(held)

    def _mine(self, grant: UUID, session: str) -> Held:
        held = self._held.get(grant)
        if held is not None and held.viewer.session == session and not held.over:
            return held
        whose, why = self._reasons.get(grant, ("", ""))
        raise MissingError(why if whose == session else "There is no such grant: ask for another.")

    # --- what ends it ------------------------------------------------------------------------------------------------

    def session_ended(self, session: str) -> None:
        """End what was given under a sign-in that is over."""
        for held in self._those(lambda each: each.viewer.session == session):
            self._end(held, SIGNED_OUT)

    def rights_changed(self, people: Iterable[UUID]) -> None:
        """Have another look at what these people may see, at once."""
        concerned = set(people)
        if self._those(lambda each: each.viewer.person in concerned):
            self._asked_ns = 0
            self._rounds.wake()

    def approval_ended(self, approval: str, why: str) -> None:
        """End what was opened under an approval for a shift that is over."""
        for held in self._those(lambda each: each.why is not None and each.why.approval == approval):
            self._end(held, why)

    def _end_approvals(self) -> None:
        now_ns = self._clock.utc_ns()
        for held in self._those(lambda each: each.why is not None and 0 < each.why.until_ns <= now_ns):
            self._end(held, OVER)

    def end_all(self) -> None:
        """Revoke everything: the control room stops."""
        for held in self._those(lambda _: True):
            self._end(held, STOPPED)

    def _those(self, which: Callable[[Held], bool]) -> list[Held]:
        with self._lock:
            return [each for each in self._held.values() if which(each)]

    def _end(self, held: Held, why: str) -> None:
        with held.turn:
            if held.over:
                return
            held.over = True
            with self._lock:
                self._held.pop(held.id, None)
                self._reasons[held.id] = (held.viewer.session, why)
                while len(self._reasons) > REMEMBERED:
                    self._reasons.popitem(last=False)
            try:
                self._media.revoke(held.id)
            except OvertError as error:
                _LOG.warning("a grant cannot be revoked now, and is tried again: %s", error)
                self._to_revoke[held.id] = self._clock.monotonic_ns() + LIFETIME_S * SECOND
        if held.written:
            try:
                looks.ended(held.viewer.actor, held.id, held.decision.cameras, why)
            except OvertError as error:
                _LOG.error("the end of a look could not be written down: %s", error)

    # --- giving ------------------------------------------------------------------------------------------------------

    def _put(self, held: Held, viewer: Viewer, wish: Wish) -> Given:
        """Decide, write down, release, give. The caller has the turn."""
        why = held.why if wish.reason is None else stated(wish.reason, viewer.person)
        decision = decide(viewer.rights, places(wish.cameras), wish, why, locked=self._is_locked())
        self._note_refused(viewer, wish, decision)
        if not decision.cameras:
            if decision.refusals:
                raise ForbiddenError(decision.refusals[0].words)
            msg = "Nothing was asked for: name a camera."
            raise InvalidError(msg)
        if held.over:
            raise MissingError(self._reasons.get(held.id, ("", SIGNED_OUT))[1])
        self._write_down(held, viewer, decision, wish, why)
        roots: dict[UUID, bytes] = {}
        if decision.recorded and not self._keys_needed():
            span = (frozenset(decision.recorded), wish.from_ns, wish.to_ns)
            if span not in held.spans:
                held.spans.append(span)
            roots = self._custody.release(decision.recorded, wish.from_ns, wish.to_ns, held.released)
        self._sign(held, decision, wish, roots)
        held.viewer, held.wish, held.decision, held.why = viewer, wish, decision, why
        return self._given(held)

    def _note_refused(self, viewer: Viewer, wish: Wish, decision: Decision) -> None:
        """Write down what of a wish was refused for want of a right."""
        lacking = [(each.camera, each.action) for each in decision.refusals if each.unlawful]
        span = Span(wish.from_ns, wish.to_ns) if wish.recorded else None
        self._refused.note(viewer.session, viewer.actor, lacking, span)

    def _write_down(self, held: Held, viewer: Viewer, decision: Decision, wish: Wish, why: Stated | None) -> None:
        """Put into the ledger what of this it has not yet. What cannot be written is not given."""
        live = [key for key in (*decision.live, *decision.replay) if ("live", key) not in held.written]
        if live:
            looks.watched(viewer.actor, held.id, live)
            held.written |= {("live", key) for key in live}
        if why is None:
            return
        replayed = [key for key in decision.replay if ("replay", key, why) not in held.written]
        if replayed:
            looks.replayed(viewer.actor, held.id, replayed, why)
            held.written |= {("replay", key, why) for key in replayed}
        opened = (frozenset(decision.recorded), wish.from_ns, wish.to_ns, why)
        if decision.recorded and opened not in held.written:
            # Where keys are needed this is a question: that it was opened is written when they have answered.
            write = looks.asked if self._keys_needed() else looks.opened
            write(viewer.actor, held.id, decision.recorded, Span(wish.from_ns, wish.to_ns), why)
            held.written.add(opened)

    def _sign(self, held: Held, decision: Decision, wish: Wish, roots: dict[UUID, bytes]) -> None:
        began_us = self._media.started_us()
        if began_us != held.began_us and held.released:
            # A media process that began anew has forgotten every key.
            held.released.clear()
            roots = self._released_again(held, decision)
        now_s = self._clock.utc_ns() // SECOND
        # Of two grants of one id the later issued counts: a clock that was set back a little must not matter.
        issued_s = max(now_s, min(held.issued_s, now_s + SKEW_S))
        grant = Grant(
            issuer=ISSUER,
            person=held.viewer.name,
            id=held.id,
            site=self._site(),
            issued_s=issued_s,
            not_before_s=min(issued_s, now_s),
            expires_s=issued_s + LIFETIME_S,
            binding=Binding(secret=held.secret),
            may=permissions(decision, wish, now_s * SECOND),
        )
        token = grant.to_token(self._key())
        self._media.give(held.id, token, roots)
        held.released |= roots.keys()
        held.token, held.issued_s, held.began_us = token, issued_s, began_us

    def _released_again(self, held: Held, decision: Decision) -> dict[UUID, bytes]:
        roots: dict[UUID, bytes] = {}
        if self._keys_needed():
            # Nobody here can open it again: the page is told that it waits for keys.
            held.spans.clear()
            held.until.clear()
            return roots
        for cameras, from_ns, to_ns in held.spans:
            allowed = cameras & set(decision.recorded)
            if allowed:
                roots |= self._custody.release(allowed, from_ns, to_ns)
        return roots

    def _site(self) -> UUID:
        site = self._custody.site
        if site is None:
            msg = "This site has no key yet, so nothing is recorded and nothing can be shown."
            raise UnavailableError(msg)
        return site

    def _given(self, held: Held) -> Given:
        needed = bool(held.decision.recorded) and bool(self._keys_needed())
        until_ns = held.until.get(_hours(held.decision.recorded, held.wish, held.why), 0) if needed else 0
        expires_s = held.issued_s + LIFETIME_S
        return Given(held.id, held.token, expires_s, held.decision, needed and not until_ns, until_ns)

    def _is_locked(self) -> bool:
        return not self._custody.unlocked and not self._keys_needed()

    # --- the thread --------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to look after what is held."""
        self._rounds.start()

    def stop(self) -> None:
        """Revoke everything and end the thread."""
        self._rounds.stop()
        self.end_all()

    def look(self) -> None:
        """Renew, release, revoke: what there is to do at this moment. Raises OvertError where the recorder is away."""
        self._revoke_again()
        self._end_approvals()
        held = self._those(lambda _: True)
        if not held:
            return
        now_ns = self._clock.monotonic_ns()
        if now_ns - self._asked_ns >= STANDING_S * SECOND or self._asked_ns == 0:
            self._check_standing(held, now_ns)
        began_us = self._media.started_us()
        freshen = now_ns - self._freshened_ns >= FRESH_S * SECOND
        if freshen:
            self._freshened_ns = now_ns
        now_s = self._clock.utc_ns() // SECOND
        for each in held:
            with each.turn:
                if each.over or not each.token:
                    continue
                roots = self._begun(each) if freshen else {}
                if roots or began_us != each.began_us or now_s - each.issued_s >= RENEW_S:
                    self._sign(each, each.decision, each.wish, roots)
        self._say("")

    def _check_standing(self, held: list[Held], now_ns: int) -> None:
        """End what may not go on; while the database is away, what was allowed stays so."""
        self._asked_ns = now_ns
        try:
            found = self._ask([each.viewer.session for each in held], [each.viewer.person for each in held])
            wishes = {each.id: each.wish for each in held}
            known = places({camera for wish in wishes.values() for camera in wish.cameras})
        except (DatabaseError, InterfaceError) as error:
            self._say(f"the database does not answer: {error}")
            for each in held:  # nor can their pages say that they are there
                each.heard_ns = max(each.heard_ns, now_ns - HEARD_S * SECOND // 2)
            return
        for each in held:
            rights = found.rights.get(each.viewer.person)
            if rights is None:
                self._end(each, ACCOUNT_ENDED)
            elif each.viewer.session not in found.sessions:
                self._end(each, SIGNED_OUT)
            elif now_ns - each.heard_ns > HEARD_S * SECOND:
                self._end(each, CLOSED)
            else:
                wish, locked = wishes[each.id], self._is_locked()
                self._decide_again(each, rights, wish, decide(rights, known, wish, each.why, locked=locked))

    def _decide_again(self, held: Held, rights: Rights, wish: Wish, decision: Decision) -> None:
        """Take away what somebody may see no more; what they may see besides is given when the page asks."""
        with held.turn:
            if held.wish is not wish:
                # The page has asked for something else meanwhile, of which nothing was decided here: soon again.
                self._asked_ns = 0
                return
            kept = within(decision, held.decision)
            if held.over or not held.token or kept == held.decision:
                return  # one without a token is being given at this moment
            if not kept.cameras:
                self._end(held, NOTHING_LEFT)
                return
            lost = set(held.decision.recorded) - set(kept.recorded)
            held.viewer = Viewer(held.viewer.person, held.viewer.name, held.viewer.session, rights)
            held.decision = kept
            if lost:
                # Keys that were released are forgotten with the grant alone: the page gets another.
                self._end(held, "Your rights have changed.")
            else:
                self._sign(held, kept, held.wish, {})

    def _begun(self, held: Held) -> dict[UUID, bytes]:
        """Return the keys of what has begun since, of the footage that the page looks at."""
        now = self._clock.utc_ns()
        begin = max(held.wish.from_ns, now - FRESH_NS)
        if not held.decision.recorded or begin >= held.wish.to_ns or not self._custody.unlocked or self._keys_needed():
            return {}
        return self._custody.release(held.decision.recorded, begin, min(held.wish.to_ns, now), held.released)

    def _revoke_again(self) -> None:
        for grant, ends_ns in list(self._to_revoke.items()):
            if self._clock.monotonic_ns() < ends_ns:
                self._media.revoke(grant)
            self._to_revoke.pop(grant, None)

    def _say(self, trouble: str) -> None:
        """Log a trouble once, and that it is over."""
        if trouble != self._trouble:
            _LOG.warning("grants: %s", trouble or "all is well again")
        self._trouble = trouble


def _hours(cameras: Collection[str], wish: Wish, why: Stated | None) -> tuple[object, ...]:
    return frozenset(cameras), wish.from_ns, wish.to_ns, why
