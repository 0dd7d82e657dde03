"""What watching costs the recorder: processor time and memory a viewer, and whether recording loses a frame by it.

Viewers are WebSockets that take everything, in processes of their own; each watches one substream (640x360, 25 frames a
second, 0.5 Mb/s). In a last round viewers ask for the main streams (2 Mb/s) and take nothing of them.

    python bench/viewers.py --viewers 1 10 50 200 --seconds 20 --work DIR
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import socket
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from barcode import clips
from overt.contract.grant import to_text
from overt.recorder.media_plane.live_socket import PROTOCOL, TOKEN_PREFIX
from page_site import Cameras, Recorder, ServedSite, Site, filming, may, served, stored

A_GRANT = 100
"""Sockets of one grant; it may have 128."""


def watch(address: str, tokens: list[tuple[str, str]], seconds: float, takes: bool) -> None:
    """Be viewers: (session token, camera) each."""

    async def one(token: str, camera: str) -> None:
        protocols = [Subprotocol(PROTOCOL), Subprotocol(TOKEN_PREFIX + token)]
        host, _, port = address.rpartition(":")
        plain = socket.socket()
        if not takes:
            # Else the kernel takes megabytes in a viewer's place.
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plain.connect((host, int(port)))
        url = f"ws://{address}/cameras/{camera}/{'sub' if takes else 'main'}/live"
        async with connect(
            url, sock=plain, subprotocols=protocols, proxy=None, max_queue=4, compression=None
        ) as viewer:
            async with asyncio.timeout(seconds):
                if not takes:
                    await viewer.wait_closed()
                async for _ in viewer:
                    pass

    async def every() -> None:
        async def quietly(token: str, camera: str) -> None:
            with suppress(TimeoutError, ConnectionClosed):
                await one(token, camera)

        await asyncio.gather(*(quietly(token, camera) for token, camera in tokens))

    asyncio.run(every())


def sessions(site: ServedSite, cameras: Cameras, count: int) -> list[tuple[str, str]]:
    """Open sessions for so many viewers."""
    tokens = []
    for _ in range(-(-count // A_GRANT)):
        link = site.link(may(*cameras.names, rights=("live",)))
        ticket = link.url.partition("ticket=")[2]
        answer = httpx.post(
            f"{site.address}session", json={"ticket": ticket, "secret": to_text(os.urandom(32))}, timeout=20
        )
        tokens.append(answer.json()["token"])
    return [(tokens[number // A_GRANT], cameras.names[number % len(cameras.names)]) for number in range(count)]


def measure(
    site: ServedSite, recorder: Recorder, cameras: Cameras, count: int, seconds: float, *, takes: bool = True
) -> None:
    """Let so many watch, and say what it cost."""
    pairs = sessions(site, cameras, count)
    spawn = multiprocessing.get_context("spawn")
    halves = [pairs[::2], pairs[1::2]] if count > 1 else [pairs]
    workers = [spawn.Process(target=watch, args=(site.listening, half, seconds + 8, takes)) for half in halves]
    for worker in workers:
        worker.start()
    recorder.wait_health(lambda health: health["media"]["viewers"] >= count, 60)
    time.sleep(2)
    first, began = recorder.health()["media"], time.monotonic()
    time.sleep(seconds)
    last, elapsed = recorder.health()["media"], time.monotonic() - began
    share = (last["cpu_s"] - first["cpu_s"]) / elapsed * 100
    what = "viewers" if takes else "viewers that take nothing"
    print(
        f"{count:4d} {what}: media process {share:6.2f} % of a core, {share / count:6.3f} % each, "
        f"{last['memory_bytes'] / 1e6:.0f} MB, {last['fragments_dropped'] - first['fragments_dropped']} dropped"
    )
    for worker in workers:
        worker.join(30)
        if worker.is_alive():
            worker.kill()


def lost(site: Site, cameras: Cameras, recorder: Recorder) -> int:
    """Stop everything, read all footage back; return how many frames between the first and the last are missing."""
    recorder.stop(60)
    missing = 0
    for name in cameras.names:
        numbers = sorted(stored(site, name).numbers)
        missing += numbers[-1] - numbers[0] + 1 - len(numbers)
        print(f"{name}: {len(numbers)} frames stored")
    return missing


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--viewers", type=int, nargs="+", default=[1, 10, 50, 200])
    parser.add_argument("--cameras", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--work", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.work) as folder:
        main_clip, sub_clip = clips(Path(folder))
        names = [f"camera-{number:02d}" for number in range(1, asked.cameras + 1)]
        with filming(names, main_clip, sub_clip) as cameras, served(Path(folder), cameras) as (site, recorder, place):
            for count in asked.viewers:
                measure(site, recorder, cameras, count, asked.seconds)
            measure(site, recorder, cameras, asked.viewers[-1], asked.seconds, takes=False)
            print(f"frames lost by recording: {lost(place, cameras, recorder)}")


if __name__ == "__main__":
    main()
