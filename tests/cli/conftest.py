"""A small footage store with known content, and the key that opens it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import pytest

from overt.footage.gaps import GapCause
from overt.footage.marker import create_location
from overt.footage.options import StoreOptions
from overt.footage.store import FootageStore
from overt.ids import StreamKey
from overt.media.boxes import NON_SYNC_SAMPLE, SYNC_SAMPLE, TrackRun, box, fragment_header
from overt.media.initialisation import initialisation_segment
from overt.media.samples import CodecConfiguration, Fragment
from overt.sealing.custody import create_key_file
from overt.sealing.recipients_file import write_recipients
from overt.sealing.roles import Recipients

SECOND = 1_000_000_000
PASSPHRASE = "correct horse battery staple"
SAMPLES = 5
DOOR = StreamKey("door")
TRACK = CodecConfiguration(
    kind="video",
    codec="h264",
    rfc6381="avc1.4d002a",
    timescale=90_000,
    sample_entry=box(b"avc1", bytes(78)),
    width=1920,
    height=1080,
)


def fragment(start_ns: int, number: int, *, track: CodecConfiguration = TRACK, keyframe: bool = True) -> Fragment:
    """Return half a second of five frames."""
    sizes = [100 + number % 7] * SAMPLES
    first = SYNC_SAMPLE if keyframe else NON_SYNC_SAMPLE
    ticks = start_ns * 9 // 100_000
    run = TrackRun(1, ticks, [9000] * SAMPLES, sizes, None, NON_SYNC_SAMPLE, first)
    frames = b"".join(bytes([number % 256]) * size for size in sizes)
    return Fragment(
        tracks=(track,),
        payload=fragment_header(number + 1, [run]) + frames,
        start_ns=start_ns,
        duration_ns=SECOND // 2,
        samples=SAMPLES,
        keyframe=keyframe,
        discontinuity=number == 0,
        damaged_samples=0,
        lost_packets=0,
        camera_offset_ns=-1_500_000_000,
        received_ns=0,
    )


@dataclass(frozen=True)
class Site:
    """A site with a store of one camera: 10 s of footage, a gap of 5 s, 5 s more in another codec configuration."""

    footage: Path
    key: Path
    recipients: Path
    recovery_code: str
    start_ns: int
    fragments: list[Fragment]


@pytest.fixture(name="site", scope="session")
def _site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("site")
    created = create_key_file(folder / "site.key", "Town Hall", PASSPHRASE)
    recipients = Recipients(created.key_file.site_id, "Town Hall", (created.key_file.recipient,))
    write_recipients(folder / "recipients.json", recipients)
    footage = folder / "footage"
    create_location(footage, recipients.site_id)
    start_ns = 1_774_746_000 * SECOND
    later = replace(TRACK, width=640, height=480, rfc6381="avc1.42001e")
    fragments = [fragment(start_ns + n * SECOND // 2, n, keyframe=n % 4 == 0) for n in range(20)]
    resumed_ns = start_ns + 15 * SECOND
    fragments += [
        replace(fragment(resumed_ns + n * SECOND // 2, n + 20, track=later, keyframe=n % 4 == 0), discontinuity=n == 0)
        for n in range(10)
    ]
    store = FootageStore(footage, recipients, initialisation=initialisation_segment, options=StoreOptions())
    sessions = uuid4(), uuid4()
    for part in fragments[:20]:
        assert store.append(DOOR, sessions[0], part)
    assert store.flush(20)
    store.interrupted(DOOR, GapCause.NETWORK, "=no route\x1b[31m to host", start_ns + 10 * SECOND)
    for part in fragments[20:]:
        assert store.append(DOOR, sessions[1], part)
    assert store.flush(20)
    assert store.close()
    return Site(footage, folder / "site.key", folder / "recipients.json", created.recovery_code, start_ns, fragments)
