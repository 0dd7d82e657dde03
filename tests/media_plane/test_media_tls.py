"""The media plane encrypted: what it speaks, whom it waits for, what it refuses to begin with, how it is renewed."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import socket
import ssl
import time
from asyncio import sslproto
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from websockets.asyncio.client import connect

from media_rig import FRONT, ControlRoom, Plane, may, records_of, run, until
from overt.contract.grant import to_text
from overt.errors import InvalidError, OvertError, UnavailableError
from overt.media.records import RecordKind, RecordParser
from overt.recorder.configuration import ConfigurationSource
from overt.recorder.health import MediaHealth, RecorderHealth
from overt.recorder.media_plane import entrance
from overt.recorder.media_plane.certificate import ServerCertificate
from overt.recorder.media_plane.host import MediaHost
from overt.recorder.media_plane.limits import Limits
from overt.recorder.media_plane.live_socket import PROTOCOL, TOKEN_PREFIX
from overt.recorder.status import assess
from overt.sealing.recipients_file import read_recipients
from recorder_rig import Recorder, addresses, cameras, make_site, toml_of
from stopwatch import Stopwatch

DAY_NS = 86_400_000_000_000


def descriptors() -> int:
    """Open files of this process."""
    return len(list(Path("/proc/self/fd").iterdir()))


def tls_buffers() -> int:
    """Encrypted connections that are held in memory, garbage included."""
    return sum(type(each) is sslproto.SSLProtocol for each in gc.get_objects())


class Authority:
    """A certificate authority of a council, and the files of a server."""

    def __init__(self, folder: Path) -> None:
        self.ca = trustme.CA()
        self.certificate, self.key = folder / "media.pem", folder / "media.key"
        self.issue()

    def issue(self) -> None:
        """Write a new certificate and key."""
        made = self.ca.issue_cert("127.0.0.1", "localhost")
        self.key.write_bytes(made.private_key_pem.bytes())
        self.certificate.write_bytes(b"".join(each.bytes() for each in made.cert_chain_pems))

    def client(self) -> ssl.SSLContext:
        """What a browser in this council trusts."""
        context = ssl.create_default_context()
        self.ca.configure_trust(context)
        return context


@pytest.fixture(name="authority")
def _authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@contextlib.asynccontextmanager
async def encrypted(folder: Path, authority: Authority, **more: Any) -> AsyncIterator[Plane]:
    certificate = ServerCertificate(authority.certificate, authority.key)
    plane = Plane(folder, encryption=lambda: certificate.context, trust=authority.client(), **more)
    async with plane:
        yield plane


def test_live_over_wss_and_replay_over_https(tmp_path: Path, authority: Authority) -> None:
    async def scene() -> None:
        async with encrypted(tmp_path, authority) as plane:
            token, _ = await plane.token()
            now = time.time_ns()
            span = {"from": now - 60_000_000_000, "to": now}
            answer = await plane.get("/cameras/front/main/fragments", token, params=span)
            assert (answer.status_code, records_of(answer.content)[-1]) == (200, RecordKind.END)
            own = f"https://127.0.0.1:{plane.port}"
            assert (await plane.get("/cameras", token, extensions={})).status_code == 200
            allowed = await plane.http.get("/health", headers={"origin": own})
            assert allowed.status_code == 200
            assert (await plane.http.get("/health", headers={"origin": "https://evil.example"})).status_code == 403
            async with plane.watch(token, origin=own) as live:
                parser = RecordParser()
                kinds = [each.kind for each in parser.feed(await live.recv())]
                assert kinds == [RecordKind.STATE]

    run(scene())


def test_only_tls_from_1_2_on_is_spoken(tmp_path: Path, authority: Authority) -> None:
    async def scene() -> None:
        async with encrypted(tmp_path, authority) as plane:
            for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                spoken = authority.client()
                spoken.minimum_version = spoken.maximum_version = version
                async with httpx.AsyncClient(verify=spoken) as client:
                    assert (await client.get(f"https://127.0.0.1:{plane.port}/health")).status_code == 200
            old = authority.client()
            with pytest.warns(DeprecationWarning, match="TLSv1_1"):
                old.minimum_version = ssl.TLSVersion.TLSv1_1
            with pytest.warns(DeprecationWarning, match="TLSv1_1"):
                old.maximum_version = ssl.TLSVersion.TLSv1_1
            old.set_ciphers("ALL:@SECLEVEL=0")
            async with httpx.AsyncClient(verify=old) as client:
                with pytest.raises(httpx.ConnectError):
                    await client.get(f"https://127.0.0.1:{plane.port}/health")
            async with httpx.AsyncClient() as client:
                with pytest.raises(httpx.HTTPError):
                    await client.get(f"http://127.0.0.1:{plane.port}/health")

    run(scene())


def test_clients_that_never_speak_tls_hold_nobody_up_and_go(
    tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entrance, "HANDSHAKE_S", 1.0)
    gc.disable()  # nothing may wait for it: each holds a buffer

    async def scene() -> None:
        async with encrypted(tmp_path, authority) as plane:
            assert (await plane.http.get("/health")).status_code == 200
            before, buffers = descriptors(), tls_buffers()
            idle = [socket.create_connection(("127.0.0.1", plane.port)) for _ in range(100)]
            # Half of them begin a handshake and never go on.
            for each in idle[:50]:
                each.sendall(b"\x16\x03\x01\x02\x00\x01")
            await until(lambda: plane.usage._connections.total() >= 100)
            assert (await plane.http.get("/health")).status_code == 200
            loop = asyncio.get_running_loop()
            for each in idle:
                each.settimeout(60)
                with contextlib.suppress(ConnectionResetError):
                    assert await loop.run_in_executor(None, each.recv, 1) == b""
                each.close()
            await until(lambda: plane.usage._connections.total() <= 1)
            await until(lambda: descriptors() <= before)
            await until(lambda: tls_buffers() <= buffers)
            assert not any(isinstance(each, entrance.TlsEntrance) for each in plane.server.server_state.connections)

    try:
        run(scene())
    finally:
        gc.enable()


def test_connections_count_before_their_handshake(tmp_path: Path, authority: Authority) -> None:
    async def scene() -> None:
        async with encrypted(tmp_path, authority, limits=Limits(connections_per_address=3)) as plane:
            held = [socket.create_connection(("127.0.0.1", plane.port)) for _ in range(3)]
            await until(lambda: plane.usage._connections.total() == 3)
            with pytest.raises(httpx.HTTPError):
                await plane.http.get("/health")
            for each in held:
                each.close()
            await until(lambda: plane.usage._connections.total() == 0)
            assert (await plane.http.get("/health")).status_code == 200
            await plane.http.aclose()
            await until(lambda: plane.usage._connections.total() == 0)

    run(scene())


def test_what_comes_with_the_last_words_of_the_handshake_is_not_lost(tmp_path: Path, authority: Authority) -> None:
    """A client that sends its request in one packet with TLS's Finished."""

    async def scene() -> None:
        async with encrypted(tmp_path, authority) as plane:
            reader, writer = await asyncio.open_connection("127.0.0.1", plane.port)
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            tls = authority.client().wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
            while True:
                try:
                    tls.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    writer.write(outgoing.read())
                    incoming.write(await reader.read(65536))
            tls.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            writer.write(outgoing.read())
            answer = b""
            async with asyncio.timeout(60):
                while b"ok" not in answer:
                    incoming.write(await reader.read(65536))
                    with contextlib.suppress(ssl.SSLWantReadError):
                        while True:
                            answer += tls.read()
            assert answer.startswith(b"HTTP/1.1 200")
            writer.transport.abort()

    run(scene())


def test_a_stop_waits_for_no_handshake(tmp_path: Path, authority: Authority) -> None:
    async def scene() -> None:
        async with encrypted(tmp_path, authority) as plane:
            held = socket.create_connection(("127.0.0.1", plane.port))
            await until(lambda: plane.usage._connections.total() == 1)
            watch = Stopwatch()
        assert watch.within(entrance.HANDSHAKE_S / 2)
        held.close()

    run(scene())


def _unreadable(authority: Authority) -> None:
    authority.key.unlink()


def _no_certificate(authority: Authority) -> None:
    authority.certificate.write_text("hello")


def _broken(authority: Authority) -> None:
    authority.certificate.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")


def _swapped(authority: Authority) -> None:
    authority.key.write_bytes(authority.certificate.read_bytes())


def _another(authority: Authority) -> None:
    authority.key.write_bytes(authority.ca.issue_cert("127.0.0.1").private_key_pem.bytes())


def _no_key(authority: Authority) -> None:
    authority.key.write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")


def _locked(authority: Authority) -> None:
    from_pem = authority.ca.issue_cert("127.0.0.1")
    key = serialization.load_pem_private_key(from_pem.private_key_pem.bytes(), None)
    form, locked = serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"hush-hush")
    authority.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, locked))
    authority.certificate.write_bytes(from_pem.cert_chain_pems[0].bytes())


def _endless(authority: Authority) -> None:
    authority.certificate.write_bytes(b"x" * 2_000_000)


@pytest.mark.parametrize(
    ("spoil", "kind", "says"),
    [
        (_unreadable, UnavailableError, "media.key cannot be read"),
        (_no_certificate, InvalidError, "media.pem is no certificate"),
        (_broken, InvalidError, "media.pem is no certificate"),
        (_swapped, InvalidError, "media.key is no private key"),
        (_another, InvalidError, "is not the private key of the certificate"),
        (_no_key, InvalidError, "cannot be used"),
        (_locked, InvalidError, "passphrase"),
        (_endless, InvalidError, "longer"),
    ],
)
def test_files_that_would_not_do_are_refused_in_words(
    authority: Authority, spoil: Callable[[Authority], None], kind: type[OvertError], says: str
) -> None:
    spoil(authority)
    with pytest.raises(kind, match=says) as refusal:
        ServerCertificate(authority.certificate, authority.key)
    assert "hush" not in str(refusal.value)
    assert "BEGIN PRIVATE KEY-----\n" not in str(refusal.value)


def test_a_recorder_does_not_begin_with_a_certificate_of_another_key(tmp_path: Path, authority: Authority) -> None:
    _another(authority)
    site = make_site(tmp_path)
    room = ControlRoom(read_recipients(site.recipients).site_id)
    source = ConfigurationSource(
        overrides=(
            ("footage", site.footage),
            ("media_listen", "127.0.0.1:0"),
            ("grant_keys", (room.public_key,)),
            ("media_certificate", authority.certificate),
            ("media_private_key", authority.key),
        )
    )
    with pytest.raises(InvalidError, match="private key"):
        MediaHost(source.load().settings)


@pytest.mark.parametrize("given", ["media_certificate", "media_private_key"])
def test_one_file_without_the_other_is_refused(tmp_path: Path, given: str) -> None:
    source = ConfigurationSource(overrides=(("footage", tmp_path), (given, tmp_path / "a.pem")))
    with pytest.raises(InvalidError, match="'media_certificate' and 'media_private_key' together"):
        source.load()


def test_paths_in_the_file_are_relative_to_it(tmp_path: Path) -> None:
    file = tmp_path / "overt.toml"
    file.write_text('[recorder]\nfootage = "f"\nmedia_certificate = "a.pem"\nmedia_private_key = "a.key"\n')
    assert ConfigurationSource(path=file).load().settings.media_files == (tmp_path / "a.pem", tmp_path / "a.key")


def test_a_changed_certificate_is_used_once_it_has_settled(authority: Authority) -> None:
    certificate = ServerCertificate(authority.certificate, authority.key)
    first = certificate.context
    certificate.look()
    assert certificate.context is first
    authority.issue()
    certificate.look()
    assert certificate.context is first, "it may still be written"
    certificate.look()
    second = certificate.context
    assert second is not first
    _another(authority)
    certificate.look()
    certificate.look()
    assert certificate.context is second
    assert "is not used" in certificate.trouble
    authority.issue()
    certificate.look()
    certificate.look()
    assert (certificate.context is second, certificate.trouble) == (False, "")


@pytest.mark.parametrize(
    ("days", "says"), [(-1, "has expired"), (3.5, "expires in 3 days"), (13.9, "expires in 13 days"), (30, None)]
)
def test_health_says_that_a_certificate_ends(days: float, says: str | None) -> None:
    media = MediaHealth(state="running", encrypted=True, certificate_ends_ns=int((1000 + days) * DAY_NS))
    health = assess(RecorderHealth(time_ns=1000 * DAY_NS, started_ns=1, revision=1, media=media))
    assert (health.level, len(health.sentences)) == (("ok", 0) if says is None else ("degraded", 1))
    assert says is None or says in health.sentences[0]


def test_a_whole_recorder_is_encrypted_and_its_certificate_renewed_while_somebody_watches(
    tmp_path: Path, authority: Authority
) -> None:
    site = make_site(tmp_path)
    room = ControlRoom(read_recipients(site.recipients).site_id)
    file = tmp_path / "recorder.toml"
    with cameras("front") as simulator:
        more = f'media_listen = "127.0.0.1:0"\ngrant_keys = ["{room.public_key}"]\n'
        more += 'media_certificate = "media.pem"\nmedia_private_key = "media.key"\n'
        more += 'media_origins = ["https://cctv.example.org", "https://cctv.example.org:8443"]'
        file.write_text(toml_of(addresses(simulator), recorder=more))
        with Recorder(site, file, workers=1) as recorder:
            recorder.wait_recording()
            media = recorder.wait_health(lambda health: bool(health["media"]["certificate_ends"]))["media"]
            assert media["encrypted"] is True
            assert "://" not in media["listening"]
            asyncio.run(_watched(room, authority, media["listening"]))
            after = recorder.health()
            assert (after["media"]["restarts"], after["streams"][0]["reconnects"]) == (0, 0)
            assert recorder.stop() == 0
        assert "Traceback" not in recorder.errors()
        assert "certificate renewed" in recorder.errors()


async def _watched(room: ControlRoom, authority: Authority, listening: str) -> None:
    secret = os.urandom(32)
    grant = room.grant(may(FRONT), secret=secret)
    trust = authority.client()
    async with httpx.AsyncClient(base_url=f"https://{listening}", verify=trust, timeout=60) as client:
        opened = await client.post("/session", json={"grant": grant.to_token(room.key), "secret": to_text(secret)})
        assert opened.status_code == 201, opened.text
        token = opened.json()["token"]
        for origin in ("https://cctv.example.org", "https://cctv.example.org:8443"):
            answer = await client.get("/health", headers={"origin": origin})
            assert answer.headers["access-control-allow-origin"] == origin
        headers = {"authorization": f"Bearer {token}"}
        async with asyncio.timeout(60):
            while not (await client.get("/cameras", headers=headers)).json()["cameras"][0]["streams"]:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        protocols, parser, fragments = [PROTOCOL, f"{TOKEN_PREFIX}{token}"], RecordParser(), 0
        address = f"wss://{listening}/cameras/front/main/live"
        before = await _served(authority, listening)
        authority.issue()
        async with asyncio.timeout(60), connect(address, subprotocols=protocols, ssl=trust, proxy=None) as live:
            while await _served(authority, listening) == before:
                fragments += sum(each.kind == RecordKind.FRAGMENT for each in parser.feed(await live.recv()))
            fragments = 0
            while fragments < 2:
                fragments += sum(each.kind == RecordKind.FRAGMENT for each in parser.feed(await live.recv()))


async def _served(authority: Authority, listening: str) -> bytes:
    """The certificate that a new connection is shown."""
    host, port = listening.rsplit(":", 1)
    _, writer = await asyncio.open_connection(host, int(port), ssl=authority.client())
    try:
        shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        assert isinstance(shown, bytes)
        return shown
    finally:
        writer.close()
        await writer.wait_closed()
