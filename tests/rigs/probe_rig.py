"""A recorder's socket that answers probes with what is put into it: for devices that nobody has at hand."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import av

from overt.contract import local_socket

FOOTAGE = Path(__file__).parents[1] / "footage"


def keyframe(source: str = "axis_test_h264.mp4") -> str:
    """The first picture of a file as an fMP4 file of its own, base64."""
    made = io.BytesIO()
    with (
        av.open(FOOTAGE / source) as given,
        av.open(made, "w", format="mp4", options={"movflags": "frag_keyframe+empty_moov+default_base_moof"}) as out,
    ):
        (video,) = given.streams.video[:1]
        stream = out.add_stream_from_template(video)
        packet = next(each for each in given.demux(video) if each.is_keyframe)
        packet.stream = stream
        out.mux(packet)
    return base64.b64encode(made.getvalue()).decode()


def stream(url: str, **more: Any) -> dict[str, Any]:
    """A stream as a recorder tells of it: one that suits as main stream."""
    return {
        "url": url,
        "codec": "H.264",
        "codecs": "avc1.4d0028",
        "width": 1920,
        "height": 1080,
        "fps": 25.0,
        "gop_s": 2.0,
        "bitrate_bps": 3_000_000,
        "audio": None,
        "clock_offset_s": 0.1,
        "picture": None,
        "error": None,
        **more,
    }


def small(url: str, **more: Any) -> dict[str, Any]:
    """One that suits as substream."""
    return stream(url, **{"width": 640, "height": 360, "fps": 12.0, "bitrate_bps": 400_000, **more})


def onvif(**more: Any) -> dict[str, Any]:
    """A device as it describes itself."""
    described = {"maker": "Acme", "model": "Dome 4", "firmware": "1.2.3", "serial_number": "A-77"}
    return {**described, "profiles": [], "clock_offset_s": 0.2, **more}


class ProbeServer:
    """Answers `POST /probes`; remembers what it was asked."""

    def __init__(self) -> None:
        self.answer: Any = {"onvif": None, "streams": [], "errors": []}
        self.asked: list[dict[str, Any]] = []
        self.status = 200


@contextlib.contextmanager
def probe_server(path: Path) -> Iterator[ProbeServer]:
    """Serve at a Unix socket."""
    state = ProbeServer()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["content-length"])
            state.asked.append(json.loads(self.rfile.read(length)))
            body = json.dumps(state.answer).encode()
            self.send_response(state.status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def address_string(self) -> str:
            return "a Unix socket"

        def log_message(self, *_: Any) -> None:
            return

    path.parent.mkdir(parents=True, exist_ok=True)
    server = HTTPServer(("127.0.0.1", 0), Handler, bind_and_activate=False)
    server.socket.close()
    server.socket = local_socket.listen(path)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join(60)
        server.server_close()
        path.unlink(missing_ok=True)
