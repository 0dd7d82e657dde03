"""Footage that no camera sent, made faster than time passes, for measurements of what is done with stored footage."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from overt.clock import SECOND
from overt.footage.format import NO_ID, SegmentHeader, decode_table
from overt.footage.fragment_table import pack_table
from overt.footage.index import Index
from overt.footage.keystore import KeyStore, StoredKey
from overt.footage.layout import INDEX, KEYS, segment_folder, segment_name
from overt.footage.marker import create_location
from overt.footage.options import StoreOptions
from overt.footage.rows import SegmentRow, SegmentState
from overt.footage.segment_writer import SealBuffer, SegmentWriter
from overt.footage.store import FootageStore
from overt.ids import StreamKey, new_id
from overt.media.boxes import NON_SYNC_SAMPLE, SYNC_SAMPLE, TrackRun, box, fragment_header
from overt.media.initialisation import initialisation_segment
from overt.media.samples import CodecConfiguration, Fragment
from overt.sealing.custody import CUSTODIAN
from overt.sealing.ratchet import KeyPeriod
from overt.sealing.roles import Recipients, RoleKey
from overt.sealing.wraps import begin_period

TRACK = CodecConfiguration("video", "h264", "avc1.4d002a", 90_000, box(b"avc1", bytes(78)), 1920, 1080)
MINUTE = 60 * SECOND
PERIOD_MINUTES = 60
INITIALISATION = initialisation_segment((TRACK,))
SMALL = Fragment((TRACK,), bytes(64), 0, MINUTE, 1500, True, False, 0, 0, None, 0)
KEYFRAME_TIMES = 6
"""A keyframe is so many times as long as another frame."""


def recipients_of_nobody() -> Recipients:
    """Return a site of which nobody keeps the private key: what is sealed to it is never opened."""
    key = RoleKey(new_id(), "Overt bench", CUSTODIAN, datetime.now(UTC), X25519PrivateKey.generate())
    return Recipients(key.site_id, key.site, (key.recipient,))


@dataclass(frozen=True)
class Rate:
    """A stream's rate."""

    frames_per_second: int = 25
    bits_per_second: int = 3_000_000
    keyframe_s: int = 2


def fragments(start_ns: int, seconds: int, rate: Rate) -> Iterator[Fragment]:
    """Yield half seconds of a stream: real boxes, and noise where pictures would be."""
    per_gop = rate.frames_per_second * rate.keyframe_s
    unit = rate.bits_per_second * rate.keyframe_s // 8 // (per_gop - 1 + KEYFRAME_TIMES)
    noise = os.urandom(4 << 20)
    at = frame = 0
    for number in range(seconds * 2):
        until = rate.frames_per_second * (number + 1) // 2
        sizes = [unit * KEYFRAME_TIMES if (frame + n) % per_gop == 0 else unit for n in range(until - frame)]
        keyframe = frame % per_gop == 0
        ticks = 90_000 // rate.frames_per_second
        first = SYNC_SAMPLE if keyframe else NON_SYNC_SAMPLE
        dts = start_ns * 9 // 100_000 + frame * ticks
        run = TrackRun(1, dts, [ticks] * len(sizes), sizes, None, NON_SYNC_SAMPLE, first)
        at = (at + 4099) % (len(noise) - sum(sizes))
        payload = b"".join((fragment_header(number + 1, [run]), memoryview(noise)[at : at + sum(sizes)]))
        begin_ns, end_ns = (start_ns + count * SECOND // rate.frames_per_second for count in (frame, until))
        yield Fragment(
            tracks=(TRACK,),
            payload=payload,
            start_ns=begin_ns,
            duration_ns=end_ns - begin_ns,
            samples=len(sizes),
            keyframe=keyframe,
            discontinuity=number == 0,
            damaged_samples=0,
            lost_packets=0,
            camera_offset_ns=None,
            received_ns=0,
        )
        frame = until


def full_footage(folder: Path, recipients: Recipients, camera: str, start_ns: int, seconds: int, rate: Rate) -> None:
    """Store footage of one camera, whole in every respect but the pictures, in a new footage directory."""
    create_location(folder, recipients.site_id)
    store = FootageStore(folder, recipients, options=StoreOptions(compare_at_start=False))
    session, stream = new_id(), StreamKey(camera)
    try:
        store.attach([stream])
        for fragment in fragments(start_ns, seconds, rate):
            while store.status().queued_bytes > 8 << 20:
                time.sleep(0.002)
            if not store.append(stream, session, fragment):
                msg = "the store refused a fragment"
                raise RuntimeError(msg)
    finally:
        store.close(120)


def small_segments(folder: Path, recipients: Recipients, cameras: int, minutes: int, start_ns: int) -> Iterator[int]:
    """Store segments of a minute: files with header, configuration, one fragment and end record, and their rows.

    The one fragment is small and lasts the whole minute: what reads names, sizes and rows sees no difference. Nothing
    is flushed, and each camera's rows are one transaction. The directory is new.

    Yields the number of segments so far after each camera.
    """
    buffer, location = SealBuffer(), create_location(folder, recipients.site_id).location
    made = 0
    with Index(folder / INDEX) as index, KeyStore(folder / KEYS) as keys:
        index.put_location(location, folder)
        for number in range(1, cameras + 1):
            key, session, previous = StreamKey(f"camera-{number:04d}"), new_id(), NO_ID
            period: KeyPeriod | None = None
            with index.transaction():
                for minute in range(minutes):
                    begin_ns = start_ns + minute * MINUTE
                    if period is None or minute % PERIOD_MINUTES == 0:
                        period, wrapped = begin_period(recipients, key)
                        keys.put(StoredKey(period.period_id, key, begin_ns, begin_ns, wrapped.encode()))
                    header = SegmentHeader(
                        site_id=recipients.site_id,
                        segment_id=new_id(),
                        period_id=period.period_id,
                        session_id=session,
                        previous_id=previous,
                        created_ns=begin_ns,
                        clock_offset_ns=0,
                        first_message=period.next_index,
                        commitment=period.commitment,
                        key=key,
                    )
                    index.put_segment(_small_segment(folder, header, period, buffer, location))
                    previous = header.segment_id
                    made += 1
            yield made


def _small_segment(
    folder: Path, header: SegmentHeader, period: KeyPeriod, buffer: SealBuffer, location: UUID
) -> SegmentRow:
    name = segment_name(header.created_ns, header.segment_id)
    place = segment_folder(folder, header.key, name)
    place.mkdir(parents=True, exist_ok=True)
    writer = SegmentWriter(place / name, header, period, buffer)
    writer.configure(INITIALISATION, header.created_ns)
    writer.append(replace(SMALL, start_ns=header.created_ns))
    done = writer.close(sync=False)
    return SegmentRow(
        segment_id=header.segment_id,
        key=header.key,
        location_id=location,
        name=name,
        state=SegmentState.CLOSED,
        start_ns=header.created_ns,
        end_ns=header.created_ns + MINUTE,
        size=done.size,
        records=done.records,
        fragments=done.fragments,
        samples=done.samples,
        damaged_samples=0,
        lost_packets=0,
        merkle_root=done.merkle_root,
        period_id=header.period_id,
        session_id=header.session_id,
        previous_id=header.previous_id,
        clock_offset_ns=0,
        camera_offset_ns=None,
        tracks="",
        table=pack_table(decode_table(done.table, name)),
    )
