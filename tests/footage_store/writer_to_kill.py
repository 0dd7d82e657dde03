"""Appends fragments as fast as it is told to, says which ones were acknowledged, and waits to be killed."""

from __future__ import annotations

import os
import sys
import time
import uuid
from pathlib import Path

from overt.footage.options import StoreOptions
from overt.footage.store import FootageStore
from overt.ids import StreamKey
from overt.media.samples import Fragment
from overt.sealing.roles import Recipient, Recipients

HALF = 500_000_000


def main() -> None:
    directory, site, public, begin = (
        Path(sys.argv[1]),
        uuid.UUID(sys.argv[2]),
        bytes.fromhex(sys.argv[3]),
        int(sys.argv[4]),
    )
    recipients = Recipients(site, "Town Hall", (Recipient("custodian", public),))
    options = StoreOptions(tick_s=0.002, segment_s=6, flush_interval_s=0.1, min_free_bytes=0)

    def stored(key: StreamKey, fragment: Fragment) -> None:
        os.write(1, f"{key.camera} {fragment.start_ns}\n".encode())

    store = FootageStore(directory, recipients, initialisation=lambda tracks: b"moov", options=options, stored=stored)
    keys = [StreamKey("front-door"), StreamKey("yard")]
    starts = {key: max(begin, status.last_end_ns or 0) for key, status in store.attach(keys).items()}
    session = uuid.uuid4()
    for number in range(10_000):
        for key in keys:
            start_ns = starts[key] + number * HALF
            payload = f"{key.camera} {start_ns} ".encode() * 400
            store.append(
                key, session, Fragment((), payload, start_ns, HALF, 12, number % 4 == 0, number == 0, 0, 0, None, 0)
            )
        time.sleep(0.001)


main()
