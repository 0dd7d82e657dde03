"""The site's public keys change while the recorder runs: who can open what is recorded from then on."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from overt.footage.index import Index
from overt.footage.keystore import KeyStore
from overt.ids import StreamKey
from overt.new_file import replace
from overt.sealing.recipients_file import MODE, encode_recipients, read_recipients
from overt.sealing.roles import Recipients, RoleKey
from overt.sealing.wraps import WrappedKey
from overt.simulator.simulator import Simulator
from recorder_rig import (
    BUSY_S,
    Recorder,
    Site,
    addresses,
    cameras,
    faithful,
    gaps_of,
    make_site,
    reconciled,
    stored,
    unstored,
)

FOLLOWED_S = 15.0
"""A change is noticed within two seconds, and a stream's segment ends at its next keyframe, at the latest after ten."""


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return make_site(tmp_path / "s")


def role(site: Site, name: str) -> RoleKey:
    return RoleKey(site.role.site_id, site.role.site, name, datetime.now(UTC), X25519PrivateKey.generate())


def give(site: Site, *roles: RoleKey) -> list[str]:
    """Write another recipients file, as a control room does; return the ids of its keys."""
    recipients = Recipients(site.role.site_id, site.role.site, tuple(each.recipient for each in roles))
    replace(site.recipients, encode_recipients(recipients), MODE)
    return [each.key_id for each in roles]


def sealed(site: Site, camera: str) -> list[tuple[int, list[str]]]:
    """Of each segment, oldest first, its start and the ids of the keys that its period is wrapped to."""
    with Index(site.index, write=False) as index, KeyStore(site.footage / "keys.sqlite", write=False) as keys:
        found = []
        for row in index.segments(StreamKey(camera), 0, 2**62):
            kept = keys.get(row.period_id)
            assert kept is not None
            found.append((row.start_ns, [layer.key_id for layer in WrappedKey.decode(kept.wrap).layers]))
        return found


def followed(recorder: Recorder, ids: Sequence[str]) -> None:
    """Wait until every stream is sealed to these keys."""

    def told(health: dict[str, dict[str, list[dict[str, str]]]]) -> bool:
        sealing = health["sealing"]
        return [each["key_id"] for each in sealing["roles"]] == list(ids) and not sealing["behind"]

    recorder.wait_health(told)
    # Reports of workers come once a second: one that is newer than the order counts.
    recorder.wait_health(lambda _: all(_newest(recorder.site, camera) == list(ids) for camera in ("a", "b")))


def _newest(site: Site, camera: str) -> list[str]:
    return sealed(site, camera)[-1][1]


def unbroken(site: Site, simulator: Simulator, name: str, until_ns: int, keys: Sequence[RoleKey]) -> None:
    """Everything that was sent from the first stored frame until a moment can be opened, and no gap is claimed."""
    found, sent = stored(site, name, keys=keys), simulator.camera(name).frames()
    faithful(found, sent)
    assert unstored(found, sent, until_ns) == []
    assert gaps_of(site, name) == []


def test_from_one_role_to_four_eyes_to_another_role_without_losing_a_frame(site: Site) -> None:
    second, third = role(site, "second"), role(site, "custodian")
    orders = [[site.role.key_id]]
    with cameras("a", "b") as simulator, Recorder(site, addresses(simulator)) as recorder:
        recorder.wait_recording()
        written: list[int] = []
        for roles in ((site.role, second), (third,)):
            written.append(time.time_ns())
            orders.append(give(site, *roles))
            ids = orders[-1]
            applied = recorder.wait_fact("recipients-applied", lambda data, ids=ids: data["key_ids"] == ids)
            assert applied["data"]["policy"] == ("four-eyes" if len(roles) == 2 else "single")
            assert applied["data"]["roles"] == [each.role for each in roles]
            followed(recorder, ids)
        sealing = recorder.health()["sealing"]
        assert sealing["roles"][0]["public_key"] == third.public_key.hex()
        told_ns = time.monotonic_ns()
        assert recorder.stop() == 0
        for name in ("a", "b"):
            unbroken(site, simulator, name, told_ns, [second, third])
            found = sealed(site, name)
            assert [ids for ids in orders if ids in [each for _, each in found]] == orders
            numbers = [orders.index(ids) for _, ids in found]
            assert numbers == sorted(numbers), "never back to keys from before"
            for number, moment in enumerate(written, 1):
                first = next(start for start, ids in found if orders.index(ids) == number)
                assert (first - moment) / 1e9 < FOLLOWED_S + BUSY_S
    assert read_recipients(site.footage / "recipients.json") == read_recipients(site.recipients)
    reconciled(site)


def test_a_file_that_is_no_good_is_refused_aloud_and_nothing_changes(site: Site, tmp_path: Path) -> None:
    good, stranger = site.recipients.read_bytes(), make_site(tmp_path / "other", "Library")
    spoilt = {"not a recipients file": b"{", "another site": stranger.recipients.read_bytes(), "no such": None}
    with cameras("a", "b") as simulator:
        with Recorder(site, addresses(simulator)) as recorder:
            recorder.wait_recording()
            for words, data in spoilt.items():
                if data is None:
                    site.recipients.unlink()
                else:
                    replace(site.recipients, data, MODE)
                recorder.process.send_signal(signal.SIGHUP)
                fact = recorder.wait_fact("recipients-refused", lambda data, words=words: words in data["reason"])
                assert fact["data"]["key_ids"] == [site.role.key_id]
                health = recorder.wait_health(lambda health, words=words: words in health["sealing"]["trouble"])
                assert health["level"] == "degraded"
                assert any("are not followed" in sentence for sentence in health["sentences"])
            replace(site.recipients, good, MODE)
            recorder.wait_health(lambda health: not health["sealing"]["trouble"] and health["level"] == "ok")
            assert len(recorder.of("recipients-applied")) == 1, "they are those that were in force all the while"
            replace(site.recipients, b"{", MODE)
            recorder.wait_health(lambda health: bool(health["sealing"]["trouble"]))
            assert recorder.stop() == 0
        # A recorder that is started while the file is no good goes on with its copy, and says so.
        with Recorder(site, addresses(simulator)) as recorder:
            recorder.wait_recording()
            recorder.wait_health(lambda health: "not a recipients file" in health["sealing"]["trouble"])
            assert recorder.stop() == 0
        for name in ("a", "b"):
            faithful(stored(site, name), simulator.camera(name).frames())
            assert {ids[0] for _, ids in sealed(site, name)} == {site.role.key_id}
    reconciled(site)


def test_a_kill_during_the_change_ends_with_the_new_keys(site: Site) -> None:
    chance = random.Random(20261128)
    roles = [site.role]
    starts: list[int] = []
    with cameras("a", "b") as simulator:
        for _ in range(2):
            with Recorder(site, addresses(simulator)) as recorder:
                starts.append(time.time_ns())
                recorder.wait_recording()
                roles.append(role(site, "custodian"))
                give(site, roles[-1])
                time.sleep(chance.uniform(0.0, 2.5))  # the moment is what is tried here
                recorder.kill()
        with Recorder(site, addresses(simulator)) as recorder:
            starts.append(time.time_ns())
            recorder.wait_recording()
            followed(recorder, [roles[-1].key_id])
            assert recorder.stop() == 0
        order = [each.key_id for each in roles]
        for name in ("a", "b"):
            faithful(stored(site, name, keys=roles), simulator.camera(name).frames())
            found = sealed(site, name)
            numbers = [order.index(ids[0]) for _, ids in found]
            assert numbers == sorted(numbers), "never back to keys from before"
            for life, begun in enumerate(starts):
                assert all(order.index(ids[0]) >= life for start, ids in found if start >= begun)
    reconciled(site)
