"""The ONVIF service of a simulated camera: what it is, what time it thinks it is, which streams it has.

HTTP/1.1 on a port of its own, in the simulator's event loop. The five questions that are asked to find streams are
answered (Media1 or Media2), with WS-UsernameToken or HTTP Digest as the persona says; anything else is a fault.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape, quoteattr

import h11
from defusedxml import ElementTree as DefusedTree
from defusedxml.common import DefusedXmlException

from overt.simulator.authentication import Doorkeeper
from overt.simulator.dialects import DIALECTS
from overt.simulator.rtsp import Request

if TYPE_CHECKING:
    from overt.simulator.persona import OnvifPersona

MAX_BODY: Final = 64 * 1024
IDLE_S: Final = 10.0
SKEW_S: Final = 30.0
"""A token that was made so far from the camera's own time is refused, as cameras do."""
PATH: Final = "/onvif/device_service"
MEDIA_PATHS: Final = {"media1": "/onvif/media_service", "media2": "/onvif/media2_service"}
NAMESPACES: Final = {
    "device": "http://www.onvif.org/ver10/device/wsdl",
    "media1": "http://www.onvif.org/ver10/media/wsdl",
    "media2": "http://www.onvif.org/ver20/media/wsdl",
}
_SCHEMA: Final = "http://www.onvif.org/ver10/schema"
_ENVELOPE: Final = "http://www.w3.org/2003/05/soap-envelope"


@dataclass(frozen=True, slots=True)
class OnvifStream:
    """One stream of the device, as its profile says it."""

    name: str
    url: str
    codec: str
    width: int
    height: int
    fps: int
    gop: int


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back."""

    status: int
    body: str
    headers: tuple[tuple[str, str], ...] = ()


class OnvifDevice:
    """Answers questions. `streams` is asked each time, since ports are known late; `now` is the camera's own clock."""

    def __init__(
        self,
        persona: OnvifPersona,
        login: tuple[str, str],
        streams: Callable[[], list[OnvifStream]],
        now: Callable[[], datetime],
    ) -> None:
        """Be the device of a persona; `login` is its user and password, the user empty where it asks for none."""
        self._persona, self._login, self._streams, self._now = persona, login, streams, now
        self._doorkeeper = Doorkeeper("digest-md5", *login, DIALECTS["axis"])
        self.asked: list[str] = []
        """Names of the questions, and `refused` for those without proof of the password; the latest hundred."""

    def answer(self, base: str, path: str, headers: dict[str, str], body: bytes) -> Reply:
        """Return the reply to a POST of `path`; `base` is how the client calls us: `http://HOST:PORT`."""
        try:
            root: ET.Element = DefusedTree.fromstring(body, forbid_dtd=True)
        except (ET.ParseError, DefusedXmlException, ValueError):
            return _fault("Sender", "ter:WellFormed", "not well-formed", 400)
        content = root.find(f"{{{_ENVELOPE}}}Body")
        if content is None or len(content) != 1:
            return _fault("Sender", "ter:WellFormed", "no request in the body", 400)
        namespace, _, name = content[0].tag.lstrip("{").rpartition("}")
        del self.asked[:-99]
        if name != "GetSystemDateAndTime" and (refusal := self._refusal(root, headers, path)) is not None:
            self.asked.append("refused")
            return refusal
        self.asked.append(name)
        service = next((key for key, value in NAMESPACES.items() if value == namespace), "")
        served = PATH if service == "device" else MEDIA_PATHS.get(service)
        if served != path or service not in {"device", *self._persona.media}:
            return _fault("Receiver", "ter:ActionNotSupported", "this service is not supported", 400)
        replies = {
            ("device", "GetSystemDateAndTime"): self._time,
            ("device", "GetDeviceInformation"): self._information,
            ("device", "GetServices"): lambda: self._services(base),
            ("device", "GetCapabilities"): lambda: self._capabilities(base),
            ("media1", "GetProfiles"): self._profiles1,
            ("media2", "GetProfiles"): self._profiles2,
        }
        if name == "GetStreamUri":
            token = next((each.text or "" for each in content[0].iter() if each.tag.endswith("}ProfileToken")), "")
            return self._stream(service, token)
        reply = replies.get((service, name))
        if reply is None:
            return _fault("Receiver", "ter:ActionNotSupported", "this action is not supported", 400)
        return _envelope(namespace, f"<r:{name}Response>{reply()}</r:{name}Response>")

    # --- who asks ----------------------------------------------------------------------------------------------------

    def _refusal(self, root: ET.Element, headers: dict[str, str], path: str) -> Reply | None:
        if not self._login[0]:
            return None
        if self._persona.auth == "digest":
            admitted = self._doorkeeper.admits(Request("POST", path, headers))
            if admitted is True:
                return None
            challenges = self._doorkeeper.challenges(stale=admitted == "stale")
            told = [line.partition(": ") for line in challenges]
            return Reply(401, "", tuple((name, value) for name, _, value in told))
        return None if self._knows(root) else _fault("Sender", "ter:NotAuthorized", "Sender not authorized", 400)

    def _knows(self, root: ET.Element) -> bool:
        """Tell whether a UsernameToken proves knowledge of the password, made at about our time."""
        found = {each.tag.rpartition("}")[2]: each.text or "" for each in root.iter()}
        user, password = self._login
        created = found.get("Created", "")
        try:
            nonce = base64.b64decode(found.get("Nonce", ""), validate=True)
            made = datetime.fromisoformat(created)
        except (ValueError, binascii.Error):
            return False
        if made.tzinfo is None or abs(made - self._now()) > timedelta(seconds=SKEW_S):
            return False
        digest = hashlib.sha1(nonce + created.encode() + password.encode(), usedforsecurity=False).digest()
        proof = base64.b64encode(digest).decode()
        return found.get("Username") == user and hmac.compare_digest(found.get("Password", "").encode(), proof.encode())

    # --- what is answered --------------------------------------------------------------------------------------------

    def _time(self) -> str:
        now = self._now().astimezone(UTC)
        return (
            "<r:SystemDateAndTime><t:DateTimeType>NTP</t:DateTimeType><t:DaylightSavings>false</t:DaylightSavings>"
            f"<t:UTCDateTime><t:Time><t:Hour>{now.hour}</t:Hour><t:Minute>{now.minute}</t:Minute>"
            f"<t:Second>{now.second}</t:Second></t:Time><t:Date><t:Year>{now.year}</t:Year>"
            f"<t:Month>{now.month}</t:Month><t:Day>{now.day}</t:Day></t:Date></t:UTCDateTime></r:SystemDateAndTime>"
        )

    def _information(self) -> str:
        persona = self._persona
        fields = {
            "Manufacturer": persona.maker,
            "Model": persona.model,
            "FirmwareVersion": persona.firmware,
            "SerialNumber": persona.serial_number,
            "HardwareId": "overt-simulator",
        }
        return "".join(f"<r:{name}>{escape(value)}</r:{name}>" for name, value in fields.items())

    def _services(self, base: str) -> str:
        paths = {"device": PATH} | {service: MEDIA_PATHS[service] for service in self._persona.media}
        return "".join(
            f"<r:Service><r:Namespace>{NAMESPACES[service]}</r:Namespace><r:XAddr>{escape(base + path)}</r:XAddr>"
            "<r:Version><t:Major>2</t:Major><t:Minor>60</t:Minor></r:Version></r:Service>"
            for service, path in paths.items()
        )

    def _capabilities(self, base: str) -> str:
        media = ""
        if "media1" in self._persona.media:
            media = f"<t:Media><t:XAddr>{escape(base + MEDIA_PATHS['media1'])}</t:XAddr></t:Media>"
        device = f"<t:Device><t:XAddr>{escape(base + PATH)}</t:XAddr></t:Device>"
        return f"<r:Capabilities>{device}{media}</r:Capabilities>"

    def _profiles1(self) -> str:
        # Media1 knows no H.265 (ONVIF Media §5.5): such a profile stands in Media2 alone.
        return "".join(
            f'<r:Profiles token="p{number}" fixed="true"><t:Name>{escape(each.name)}</t:Name>'
            f'<t:VideoEncoderConfiguration token="v{number}"><t:Encoding>{each.codec.upper()}</t:Encoding>'
            f"{_size(each)}<t:H264><t:GovLength>{each.gop}</t:GovLength></t:H264>"
            "</t:VideoEncoderConfiguration></r:Profiles>"
            for number, each in enumerate(self._streams())
            if each.codec == "h264"
        )

    def _profiles2(self) -> str:
        return "".join(
            f'<r:Profiles token="p{number}" fixed="true"><r:Name>{escape(each.name)}</r:Name><r:Configurations>'
            f'<r:VideoEncoder token="v{number}" GovLength={quoteattr(str(each.gop))}>'
            f"<t:Encoding>{each.codec.upper()}</t:Encoding>{_size(each)}</r:VideoEncoder>"
            "</r:Configurations></r:Profiles>"
            for number, each in enumerate(self._streams())
        )

    def _stream(self, service: str, token: str) -> Reply:
        streams = {f"p{number}": each for number, each in enumerate(self._streams())}
        if token not in streams:
            return _fault("Sender", "ter:NoProfile", "no such profile", 400)
        uri = escape(streams[token].url)
        told = f"<r:Uri>{uri}</r:Uri>"
        if service == "media1":
            told = f"<r:MediaUri><t:Uri>{uri}</t:Uri><t:Timeout>PT0S</t:Timeout></r:MediaUri>"
        return _envelope(NAMESPACES[service], f"<r:GetStreamUriResponse>{told}</r:GetStreamUriResponse>")


def _size(stream: OnvifStream) -> str:
    return (
        f"<t:Resolution><t:Width>{stream.width}</t:Width><t:Height>{stream.height}</t:Height></t:Resolution>"
        f"<t:RateControl><t:FrameRateLimit>{stream.fps}</t:FrameRateLimit></t:RateControl>"
    )


def _envelope(namespace: str, content: str, status: int = 200) -> Reply:
    return Reply(
        status,
        f'<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="{_ENVELOPE}" xmlns:t="{_SCHEMA}" '
        f'xmlns:ter="http://www.onvif.org/ver10/error" xmlns:r="{namespace}"><s:Body>{content}</s:Body></s:Envelope>',
    )


def _fault(code: str, subcode: str, reason: str, status: int) -> Reply:
    content = (
        f"<s:Fault><s:Code><s:Value>s:{code}</s:Value><s:Subcode><s:Value>{subcode}</s:Value></s:Subcode></s:Code>"
        f'<s:Reason><s:Text xml:lang="en">{reason}</s:Text></s:Reason></s:Fault>'
    )
    return _envelope(NAMESPACES["device"], content, status)


class OnvifServer:
    """Serves a device over HTTP in the running event loop."""

    def __init__(self, device: OnvifDevice) -> None:
        """Serve `device` once `start` has been called."""
        self.device: Final = device
        self.port = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, listen: str, port: int) -> None:
        """Listen; raises `OSError` if the port is taken."""
        self._server = await asyncio.start_server(self._serve, listen, port)
        self.port = int(self._server.sockets[0].getsockname()[1])

    def close(self) -> None:
        """Cut all connections and stop to listen."""
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()

    @property
    def idle(self) -> bool:
        """Whether no connection is open."""
        return not self._tasks

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            return
        self._tasks.add(task)
        try:
            async with asyncio.timeout(IDLE_S):
                await self._converse(reader, writer)
        except (OSError, TimeoutError, h11.RemoteProtocolError, asyncio.CancelledError):
            pass  # gone, silent, or no HTTP: the camera has nothing to say to that
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_BODY)
        request: h11.Request | None = None
        body = bytearray()
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(await reader.read(65536))
            elif isinstance(event, h11.Request):
                request, body = event, bytearray()
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > MAX_BODY:
                    return
            elif isinstance(event, h11.EndOfMessage) and request is not None:
                writer.write(self._replied(connection, request, bytes(body), writer))
                await writer.drain()
                if connection.our_state is h11.MUST_CLOSE:
                    return
                connection.start_next_cycle()
            else:
                return

    def _replied(
        self, connection: h11.Connection, request: h11.Request, body: bytes, writer: asyncio.StreamWriter
    ) -> bytes:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers}
        host, port = writer.get_extra_info("sockname")[:2]
        base = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        path = request.target.decode("latin-1").partition("?")[0]
        reply = Reply(405, "") if request.method != b"POST" else self.device.answer(base, path, headers, body)
        content = reply.body.encode()
        told = [("Content-Type", "application/soap+xml; charset=utf-8"), ("Content-Length", str(len(content)))]
        head = h11.Response(status_code=reply.status, headers=[*told, *reply.headers])
        parts = (head, h11.Data(data=content), h11.EndOfMessage())
        return b"".join(connection.send(part) or b"" for part in parts)
