"""Real receivers of alerts on loopback: a mail server, a web server with a certificate, an MQTT broker."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from typing import Any
from unittest import mock

import trustme
from aiosmtpd.controller import Controller
from amqtt.broker import Broker
from amqtt.client import MQTTClient


@contextlib.contextmanager
def trusted(folder: Path, *names: str) -> Iterator[ssl.SSLContext]:
    """A certificate for these names that this process trusts meanwhile."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    pem = folder / "authority.pem"
    authority.cert_pem.write_to_path(pem)
    with mock.patch.dict("os.environ", {"SSL_CERT_FILE": str(pem), "REQUESTS_CA_BUNDLE": str(pem)}):
        yield context


@dataclass
class Post:
    """A request that arrived."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Web:
    """A web server that answers every POST with `status`."""

    port: int = 0
    status: int = 204
    location: str = ""
    posts: list[Post] = field(default_factory=list)


@contextlib.contextmanager
def web_server(context: ssl.SSLContext) -> Iterator[Web]:
    """Serve HTTPS on loopback."""
    web = Web()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            web.posts.append(Post(self.path, {key.lower(): value for key, value in self.headers.items()}, body))
            self.send_response(web.status)
            if web.location:
                self.send_header("location", web.location)
            self.send_header("content-length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            pass  # a client that does not trust the certificate hangs up

    with Server(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        web.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield web
        finally:
            server.shutdown()
            thread.join()


class MailBox:
    """What a mail server took; it refuses while `refusing`."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.recipients: list[list[str]] = []
        self.refusing = False

    async def handle_DATA(self, _server: object, _session: object, envelope: Any) -> str:  # noqa: N802
        if self.refusing:
            return "451 try again later"
        found = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(found, EmailMessage)
        self.mails.append(found)
        self.recipients.append(list(envelope.rcpt_tos))
        return "250 taken"


class _Mail(Controller):
    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]  # the one that the system chose
        super()._trigger_server()


@contextlib.contextmanager
def mail_server() -> Iterator[tuple[MailBox, int]]:
    """Serve SMTP on loopback."""
    box = MailBox()
    controller = _Mail(box, hostname="127.0.0.1", port=0, server_hostname="mail.northshire.example")
    controller.start()
    try:
        yield box, controller.port
    finally:
        controller.stop()


@contextlib.contextmanager
def broker(topic: str) -> Iterator[tuple[int, Queue[Any]]]:
    """Run an MQTT broker on loopback, and somebody who listens to a topic."""
    heard: Queue[Any] = Queue()
    ready: Queue[int] = Queue()
    ended = threading.Event()

    async def serve() -> None:
        settings = {
            "listeners": {"default": {"type": "tcp", "bind": "127.0.0.1:0"}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
        served = Broker(settings)
        await served.start()
        port = _port(served)
        client = MQTTClient(config={"auto_reconnect": False})
        await client.connect(f"mqtt://127.0.0.1:{port}")
        await client.subscribe([(topic, 1)])
        ready.put(port)
        while not ended.is_set():
            with contextlib.suppress(asyncio.TimeoutError):
                message = await client.deliver_message(timeout_duration=0.1)
                if message is not None and message.data is not None:
                    heard.put(json.loads(message.data))
        await client.disconnect()
        await served.shutdown()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        yield ready.get(timeout=60), heard
    finally:
        ended.set()
        thread.join(60)


def _port(served: Broker) -> int:
    server = next(iter(served._servers.values())).instance
    return int(server.sockets[0].getsockname()[1])
