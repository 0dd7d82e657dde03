"""A recorder that knows wrapped keys and nothing else, on its Unix socket."""

from __future__ import annotations

import json
import socketserver
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from overt.contract.grant import to_text
from overt.ids import StreamKey
from overt.sealing.recipients_file import read_recipients
from overt.sealing.wraps import WrappedKey, begin_period
from recorder_rig import Site


class Periods:
    """A recorder that knows key periods and nothing else."""

    def __init__(self, path: Path) -> None:
        self.rows: list[dict[str, str]] = []
        self.wraps: dict[str, WrappedKey] = {}
        self.asked: list[dict[str, list[str]]] = []
        periods = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                periods.asked.append(parse_qs(urlsplit(self.path).query))
                body = json.dumps(periods.rows).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def address_string(self) -> str:
                return "unix"

            def log_message(self, *_: object) -> None:
                pass

        self.server = socketserver.UnixStreamServer(str(path), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def add(self, site: Site, camera: str, stream: str = "main") -> tuple[UUID, bytes]:
        """Begin a key period under a site's public keys; its id and what is sealed."""
        _period, wrapped = begin_period(read_recipients(site.recipients), StreamKey(camera, stream))
        self.put(wrapped)
        return wrapped.period_id, wrapped.sealed

    def put(self, wrapped: WrappedKey) -> None:
        """Know a wrapped key, in the place of one of the same period."""
        self.wraps[str(wrapped.period_id)] = wrapped
        self.rows = [each for each in self.rows if each["period"] != str(wrapped.period_id)]
        self.rows.append(
            {
                "period": str(wrapped.period_id),
                "camera": wrapped.key.camera,
                "stream": wrapped.key.stream,
                "wrap": to_text(wrapped.encode()),
            }
        )
