"""The site's public keys change while footage is written: who can open what comes after, and that nothing is lost."""

from __future__ import annotations

import sqlite3
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from overt.errors import ForbiddenError
from overt.footage.index import Index
from overt.footage.keystore import KeyStore
from overt.footage.opening import StoredPeriods
from overt.footage.stream_writer import RENEWAL_S
from overt.ids import StreamKey
from overt.sealing.roles import Recipients, RoleKey
from overt.sealing.wraps import WrappedKey

S = 1_000_000_000
YARD = StreamKey("yard")


def role(site: Any, name: str) -> RoleKey:
    return RoleKey(
        site.recipients.site_id, "Town Hall", name, datetime(2026, 6, 1, tzinfo=UTC), X25519PrivateKey.generate()
    )


def sealed_to(*roles: RoleKey) -> Recipients:
    return Recipients(roles[0].site_id, roles[0].site, tuple(each.recipient for each in roles))


def layers(site: Any, key: StreamKey) -> list[tuple[int, list[str]]]:
    """Of each segment, its start and the ids of the keys that its period is wrapped to."""
    with (
        Index(site.directory / "index.sqlite", write=False) as index,
        KeyStore(site.directory / "keys.sqlite", write=False) as keys,
    ):
        found = []
        for row in index.segments(key, 0, 2**62):
            kept = keys.get(row.period_id)
            assert kept is not None
            found.append((row.start_ns, [layer.key_id for layer in WrappedKey.decode(kept.wrap).layers]))
        return found


def spare(site: Any) -> list[list[str]]:
    """Keys that nothing is sealed with: the ids of those that each is wrapped to."""
    with (
        Index(site.directory / "index.sqlite", write=False) as index,
        KeyStore(site.directory / "keys.sqlite", write=False) as keys,
    ):
        unused = [each.period_id for each in keys.listing() if not index.period_is_kept(each.period_id)]
        kept = [keys.get(each) for each in unused]
        return [[layer.key_id for layer in WrappedKey.decode(each.wrap).layers] for each in kept if each]


def feed(store: Any, key: StreamKey, session: uuid.UUID, fragments: Any) -> None:
    assert store.append_many((key, session, each) for each in fragments) == len(fragments)
    assert store.flush()


def renewed(store: Any) -> bool:
    """Whether a key for the recipients in force lies ready for each stream."""
    ready = [entry.writer._next_period for entry in store._writer.entries()]
    return all(each is not None and each.generation == store._periods.generation for each in ready)


def test_every_later_segment_is_sealed_to_the_new_recipients_and_nothing_is_lost(
    site: Any, lab: Any, camera: StreamKey
) -> None:
    first, second, third = site.key, role(site, "second"), role(site, "custodian")
    session = uuid.uuid4()
    sent = lab.run(lab.T0, 48)
    both, other = sealed_to(first, second), sealed_to(third)
    with site.open() as store:
        feed(store, camera, session, sent[:16])
        store.seal_to(both)
        lab.wait_until(lambda: renewed(store))
        feed(store, camera, session, sent[16:32])
        assert store.status().behind == 0
        store.seal_to(other)
        lab.wait_until(lambda: renewed(store))
        feed(store, camera, session, sent[32:])
        assert store.status().behind == 0
    found = layers(site, camera)
    assert [ids for _, ids in found] == [[first.key_id], [first.key_id, second.key_id], [third.key_id]]
    assert [start for start, _ in found] == [sent[0].start_ns, sent[16].start_ns, sent[32].start_ns]
    with site.reader() as reader:
        items = list(reader.fragments(camera, 0, 2**62, StoredPeriods(site.directory, [first, second, third])))
        assert [item.payload for item in items] == [each.payload for each in sent]
    with Index(site.directory / "index.sqlite", write=False) as index:
        # The one that lasts since the store was closed.
        assert [gap.start_ns for gap in index.gaps(camera, 0, 2**62)] == [sent[-1].start_ns + sent[-1].duration_ns]
    assert spare(site) == [], "the keys that were made ready for others are gone"


def test_without_a_keyframe_the_segment_ends_all_the_same(site: Any, lab: Any, camera: StreamKey) -> None:
    other = sealed_to(role(site, "custodian"))
    session = uuid.uuid4()
    sent = lab.run(lab.T0, 60, gop=1000)
    with site.open() as store:
        feed(store, camera, session, sent[:4])
        store.seal_to(other)
        lab.wait_until(lambda: renewed(store))
        feed(store, camera, session, sent[4:6])
        assert store.status().behind == 1
        feed(store, camera, session, sent[6:])
        assert store.status().behind == 0
    found = layers(site, camera)
    assert [ids for _, ids in found] == [[site.key.key_id], [other.recipients[0].key_id]]
    assert found[1][0] - sent[4].start_ns <= (RENEWAL_S + 1) * S


def test_a_camera_that_was_away_meanwhile_begins_under_the_new_recipients(
    site: Any, lab: Any, camera: StreamKey
) -> None:
    other = sealed_to(role(site, "custodian"))
    with site.open() as store:
        feed(store, camera, uuid.uuid4(), lab.run(lab.T0, 8))
        feed(store, YARD, uuid.uuid4(), lab.run(lab.T0, 8))
        store.seal_to(other)
        lab.wait_until(lambda: renewed(store))
        feed(store, camera, uuid.uuid4(), lab.run(lab.T0 + 600 * S, 8))
    assert [ids for _, ids in layers(site, camera)] == [[site.key.key_id], [other.recipients[0].key_id]]
    assert [ids for _, ids in layers(site, YARD)] == [[site.key.key_id]]


def test_while_no_key_can_be_stored_recording_goes_on_and_follows_afterwards(
    site: Any, lab: Any, camera: StreamKey
) -> None:
    other = sealed_to(role(site, "custodian"))
    session = uuid.uuid4()
    sent = lab.run(lab.T0, 32)
    with site.open() as store:
        feed(store, camera, session, sent[:8])
        holder = sqlite3.connect(site.directory / "keys.sqlite", isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        store.seal_to(other)
        lab.wait_until(lambda: store.status().keys_trouble is not None)
        feed(store, camera, session, sent[8:16])
        assert store.status().behind == 1
        holder.execute("ROLLBACK")
        holder.close()
        lab.wait_until(lambda: renewed(store))
        feed(store, camera, session, sent[16:])
        assert store.status().behind == 0
    found = layers(site, camera)
    assert [ids for _, ids in found] == [[site.key.key_id], [other.recipients[0].key_id]]
    assert found[1][0] == sent[16].start_ns


def test_many_changes_in_a_row_end_with_the_last(site: Any, lab: Any, camera: StreamKey) -> None:
    session = uuid.uuid4()
    sent = lab.run(lab.T0, 88, gop=1)
    changes = [sealed_to(role(site, f"r{number}")) for number in range(40)]
    with site.open() as store:
        feed(store, camera, session, sent[:4])
        for number, each in enumerate(changes):
            store.seal_to(each)
            assert store.append_many((camera, session, one) for one in sent[4 + 2 * number : 6 + 2 * number]) == 2
        assert store.flush()
        lab.wait_until(lambda: renewed(store))
        feed(store, camera, session, sent[84:])
    found = layers(site, camera)
    assert found[-1] == (found[-1][0], [changes[-1].recipients[0].key_id])
    order = [[site.key.key_id], *([each.recipients[0].key_id] for each in changes)]
    numbers = [order.index(ids) for _, ids in found]
    assert numbers == sorted(numbers), "never back to earlier recipients"
    assert sum(row[1] for row in _fragments(site, camera)) == len(sent)


def _fragments(site: Any, key: StreamKey) -> list[tuple[int, int]]:
    with Index(site.directory / "index.sqlite", write=False) as index:
        return [(row.start_ns, row.fragments) for row in index.segments(key, 0, 2**62)]


def test_another_sites_recipients_are_refused_and_change_nothing(site: Any, lab: Any, camera: StreamKey) -> None:
    stranger = RoleKey(
        uuid.uuid4(), "Library", "custodian", datetime(2026, 6, 1, tzinfo=UTC), X25519PrivateKey.generate()
    )
    with site.open() as store:
        feed(store, camera, uuid.uuid4(), lab.run(lab.T0, 8))
        with pytest.raises(ForbiddenError, match="Library"):
            store.seal_to(sealed_to(stranger))
        store.seal_to(site.recipients)
        feed(store, camera, uuid.uuid4(), lab.run(lab.T0 + 60 * S, 8))
    assert {tuple(ids) for _, ids in layers(site, camera)} == {(site.key.key_id,)}
