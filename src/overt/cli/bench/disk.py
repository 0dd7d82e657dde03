"""How much footage this machine seals, hashes and writes: the store without any network."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from overt.clock import SECOND, SystemClock
from overt.errors import InvalidError, UnavailableError
from overt.footage.marker import create_location
from overt.footage.options import MIB, StoreOptions
from overt.footage.store import FootageStore
from overt.ids import StreamKey, new_id
from overt.media.boxes import box
from overt.media.samples import CodecConfiguration, Fragment
from overt.sealing.roles import Recipient, Recipients

FRAGMENT_BYTES: Final = 187_500
"""Half a second at 3 Mb/s."""
FRAGMENT_NS: Final = SECOND // 2
GOP: Final = 4
"""Fragments from one keyframe to the next."""
PAYLOADS: Final = 64
"""Different payloads, used in turn: a disk that compresses gains nothing."""
IN_FLIGHT: Final = 16 * MIB
"""So much waits in the store's queue, a quarter of what it takes; more is offered when it has been written."""
READY_S: Final = 60.0
CAMERA_BITS: Final = 3_000_000
TRACK: Final = CodecConfiguration("video", "h264", "avc1.4d002a", 90_000, box(b"avc1", bytes(78)), 1920, 1080)


@dataclass(frozen=True, slots=True)
class DiskSpeed:
    """What was measured, in bytes of media and seconds, the last flush to the device included."""

    streams: int
    bytes: int
    seconds: float
    stored_mb_s: float
    """Sealed, hashed, written, indexed and flushed to the device, by one writer thread."""
    plain_mb_s: float
    """The same bytes written into one file by large writes and flushed: what the disk itself gives."""
    seal_mb_s: float
    """AES-256-GCM alone, in memory, one thread."""
    hash_mb_s: float
    """SHA-256 alone, in memory, one thread."""
    cpu_s_per_gb: float
    """Processor time of storing, all threads."""
    cameras: int
    """Cameras of 3 Mb/s whose bytes one writer stores in the time in which they come; receiving them costs more."""
    refused: int
    """Fragments that the store did not take, although less than its queue was waiting."""
    load: float

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {name: round(value, 4) if isinstance(value, float) else value for name, value in asdict(self).items()}


def measure_disk(streams: int, seconds: float, directory: Path | None) -> DiskSpeed:
    """Store fragments of `streams` cameras as fast as they are taken for `seconds`.

    Raises:
        OvertError: the directory is not there, or the disk refuses.
    """
    if directory is not None and not directory.is_dir():
        msg = f"--directory {directory}: there is no such directory"
        raise InvalidError(msg)
    payloads = [os.urandom(FRAGMENT_BYTES) for _ in range(PAYLOADS)]
    with tempfile.TemporaryDirectory(prefix="overt-bench-", dir=directory) as folder:
        place = Path(folder)
        offered, refused, elapsed, spent = _store(place / "footage", payloads, streams, seconds)
        size = (offered - refused) * FRAGMENT_BYTES
        plain = _plain(place / "plain", payloads, offered)
    stored = size / elapsed
    return DiskSpeed(
        streams=streams,
        bytes=size,
        seconds=elapsed,
        stored_mb_s=stored / 1e6,
        plain_mb_s=offered * FRAGMENT_BYTES / plain / 1e6,
        seal_mb_s=_in_memory(_seal, payloads) / 1e6,
        hash_mb_s=_in_memory(lambda data: hashlib.sha256(data).digest(), payloads) / 1e6,
        cpu_s_per_gb=spent / size * 1e9 if size else 0.0,
        cameras=int(stored * 8 / CAMERA_BITS),
        refused=refused,
        load=os.getloadavg()[0],
    )


def _store(place: Path, payloads: list[bytes], streams: int, seconds: float) -> tuple[int, int, float, float]:
    """Fill a store of its own; return how many fragments were offered and refused, and seconds and CPU-s of it."""
    site, public = new_id(), X25519PrivateKey.generate().public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    create_location(place, site)
    store = FootageStore(
        place,
        Recipients(site, "Overt bench", (Recipient("custodian", public),)),
        options=StoreOptions(compare_at_start=False),
    )
    keys = [StreamKey(f"camera-{number}") for number in range(1, streams + 1)]
    start_ns = SystemClock().utc_ns()
    sessions = [new_id() for _ in keys]

    def batch(number: int) -> list[tuple[StreamKey, UUID, Fragment]]:
        at_ns = start_ns + number * FRAGMENT_NS
        chosen = (payloads[(number * streams + stream) % PAYLOADS] for stream in range(streams))
        return [
            (key, session, _fragment(at_ns, number, data))
            for key, session, data in zip(keys, sessions, chosen, strict=True)
        ]

    number = 1
    refused = 0
    try:
        # The first fragment of a stream waits for its key; that is no matter of speed.
        store.attach(keys)
        store.append_many(batch(0))
        if not store.flush(READY_S):
            msg = f"{place}: the disk did not take the first fragments within {READY_S:g} s"
            raise UnavailableError(msg)
        began, cpu = time.perf_counter(), time.process_time()
        while time.perf_counter() - began < seconds:
            refused += streams - _offer(store, batch(number))
            number += 1
    finally:
        clean = store.close(READY_S)
    if not clean:
        msg = f"{place}: the disk did not take what was waiting within {READY_S:g} s"
        raise UnavailableError(msg)
    return (number - 1) * streams, refused, time.perf_counter() - began, time.process_time() - cpu


def _offer(store: FootageStore, batch: list[tuple[StreamKey, UUID, Fragment]]) -> int:
    """Hand a batch over once there is room for it."""
    while store.status().queued_bytes > IN_FLIGHT:
        time.sleep(0.002)
    return store.append_many(batch)


def _fragment(start_ns: int, number: int, payload: bytes) -> Fragment:
    return replace(_FRAGMENT, payload=payload, start_ns=start_ns, keyframe=number % GOP == 0, discontinuity=not number)


_FRAGMENT: Final = Fragment(
    tracks=(TRACK,),
    payload=b"",
    start_ns=0,
    duration_ns=FRAGMENT_NS,
    samples=12,
    keyframe=True,
    discontinuity=True,
    damaged_samples=0,
    lost_packets=0,
    camera_offset_ns=None,
    received_ns=0,
)


def _plain(path: Path, payloads: list[bytes], count: int) -> float:
    """Write as many payloads into one file; return the seconds it took, flush included."""
    began = time.perf_counter()
    try:
        with path.open("wb", buffering=0) as file:
            for number in range(count):
                file.write(payloads[number % PAYLOADS])
            os.fdatasync(file.fileno())
    except OSError as error:
        msg = f"{path}: cannot be written: {error.strerror or error}"
        raise UnavailableError(msg) from error
    return time.perf_counter() - began


def _seal(data: bytes) -> bytes:
    return AESGCM(bytes(32)).encrypt(bytes(12), data, None)


def _in_memory(work: Callable[[bytes], bytes], payloads: list[bytes]) -> float:
    """Return the bytes a second that `work` does."""
    began = time.perf_counter()
    for data in payloads * 4:
        work(data)
    return sum(map(len, payloads)) * 4 / (time.perf_counter() - began)
