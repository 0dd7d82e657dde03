"""How soon recorded footage comes: from the question to the first record, at random moments of a day of some cameras.

The footage is made first (real boxes, noise in place of pictures). Its keys are opened as a grant's are: released once,
before anybody asks; `--cold` has every question come with keys that were never used.

    python bench/replay.py --cameras 4 --hours 24 --bits 100000 --work /srv/replay
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from overt.clock import SECOND, SystemClock
from overt.footage.marker import create_location
from overt.footage.opening import OpenPeriod, StoredPeriods
from overt.footage.options import StoreOptions
from overt.footage.reading import FootageReader
from overt.footage.store import FootageStore
from overt.ids import StreamKey, new_id
from overt.recorder.media_plane.replay import Replay
from overt.sealing.custody import CUSTODIAN
from overt.sealing.ratchet import MAX_MESSAGES, MessageKeys, PeriodKeys
from overt.sealing.roles import Recipients, RoleKey
from synthetic_footage import Rate, fragments

KEEP_QUEUED = 8 << 20


def made(folder: Path, cameras: int, hours: float, rate: Rate) -> tuple[RoleKey, int, int]:
    """Store the footage; return the key that opens it, and when it begins and ends."""
    key = RoleKey(new_id(), "Overt bench", CUSTODIAN, datetime.now(UTC), X25519PrivateKey.generate())
    recipients = Recipients(key.site_id, key.site, (key.recipient,))
    create_location(folder, recipients.site_id)
    seconds = int(hours * 3600)
    begin_ns = SystemClock().utc_ns() // SECOND * SECOND - seconds * SECOND
    store = FootageStore(folder, recipients, options=StoreOptions(compare_at_start=False))
    streams = [StreamKey(f"camera-{number}") for number in range(1, cameras + 1)]
    sessions = {stream: new_id() for stream in streams}
    try:
        store.attach(streams)
        for stream in streams:
            for fragment in fragments(begin_ns, seconds, rate):
                while store.status().queued_bytes > KEEP_QUEUED:
                    time.sleep(0.002)
                if not store.append(stream, sessions[stream], fragment):
                    sys.exit("the store refused a fragment")
    finally:
        store.close(120)
    return key, begin_ns, begin_ns + seconds * SECOND


def released(folder: Path, key: RoleKey) -> tuple[OpenPeriod, float]:
    """Open all periods as a release does, and take their last key; return them, and milliseconds for each."""
    opened: dict[UUID, MessageKeys] = {}
    stored = StoredPeriods(folder, [key])
    with FootageReader(folder) as reader:
        periods = reader.index.periods()
    took = 0.0
    for period in periods:
        keys: PeriodKeys = stored(period)
        began = time.perf_counter()
        keys.key(min(MAX_MESSAGES, 7300) - 1)
        took += time.perf_counter() - began
        opened[period] = keys
    return opened.__getitem__, took / len(periods) * 1000


async def timed(answer: Awaitable[object]) -> float:
    """Return the milliseconds until an answer."""
    began = time.perf_counter()
    await answer
    return (time.perf_counter() - began) * 1000


def shown(times: list[float]) -> dict[str, float]:
    """Return the distribution in milliseconds."""
    ordered = sorted(times)
    return {
        name: round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 2)
        for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0))
    }


async def measure(
    folder: Path, cameras: int, begin_ns: int, end_ns: int, open_period: OpenPeriod, count: int
) -> dict[str, dict[str, float]]:
    """Ask at random moments."""
    chance = random.Random(1)
    replay = Replay(folder)

    def moment() -> tuple[StreamKey, int]:
        return StreamKey(f"camera-{chance.randint(1, cameras)}"), chance.randrange(begin_ns, end_ns - 60 * SECOND)

    async def first(key: StreamKey, at_ns: int) -> None:
        records = replay.fragments(key, at_ns, at_ns + 10 * SECOND, open_period, lead=True)
        async for _ in records:
            break
        await records.aclose()  # type: ignore[attr-defined]  # an async generator

    async def keyframes(key: StreamKey, at_ns: int) -> None:
        async for _ in replay.keyframes(key, at_ns, at_ns + 60 * SECOND, open_period):
            pass

    every = [StreamKey(f"camera-{number}") for number in range(1, cameras + 1)]
    found: dict[str, list[float]] = defaultdict(list)
    try:
        for _ in range(count):
            found["first record"].append(await timed(first(*moment())))
        for _ in range(count // 4):
            _, at_ns = moment()
            found["four together"].append(await timed(asyncio.gather(*(first(key, at_ns) for key in every[:4]))))
        for _ in range(count // 4):
            found["still"].append(await timed(replay.still(*moment(), open_period)))
        for _ in range(count // 20):
            found["a minute's keyframes"].append(await timed(keyframes(*moment())))
        for _ in range(20):
            found["spans of all"].append(await timed(replay.spans(every[0], begin_ns, end_ns, end_ns)))
        return {name: shown(times) for name, times in found.items()}
    finally:
        replay.close()


def main() -> None:
    """Make the footage, ask, print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--cameras", type=int, default=4)
    arguments.add_argument("--hours", type=float, default=24)
    arguments.add_argument("--bits", type=int, default=100_000, help="bits a second of each camera")
    arguments.add_argument("--count", type=int, default=1000, help="questions")
    arguments.add_argument("--cold", action="store_true", help="keys that were never used before")
    arguments.add_argument("--work", type=Path, help="where to make it (default: a temporary folder)")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(dir=given.work) as place:
        folder = Path(place) / "footage"
        key, begin_ns, end_ns = made(folder, given.cameras, given.hours, Rate(bits_per_second=given.bits))
        open_period, stepping_ms = released(folder, key)
        chosen: OpenPeriod = StoredPeriods(folder, [key]) if given.cold else open_period
        found = asyncio.run(measure(folder, given.cameras, begin_ns, end_ns, chosen, given.count))
    found["to the last key of a period"] = {"mean": round(stepping_ms, 2)}
    sys.stdout.write(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
