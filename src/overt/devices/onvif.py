"""ONVIF, as far as it says what a camera is and where its streams are: five questions, none of which changes anything.

GetSystemDateAndTime, GetDeviceInformation, GetServices (or GetCapabilities), GetProfiles and GetStreamUri, of Media2
where a device has it, since Media1 hides streams in H.265, else of Media1. Authentication is WS-UsernameToken with the
device's own time (Profile S), or HTTP Digest where the device asks for it; the password is never sent, nor is Basic
authentication spoken.

A device is asked at one address alone: of the addresses that it names only the paths are used, redirects to other hosts
are not followed, and stream addresses are moved to its own host.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Self
from urllib.parse import urlsplit, urlunsplit
from xml.etree import ElementTree as ET

import httpx

from overt.devices import soap
from overt.devices.soap import NotAnsweredError
from overt.errors import ForbiddenError, InvalidError, OvertError, UnavailableError
from overt.media.rtsp.auth import Credentials

DEVICE_PATH: Final = "/onvif/device_service"
DEVICE: Final = "http://www.onvif.org/ver10/device/wsdl"
MEDIA1: Final = "http://www.onvif.org/ver10/media/wsdl"
MEDIA2: Final = "http://www.onvif.org/ver20/media/wsdl"
SCHEMA: Final = "http://www.onvif.org/ver10/schema"
MAX_PROFILES: Final = 8
MAX_REDIRECTS: Final = 2
MAX_URL: Final = 1024
STEP_S: Final = 3.0
"""For one step of a request: to connect, to send, to receive something."""
_MEDIA_TYPE: Final = "application/soap+xml; charset=utf-8"
_MOMENT: Final = (
    *(("Date", "Year"), ("Date", "Month"), ("Date", "Day")),
    *(("Time", "Hour"), ("Time", "Minute"), ("Time", "Second")),
)
_CODECS: Final = {"h264": "h264", "avc": "h264", "h265": "h265", "hevc": "h265", "jpeg": "mjpeg", "mjpeg": "mjpeg"}


@dataclass(frozen=True, slots=True)
class DeviceInformation:
    """What a device says that it is."""

    maker: str
    model: str
    firmware: str
    serial_number: str


@dataclass(frozen=True, slots=True)
class Profile:
    """One media profile, as it is configured; what the stream truly is, only the stream says."""

    token: str
    name: str
    width: int | None = None
    height: int | None = None
    codec: str | None = None
    fps: int | None = None
    gop: int | None = None
    """Frames from one keyframe to the next."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a device is asked."""

    host: str
    """Name or address; an IPv6 address without brackets."""
    port: int
    tls: bool = False
    """HTTPS. The certificate is not checked: cameras make their own, and no secret depends on it."""

    def url(self, path: str) -> str:
        """Return the address of a path there."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}{path}"


class OnvifDevice:
    """One device. Not thread-safe; a context manager that closes its connections."""

    def __init__(
        self,
        place: Place,
        credentials: Credentials | None,
        *,
        deadline_s: float,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Prepare to ask; all questions together may take until `deadline_s` of the monotonic clock."""
        self.place: Final = place
        self._credentials, self._deadline_s = credentials, deadline_s
        self._monotonic, self._now = monotonic, now
        self._offset = timedelta()
        self._digest: httpx.DigestAuth | None = None
        self._client = httpx.Client(
            verify=False,  # noqa: S501 - see `Place.tls`
            follow_redirects=False,
            trust_env=False,  # a proxy does not lead to cameras
            transport=transport,
            limits=httpx.Limits(max_connections=2),
            headers={"user-agent": "Overt", "accept-encoding": "identity"},
        )

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self._client.close()

    # --- the questions -----------------------------------------------------------------------------------------------

    def clock_offset_s(self) -> float | None:
        """Return the device's clock minus ours, to about half a second; None if it does not tell UTC.

        Asked without credentials; the following questions are signed at the device's time.

        Raises: as `_ask`.
        """
        before = self._now()
        found = self._ask(DEVICE_PATH, DEVICE, "GetSystemDateAndTime", signed=False)
        ours = before + (self._now() - before) / 2
        utc = soap.child(found, "SystemDateAndTime", "UTCDateTime")
        if utc is None:
            return None
        parts = [soap.whole(soap.text(utc, *path), 9999) for path in _MOMENT]
        if any(part is None for part in parts):
            return None
        year, month, day, hour, minute, second = (part or 0 for part in parts)
        try:
            told = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)
        except ValueError:
            return None
        self._offset = told - ours
        # It tells whole seconds: on the average half of one has passed.
        return round((self._offset + timedelta(seconds=0.5)).total_seconds(), 1)

    def information(self) -> DeviceInformation:
        """Return what the device says that it is; raises as `_ask`."""
        found = self._ask(DEVICE_PATH, DEVICE, "GetDeviceInformation")
        names = ("Manufacturer", "Model", "FirmwareVersion", "SerialNumber")
        return DeviceInformation(*(soap.text(found, name) for name in names))

    def media_paths(self) -> dict[str, str]:
        """Return the paths of the media services by their namespaces, Media2 first; raises as `_ask`."""
        try:
            found = self._ask(DEVICE_PATH, DEVICE, "GetServices", {"IncludeCapability": "false"})
            named = {
                soap.text(each, "Namespace"): soap.text(each, "XAddr")
                for each in found
                if soap.local(each) == "Service"
            }
        except ForbiddenError:
            raise
        except (NotAnsweredError, InvalidError, UnavailableError):
            found = self._ask(DEVICE_PATH, DEVICE, "GetCapabilities", {"Category": "All"})
            named = {MEDIA1: soap.text(found, "Capabilities", "Media", "XAddr")}
        paths = {namespace: _path_of(named.get(namespace, "")) for namespace in (MEDIA2, MEDIA1)}
        return {namespace: path for namespace, path in paths.items() if path}

    def profiles(self, paths: Mapping[str, str]) -> tuple[str, list[Profile]]:
        """Return the namespace of the media service that answered, and its profiles with video, at most `MAX_PROFILES`.

        Raises:
            NotAnsweredError: no media service tells any.
            OvertError: as `_ask`.
        """
        trouble: OvertError | None = None
        for namespace, path in paths.items():
            fields = {"Type": "VideoEncoder"} if namespace == MEDIA2 else None
            try:
                found = self._ask(path, namespace, "GetProfiles", fields)
            except ForbiddenError:
                raise
            except OvertError as error:
                trouble = error
                continue
            read = _profile2 if namespace == MEDIA2 else _profile1
            profiles = [read(each) for each in found if soap.local(each) == "Profiles" and each.get("token")]
            if profiles:
                return namespace, profiles[:MAX_PROFILES]
        if trouble is not None:
            raise trouble
        msg = "the device names no media profile"
        raise NotAnsweredError(msg)

    def stream_url(self, namespace: str, path: str, profile: Profile) -> str:
        """Return the RTSP address of a profile, at the device's own host, without credentials.

        Raises:
            InvalidError: it names none that can be used.
            OvertError: as `_ask`.
        """
        if namespace == MEDIA2:
            found = self._ask(path, MEDIA2, "GetStreamUri", {"Protocol": "RTSP", "ProfileToken": profile.token})
            named = soap.child(found, "Uri")
        else:
            setup = {f"{{{SCHEMA}}}Stream": "RTP-Unicast", f"{{{SCHEMA}}}Transport": {f"{{{SCHEMA}}}Protocol": "RTSP"}}
            fields = {"StreamSetup": setup, "ProfileToken": profile.token}
            found = self._ask(path, MEDIA1, "GetStreamUri", fields)
            named = soap.child(found, "MediaUri", "Uri")
        return at_host((named.text or "").strip() if named is not None else "", self.place.host)

    # --- asking ------------------------------------------------------------------------------------------------------

    def _ask(
        self, path: str, namespace: str, name: str, fields: Mapping[str, object] | None = None, *, signed: bool = True
    ) -> ET.Element:
        """Return the answer to a question.

        Raises:
            UnavailableError: nobody answers there, or not in time, or with a fault.
            ForbiddenError: the user name or password is refused.
            InvalidError: what answers is not ONVIF, or leads elsewhere.
        """
        asked = soap.question(namespace, name, fields)
        credentials = self._credentials if signed else None
        if self._digest is None:
            body = soap.envelope(asked, credentials, self._now() + self._offset)
            status, headers, data = self._post(path, body, None)
            if status == httpx.codes.UNAUTHORIZED and not _holds_fault(data):
                if credentials is None:
                    msg = f"the device wants a user name and password for {name}"
                    raise ForbiddenError(msg)
                if "digest" not in headers.get("www-authenticate", "").lower():
                    msg = "the device asks for HTTP authentication other than Digest, which would show the password"
                    raise ForbiddenError(msg)
                self._digest = httpx.DigestAuth(credentials.username, credentials.password)
                return self._ask(path, namespace, name, fields, signed=signed)
        else:
            status, _, data = self._post(path, soap.envelope(asked, None, self._now()), self._digest)
            if status == httpx.codes.UNAUTHORIZED:
                msg = "the device refuses the user name or password for ONVIF (HTTP Digest)"
                raise ForbiddenError(msg)
        if status >= httpx.codes.BAD_REQUEST and not _holds_fault(data):
            msg = f"the device answers {name} with HTTP {status}: is this its ONVIF port?"
            raise UnavailableError(msg)
        return soap.answer(data, f"{name}Response")

    def _post(self, path: str, body: bytes, auth: httpx.Auth | None) -> tuple[int, httpx.Headers, bytes]:
        """Send a request; return status, headers and body of the answer. Raises `UnavailableError`, `InvalidError`."""
        place = self.place
        for _ in range(MAX_REDIRECTS + 1):
            try:
                with self._client.stream(
                    "POST",
                    place.url(path),
                    content=body,
                    headers={"content-type": _MEDIA_TYPE},
                    auth=auth,
                    timeout=httpx.Timeout(min(STEP_S, self._left())),
                ) as response:
                    if not response.has_redirect_location:
                        return response.status_code, response.headers, self._body(response)
                    place, path = self._followed(place, response.headers["location"])
            except httpx.TimeoutException as error:
                msg = f"nothing answers in time at {place.url('/')}: is this the camera's ONVIF port?"
                raise UnavailableError(msg) from error
            except httpx.TransportError as error:
                msg = f"ONVIF cannot be asked at {place.url('/')}: {soap.clean(str(error)) or 'the connection ended'}"
                raise UnavailableError(msg) from error
            except (KeyError, NotImplementedError) as error:  # httpx, of a challenge
                msg = "the device asks for a form of HTTP Digest that is not spoken here"
                raise InvalidError(msg) from error
            except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, UnicodeError, ValueError) as error:
                msg = f"what answers at {place.url('/')} is no HTTP as it should be"
                raise InvalidError(msg) from error
        msg = f"the device redirects more than {MAX_REDIRECTS} times"
        raise InvalidError(msg)

    def _body(self, response: httpx.Response) -> bytes:
        data = bytearray()
        for chunk in response.iter_raw():
            data += chunk
            self._left()
            if len(data) > soap.MAX_ANSWER:
                msg = f"the answer is longer than {soap.MAX_ANSWER} bytes"
                raise InvalidError(msg)
        return bytes(data)

    def _left(self) -> float:
        """Return the seconds that are left; raises `UnavailableError` if none are."""
        left = self._deadline_s - self._monotonic()
        if left <= 0:
            msg = f"{self.place.host} takes too long to answer ONVIF"
            raise UnavailableError(msg)
        return left

    def _followed(self, place: Place, location: str) -> tuple[Place, str]:
        """Return where a redirect leads: on the same host, and not out of TLS; `InvalidError` if elsewhere."""
        msg = "the device redirects to another address: that is not followed; give the camera's own address"
        try:
            parts = urlsplit(location)
            host, port, scheme = parts.hostname, parts.port, parts.scheme.lower()
        except ValueError:
            raise InvalidError(msg) from None
        path = parts.path or "/"
        if host is None and not scheme and path.startswith("/"):
            return place, path
        if host != place.host.lower() or scheme not in {"http", "https"} or (place.tls and scheme == "http"):
            raise InvalidError(msg)
        return Place(place.host, port or (443 if scheme == "https" else 80), scheme == "https"), path


def _holds_fault(data: bytes) -> bool:
    return b"Fault" in data and b"Envelope" in data


def _path_of(address: str) -> str:
    """Return the path of a service's address; empty if it is none."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    if parts.scheme.lower() not in {"http", "https"} or not parts.path.startswith("/") or len(address) >= soap.MAX_TEXT:
        return ""
    return urlunsplit(("", "", parts.path, parts.query, "")) if parts.path.isascii() else ""


def at_host(url: str, host: str) -> str:
    """Return an RTSP address that a device names, moved to the host at which it was asked, without credentials.

    A device behind address translation names its inner address; a hostile one might name somebody else's.

    Raises:
        InvalidError: it is no RTSP address.
    """
    msg = "the device names a stream address that is no rtsp:// address"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise InvalidError(msg) from None
    usable = len(url) <= MAX_URL and url.isascii() and url.isprintable() and " " not in url
    if not usable or parts.scheme.lower() not in {"rtsp", "rtsps"} or not parts.hostname:
        raise InvalidError(msg)
    shown = f"[{host}]" if ":" in host else host
    return urlunsplit((parts.scheme.lower(), shown if port is None else f"{shown}:{port}", parts.path, parts.query, ""))


def _codec(name: str) -> str | None:
    return _CODECS.get(name.lower().replace(".", ""), soap.clean(name.lower())[:20] or None)


def _profile1(element: ET.Element) -> Profile:
    """Read a profile of Media1."""
    video = soap.child(element, "VideoEncoderConfiguration")
    video = ET.Element("none") if video is None else video
    length = next((soap.text(each, "GovLength") for each in video if soap.child(each, "GovLength") is not None), None)
    return _profile(element, video, length)


def _profile2(element: ET.Element) -> Profile:
    """Read a profile of Media2."""
    video = soap.child(element, "Configurations", "VideoEncoder")
    video = ET.Element("none") if video is None else video
    return _profile(element, video, video.get("GovLength"))


def _profile(element: ET.Element, video: ET.Element, length: str | None) -> Profile:
    return Profile(
        token=(element.get("token") or "")[: soap.MAX_TEXT],
        name=soap.text(element, "Name"),
        width=soap.whole(soap.text(video, "Resolution", "Width"), 65_535),
        height=soap.whole(soap.text(video, "Resolution", "Height"), 65_535),
        codec=_codec(soap.text(video, "Encoding")),
        fps=soap.whole(soap.text(video, "RateControl", "FrameRateLimit"), 1000),
        gop=soap.whole(length, 100_000),
    )
