"""Footage of days gone by, of real pictures: stored by the store itself under a clock that the test sets."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Final
from uuid import uuid4

import av

from browser_rig import CLIPS, Screen, ServedSite
from footage_rig import FAST, HandClock
from media_rig import ControlRoom, may
from overt.footage.segment_walk import walk
from overt.footage.store import FootageStore
from overt.ids import StreamKey
from overt.media.boxes import NON_SYNC_SAMPLE, SYNC_SAMPLE, TrackRun, fragment_header
from overt.media.initialisation import initialisation_segment
from overt.media.sample_entries import avc1
from overt.media.samples import CodecConfiguration, Fragment
from overt.recorder.configuration import RecorderSettings
from overt.recorder.preparation import prepare
from overt.sealing.recipients_file import read_recipients
from recorder_rig import Recorder, Site

SECOND: Final = 1_000_000_000
CLOCK: Final = 90_000
DATE = "2025-10-26"
"""The clocks of London go back: 25 hours."""
FIRST = int(datetime(2025, 10, 26, 0, 20, tzinfo=UTC).timestamp()) * SECOND
"""01:20 BST."""
AT = 4800
"""The same, in seconds since local midnight."""
AGAIN = 8400
"""01:20 GMT, one hour later."""
DUSK, INDOOR, PERSONS, CAMPUS = (
    "dusk_sub_h264.mp4",
    "indoor_sub_h264.mp4",
    "persons_h264_bframes.mp4",
    "campus_h264.mp4",
)
NORTH, SOUTH, EAST, WEST, YARD = "north", "south", "east", "west", "yard"
FOUR = (NORTH, SOUTH, EAST, WEST)
NOBODY: Final = "rtsp://127.0.0.1:1/none"
"""Where no camera answers: what is looked back at is gone."""


@cache
def _clip(name: str) -> tuple[CodecConfiguration, tuple[tuple[int, int, bool, bytes], ...]]:
    """A clip's configuration, and its frames in decoding order: length and delay in ticks, keyframe, bytes."""
    with av.open(str(CLIPS / name)) as container:
        stream = container.streams.video[0]
        record = bytes(stream.codec_context.extradata or b"")
        width, height = stream.codec_context.width, stream.codec_context.height
        assert stream.time_base is not None
        ticks = stream.time_base * CLOCK
        packets = [
            (int(packet.dts * ticks), int(packet.pts * ticks), packet.is_keyframe, bytes(packet))
            for packet in container.demux(stream)
            if packet.dts is not None and packet.pts is not None
        ]
    assert record[0] == 1, "an MP4 with its parameter sets outside the frames"
    configuration = CodecConfiguration(
        "video", "h264", f"avc1.{record[1:4].hex()}", CLOCK, avc1(width, height, record), width, height
    )
    lengths = [after[0] - before[0] for before, after in itertools.pairwise(packets)]
    delay = min(pts - dts for dts, pts, _, _ in packets)
    rows = zip(packets, [*lengths, lengths[-1]], strict=True)
    return configuration, tuple((length, pts - dts - delay, key, data) for (dts, pts, key, data), length in rows)


def filmed(clip: str, start_ns: int, seconds: float, *, half_second_ns: int = SECOND // 2) -> list[Fragment]:
    """A session's fragments: the clip over and over, from a moment on; none longer than half a second."""
    configuration, frames = _clip(clip)
    made: list[Fragment] = []
    group: list[tuple[int, int, bool, bytes]] = []
    dts, begun, length = -(-start_ns * 9 // 100_000), 0, 0
    for frame in itertools.cycle(frames):
        if group and (frame[2] or length + frame[0] > half_second_ns * 9 // 100_000):
            made.append(_fragment(configuration, dts + begun, group, first=not made))
            begun, length, group = begun + length, 0, []
            if begun >= seconds * CLOCK:
                return made
        group.append(frame)
        length += frame[0]
    return made


def _fragment(
    configuration: CodecConfiguration, dts: int, group: Sequence[tuple[int, int, bool, bytes]], *, first: bool
) -> Fragment:
    durations, delays = [row[0] for row in group], [row[1] for row in group]
    data = [row[3] for row in group]
    flags = SYNC_SAMPLE if group[0][2] else NON_SYNC_SAMPLE
    run = TrackRun(1, dts, durations, [len(each) for each in data], delays, NON_SYNC_SAMPLE, flags)
    return Fragment(
        tracks=(configuration,),
        payload=b"".join((fragment_header(1, [run]), *data)),
        start_ns=dts * 100_000 // 9,
        duration_ns=sum(durations) * 100_000 // 9,
        samples=len(group),
        keyframe=group[0][2],
        discontinuity=first,
        damaged_samples=0,
        lost_packets=0,
        camera_offset_ns=None,
        received_ns=0,
    )


def store(site: Site, sessions: Mapping[str, Iterable[Sequence[Fragment]]]) -> None:
    """Store sessions of cameras' main streams; their keys are of the hour in which each was filmed."""
    prepare(RecorderSettings(footage=site.footage, recipients=site.recipients, listen="off"))
    flat = [(StreamKey(camera), session) for camera, each in sessions.items() for session in each]
    clock = HandClock(min(session[0].start_ns for _, session in flat))
    recipients = read_recipients(site.recipients)
    opened = FootageStore(site.footage, recipients, clock=clock, options=FAST, initialisation=initialisation_segment)
    with opened as footage:
        for key, session in sorted(flat, key=lambda row: row[1][0].start_ns):
            identity = uuid4()
            clock.utc = max(clock.utc, session[0].start_ns)
            assert footage.append_many((key, identity, each) for each in session) == len(session)
            clock.utc = max(clock.utc, session[-1].start_ns + SECOND)
            assert footage.flush()


@contextlib.contextmanager
def archive(site: Site, cameras: Sequence[str]) -> Iterator[ServedSite]:
    """The whole recorder on stored footage; its cameras do not answer any more."""
    room = ControlRoom(read_recipients(site.recipients).site_id)
    tables = "".join(f'[cameras.{name}]\nurl = "{NOBODY}"\n' for name in cameras)
    file = Path(site.folder, "overt.toml")
    file.write_text(
        f'[recorder]\nmedia_listen = "127.0.0.1:0"\ngrant_keys = ["{room.public_key}"]\ntime_zone = "Europe/London"\n'
        f'min_free = "1MiB"\n[defaults]\nretention = {{ days = 3650 }}\n{tables}'
    )
    with Recorder(site, file, workers=1) as recorder:
        health = recorder.wait_health(
            lambda health: health["media"]["state"] == "running" and len(health["streams"]) == len(cameras)
        )
        yield ServedSite(site, room, health["media"]["listening"])
        assert recorder.stop() == 0
    assert "Traceback" not in recorder.errors()


# --- a day whose every second is known --------------------------------------------------------------------------------


def after(seconds: float) -> int:
    return FIRST + int(seconds * SECOND)


@contextlib.contextmanager
def past(site: Site) -> Iterator[ServedSite]:
    """Four cameras for 150 s, one with a gap, one whose picture changes; a fifth with footage that was altered."""
    store(
        site,
        {
            NORTH: [filmed(DUSK, FIRST, 150), filmed(DUSK, after(3600), 30)],
            SOUTH: [filmed(INDOOR, FIRST, 60), filmed(INDOOR, after(80), 70)],
            EAST: [filmed(PERSONS, FIRST, 150)],
            WEST: [filmed(CAMPUS, FIRST, 50), filmed(DUSK, after(50), 100)],
            YARD: [filmed(DUSK, FIRST, 60)],
        },
    )
    alter(site, YARD, after(20))
    with archive(site, [*FOUR, YARD]) as served:
        yield served


def alter(site: Site, camera: str, at_ns: int) -> None:
    """Change one byte of the fragment of a moment in its file."""
    for file in site.files():
        for record in walk(file).records if file.parents[2].name == camera else ():
            if record.header.start_ns <= at_ns < record.header.start_ns + record.header.duration_ns:
                with file.open("r+b") as data:
                    data.seek(record.offset + record.size // 2)
                    byte = data.read(1)[0]
                    data.seek(-1, 1)
                    data.write(bytes((byte ^ 1,)))
                return
    raise AssertionError(f"{camera} has no footage of {at_ns}")


def looking(screen: Screen, served: ServedSite, *cameras: str, at: str = "01:20:10 BST") -> Screen:
    """Look back at cameras, at a moment."""
    screen.open(served.link(may(*cameras, rights=("recorded",))))
    date = screen.page.locator("#date")
    date.fill(DATE)
    screen.until(f"() => document.querySelector('overt-review').day?.date === '{DATE}'")
    screen.settled()
    screen.go(at)
    return screen
