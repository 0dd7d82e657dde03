"""Attacks on looking that are about no single policy: on grants and leaves, many at once, by thieves and by crashes."""

from __future__ import annotations

import threading
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from django.db import close_old_connections, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from acts_rig import fresh_ledger, reason
from control_rig import camera_at, person_with, signed_in, site_in
from keys_in_hand import SoftKey
from overt.clock import SECOND
from overt.control.acts.book import reader
from overt.control.people.actions import Action
from overt.control.viewing.granting import Wish
from overt.control.viewing.grants import MAX_PER_SESSION, Holder
from overt.control.viewing.held import Viewer
from overt.control.viewing.reasons import Reason
from overt.control.viewing.standing import Standing
from overt.errors import ConflictError, CorruptError, ForbiddenError, OvertError, UnavailableError
from overt.ids import StreamKey
from overt.ledger.ledger import Ledger
from overt.ledger.tiles import DirectorySource
from overt.ledger.verifying import Trust, verify
from overt.sealing import keyring as keyrings
from overt.sealing.keyring import open_keyring
from overt.sealing.roles import Recipient, Recipients, RoleKey
from overt.sealing.wraps import begin_period, open_layer, unwrap
from viewing_rig import DIGEST, FakeCustody, FakeMedia, HandClock, held_by, viewer

ALL = (Action.LIVE, Action.REPLAY, Action.RECORDED, Action.EXPORT)
HOUR = 3600 * SECOND
LOOKS = 1000


@dataclass
class Watching(FakeMedia):
    """A media plane that asks, whenever it is given something, what the ledger has by then."""

    without: list[str] = field(default_factory=list)
    """What was given before it was written down."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def give(self, grant_id: UUID, token: str, roots: dict[UUID, bytes]) -> None:
        kinds = leaves_of(grant_id)
        if not kinds or (roots and "look.opened" not in kinds):
            self.without.append(f"{grant_id}: {len(roots)} roots after {sorted(kinds)}")
        with self.lock:
            super().give(grant_id, token, roots)


class Counting(FakeMedia):
    """A media plane of many at once: there are never more grants than leaves."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        self.ledger = ledger
        self.early: list[UUID] = []
        self.lock = threading.Lock()

    def give(self, grant_id: UUID, token: str, roots: dict[UUID, bytes]) -> None:
        with self.lock:
            super().give(grant_id, token, roots)
            if len(self.given) > self.ledger.size:
                self.early.append(grant_id)


def leaves_of(grant: UUID) -> set[str]:
    """Kinds of the leaves that name a grant."""
    ledger, found = reader(), set()
    for leaf in ledger.leaves(kinds=["look."]):
        body = ledger.body(leaf.index)
        if body is not None and body.value().get("grant") == str(grant):
            found.add(leaf.kind)
    return found


class Scene:
    """Somebody who may see everything of one camera, and a recorder that has footage of it."""

    def __init__(self, media: FakeMedia) -> None:
        site = site_in()
        camera_at(site, "market")
        self.media, self.custody, self.clock = media, FakeCustody(), HandClock()
        person = person_with(*ALL, group=site.group)
        self.viewer = viewer(person, signed_in(person).session.session_key)
        self.reason: Reason = reason()
        self.holder: Holder = held_by(media, self.custody, self.clock)
        now = self.clock.now_ns
        self.custody.periods = {UUID(int=1): ("market", now - HOUR, now)}

    def recorded(self) -> Wish:
        now = self.clock.now_ns
        return Wish((), ("market",), now - HOUR, now, self.reason)


@pytest.mark.django_db(transaction=True)
def test_attack_a_thousand_looks_at_once_each_leave_a_leaf_first(tmp_path: Path) -> None:
    with fresh_ledger(tmp_path / "ledger") as ledger:
        media = Counting(ledger)
        scene = Scene(media)
        wish = scene.recorded()

        def look(number: int) -> None:
            one = Viewer(scene.viewer.person, scene.viewer.name, f"session {number}", scene.viewer.rights)
            try:
                given = scene.holder.give(one, DIGEST, wish)
                scene.holder.close(given.id, one.session)
            finally:
                close_old_connections()

        with ThreadPoolExecutor(16) as threads:
            list(threads.map(look, range(LOOKS)))
        assert media.early == []
        kinds = [leaf.kind for leaf in reader().leaves(kinds=["look."])]
        assert kinds.count("look.opened") == kinds.count("look.ended") == LOOKS
        assert verify(DirectorySource(tmp_path / "ledger"), Trust([ledger.key])).sound


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.sampled_from(["live", "recorded", "change", "heard", "renew", "restart", "back", "locked", "away", "close"]),
        max_size=12,
    )
)
@pytest.mark.django_db
def test_nothing_is_given_that_no_leaf_has_named(steps: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    """The property: whatever happens in whatever order, the media plane gets no grant and no key before its leaf."""
    with transaction.atomic(), fresh_ledger(tmp_path_factory.mktemp("property") / "ledger"):
        media = Watching()
        scene = Scene(media)
        standing = Standing({scene.viewer.session}, {scene.viewer.person: scene.viewer.rights})
        scene.holder = held_by(media, scene.custody, scene.clock, ask=lambda *_: standing)
        grants: list[UUID] = []
        for step in steps:
            try:
                _step(step, scene, grants)
            except OvertError:
                continue
        assert media.without == []
        transaction.set_rollback(True)


def _step(step: str, scene: Scene, grants: list[UUID]) -> None:
    if step == "live":
        grants.append(scene.holder.give(scene.viewer, DIGEST, Wish(live=("market",))).id)
    elif step == "recorded":
        grants.append(scene.holder.give(scene.viewer, DIGEST, scene.recorded()).id)
    elif step == "renew":
        scene.clock.pass_s(70)
        for each in grants:
            scene.holder.heard(each, scene.viewer)
        scene.holder.look()
    elif step == "restart":
        assert isinstance(scene.media, FakeMedia)
        scene.media.restart()
        scene.clock.pass_s(5)
        scene.holder.look()
    elif step == "back":
        scene.clock.pass_s(-3600)
    elif step == "locked":
        scene.custody.unlocked = not scene.custody.unlocked
    elif step == "away":
        scene.media.away = not scene.media.away
    elif grants and step == "change":
        scene.holder.change(grants[-1], scene.viewer, scene.recorded())
    elif grants and step == "heard":
        scene.holder.heard(grants[-1], scene.viewer)
    elif grants and step == "close":
        scene.holder.close(grants[-1], scene.viewer.session)


@pytest.mark.django_db
def test_attack_a_crash_between_leaf_and_grant_leaves_a_leaf_and_no_grant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fresh_ledger(tmp_path / "ledger"):
        scene = Scene(FakeMedia())

        def crash(*_: object) -> None:
            raise UnavailableError("the power went")

        monkeypatch.setattr(scene.media, "give", crash)
        with pytest.raises(UnavailableError, match="power"):
            scene.holder.give(scene.viewer, DIGEST, scene.recorded())
        # The ledger says more than was done, and never less.
        assert [leaf.kind for leaf in reader().leaves(kinds=["look."])] == ["look.opened", "look.ended"]
        assert scene.media.given == {}


@pytest.mark.django_db
def test_attack_a_clock_that_is_set_back_gives_no_longer_life_and_writes_no_earlier_leaf(tmp_path: Path) -> None:
    with fresh_ledger(tmp_path / "ledger") as ledger:
        scene = Scene(FakeMedia())
        given_at = scene.clock.now_ns // SECOND
        given = scene.holder.give(scene.viewer, DIGEST, scene.recorded())
        scene.clock.pass_s(-7200)
        with pytest.raises(OvertError):
            scene.holder.give(scene.viewer, DIGEST, Wish((), ("market",), scene.clock.now_ns, 0, scene.reason))
        assert scene.media.given[given.id][0].expires_s <= given_at + 300
        before = [leaf.index for leaf in reader().leaves()]
        scene.holder.give(scene.viewer, DIGEST, Wish(live=("market",)))
        after = [leaf.index for leaf in reader().leaves()]
        # A leaf has its place by its number: nothing comes before what is there.
        assert after[: len(before)] == before == list(range(len(before)))
        assert verify(DirectorySource(tmp_path / "ledger"), Trust([ledger.key])).sound


@pytest.mark.django_db
def test_attack_one_sign_in_cannot_open_pages_without_end(tmp_path: Path) -> None:
    with fresh_ledger(tmp_path / "ledger"):
        scene = Scene(FakeMedia())
        for _ in range(MAX_PER_SESSION):
            scene.holder.give(scene.viewer, DIGEST, Wish(live=("market",)))
        with pytest.raises(ConflictError, match="pages with pictures open"):
            scene.holder.give(scene.viewer, DIGEST, Wish(live=("market",)))


# --- thieves ----------------------------------------------------------------------------------------------------------


def sealed_site(roles: Collection[str]) -> tuple[Recipients, dict[str, RoleKey]]:
    """A site's public keys, innermost role first, and the private ones."""
    site, now = UUID(int=7), datetime.now(UTC)
    keys = {role: RoleKey(site, "Northshire", role, now, X25519PrivateKey.generate()) for role in roles}
    return Recipients(site, "Northshire", tuple(Recipient(role, key.public_key) for role, key in keys.items())), keys


def test_attack_a_thief_of_every_disk_without_a_key_opens_nothing() -> None:
    """Wraps, keyrings and requests lie on disks; what opens them is in hands and on paper."""
    recipients, keys = sealed_site(["viewer"])
    _, wrapped = begin_period(recipients, StreamKey("market", "main"))
    held = keyrings.HeldKey(datetime.now(UTC), keys["viewer"].private_key)
    ring = keyrings.seal_keyring(
        keyrings.Keyring(recipients.site_id, "viewer", (held,)), [keyrings.recipient_of(SoftKey().identity)]
    )
    with pytest.raises(ForbiddenError):
        unwrap(wrapped, [])
    with pytest.raises(ForbiddenError, match="does not open with this secret"):
        open_keyring(ring, SoftKey().identity)
    assert keys["viewer"].private_key.private_bytes_raw() not in wrapped.encode()
    assert keys["viewer"].private_key.private_bytes_raw().hex() not in ring


@pytest.mark.parametrize("had", ["viewer", "approver"])
def test_attack_one_key_of_two_opens_nothing(had: str) -> None:
    recipients, keys = sealed_site(["viewer", "approver"])
    _, wrapped = begin_period(recipients, StreamKey("market", "main"))
    with pytest.raises(ForbiddenError):
        unwrap(wrapped, [keys[had]])
    if had == "approver":
        # What the outer key gives is still sealed to the other role.
        half = open_layer(wrapped, 1, wrapped.sealed, [keys["approver"]])
        assert len(half) > 32
        with pytest.raises(ForbiddenError):
            open_layer(wrapped, 0, half, [keys["approver"]])
    else:
        with pytest.raises((ForbiddenError, CorruptError)):
            open_layer(wrapped, 0, wrapped.sealed, [keys["viewer"]])
    assert len(unwrap(wrapped, [*keys.values()])) == 32
