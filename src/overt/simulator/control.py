"""The RTSP side of a simulated camera: what it answers to each method (RFC 2326 10), in its maker's dialect."""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Protocol

from overt.errors import UnavailableError
from overt.simulator.faults import Answer, Redirect, RenumberChannels
from overt.simulator.reel import METADATA
from overt.simulator.rtsp import Request, reply_bytes
from overt.simulator.sdp import control_url, session_description, track_token
from overt.simulator.session import Session, UdpPair

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from overt.simulator.authentication import Doorkeeper
    from overt.simulator.connection import Connection
    from overt.simulator.dialects import Dialect
    from overt.simulator.faults import Lasting
    from overt.simulator.persona import CameraPersona
    from overt.simulator.record import Statistics
    from overt.simulator.reel import Reel

DEFAULT_TIMEOUT_S: Final = 60
"""Announced where the persona sets none (RFC 2326 12.37); never enforced then."""


class Studio(Protocol):
    """The camera behind the RTSP conversation."""

    persona: CameraPersona
    dialect: Dialect
    counters: Statistics

    @property
    def faults(self) -> Mapping[str, Lasting]:
        """Those in force, by kind."""
        ...

    @property
    def reels(self) -> Sequence[Reel]:
        """The tracks, video first."""
        ...

    def play(self, session: Session) -> dict[int, tuple[int, int]]:
        """Start sending; return sequence number and RTP time stamp of the first packet of each track."""
        ...

    def pause(self, session: Session) -> None:
        """Stop sending."""
        ...

    def alive(self, session: Session, sign: str) -> None:
        """Note a sign of life: a method, or RTCP."""
        ...

    def monotonic(self) -> float:
        """The loop's clock."""
        ...


class Conversation:
    """Answers requests. One for all connections of a camera; what differs hangs on the connection."""

    def __init__(self, studio: Studio, doorkeeper: Doorkeeper) -> None:
        """Speak for `studio`, behind `doorkeeper`."""
        self._studio = studio
        self._dialect = studio.dialect
        self._doorkeeper = doorkeeper
        self._methods: dict[str, Callable[[Connection, Request], int]] = {
            "OPTIONS": self._options,
            "DESCRIBE": self._describe,
            "SETUP": self._setup,
            "PLAY": self._play,
            "PAUSE": self._pause,
            "TEARDOWN": self._teardown,
            "GET_PARAMETER": self._parameter,
            "SET_PARAMETER": self._parameter,
        }
        self._public = tuple(
            name for name in self._dialect.public.split(", ") if name not in studio.persona.unsupported
        )

    def answer(self, connection: Connection, request: Request) -> int:
        """Answer a request; return the status that was sent."""
        fault = self._studio.faults.get("answer")
        if isinstance(fault, Answer) and fault.method == request.method:
            return self._reply(connection, request, fault.status)
        if request.method not in self._methods or request.method not in self._public:
            return self._reply(connection, request, 501)
        if request.method != "OPTIONS" and (status := self._turned_away(connection, request)):
            return status
        return self._methods[request.method](connection, request)

    @property
    def _tracks(self) -> list[Reel]:
        """What DESCRIBE offers: the camera's tracks, and perhaps one that stays silent."""
        return [*self._studio.reels, *([METADATA] if self._dialect.metadata_track else [])]

    def _turned_away(self, connection: Connection, request: Request) -> int:
        if self._studio.persona.auth == "none" and "refuse_password" not in self._studio.faults:
            return 0
        admitted = self._doorkeeper.admits(request)
        if admitted is True and "refuse_password" not in self._studio.faults:
            return 0
        challenges = self._doorkeeper.challenges(stale=admitted == "stale")
        return self._reply(connection, request, 401, challenges)

    def _reply(
        self, connection: Connection, request: Request, status: int, headers: Sequence[str] = (), body: str = ""
    ) -> int:
        dialect = self._dialect
        head = [f"{dialect.cseq}: {request.headers.get('cseq', '')}"]
        if dialect.server and (dialect.server_on is None or request.method in dialect.server_on):
            head.insert(0, f"Server: {dialect.server}")
        if dialect.date == "rfc1123":
            head.append(f"Date: {datetime.now(UTC):%a, %d %b %Y %H:%M:%S GMT}")
        elif dialect.date == "live555":
            head.append(f"Date:  {datetime.now(UTC):%a, %b %d %Y %H:%M:%S GMT}")
        connection.write(reply_bytes(status, [*head, *headers], body))
        return status

    def _session_header(self, session: Session, *, timeout: bool) -> str:
        seconds = self._studio.persona.session_timeout_s or DEFAULT_TIMEOUT_S
        form = self._dialect.timeout_form.format(seconds=seconds) if timeout else ""
        return f"Session:{self._dialect.session_spacing}{session.identifier}{form}"

    def _session_of(self, connection: Connection, request: Request) -> Session | None:
        """The session that the request names, or that is meant if it names none on its own connection."""
        named = request.headers.get("session", "").partition(";")[0].strip()
        session = connection.session
        if session is None or (named and named != session.identifier):
            return None
        return session

    def _options(self, connection: Connection, request: Request) -> int:
        session = self._session_of(connection, request)
        if session is not None:
            self._studio.alive(session, "OPTIONS")
        return self._reply(connection, request, 200, [f"Public: {', '.join(self._public)}"])

    def _parameter(self, connection: Connection, request: Request) -> int:
        session = self._session_of(connection, request)
        if session is None:
            return self._reply(connection, request, 454)
        self._studio.alive(session, request.method)
        return self._reply(connection, request, 200, [self._session_header(session, timeout=False)])

    def _describe(self, connection: Connection, request: Request) -> int:
        dialect, persona = self._dialect, self._studio.persona
        fault = self._studio.faults.get("redirect")
        if isinstance(fault, Redirect):
            return self._reply(connection, request, 302, [f"Location: {fault.to}"])
        if not self._is_ours(request.path):
            return self._reply(connection, request, 404)
        url = self._without_credentials(request)
        bases = {
            "slash": [f"Content-Base: {url.rstrip('/')}/"],
            "bare": [f"Content-Base: {url}"],
            "no-scheme": [f"Content-Base: {url.partition('://')[2].rstrip('/')}/"],
            "none": [],
        }
        headers = [*dialect.describe_headers, *bases[dialect.content_base]]
        at = 0 if dialect.describe_type_first else len(headers)
        headers.insert(at, "Content-Type: application/sdp")
        body = session_description(
            dialect,
            self._tracks,
            request.base,
            origin=1_109_162_014_219_182,
            address=connection.camera_address,
            parameter_sets=persona.parameter_sets != "inband",
        )
        return self._reply(connection, request, 200, headers, body)

    def _setup(self, connection: Connection, request: Request) -> int:
        track = self._track_of(request)
        if track is None:
            return self._reply(connection, request, 404)
        session = connection.session
        named = request.headers.get("session", "").partition(";")[0].strip()
        if named and (session is None or session.identifier != named):
            return self._reply(connection, request, 454)
        if session is None:
            session = Session(str(secrets.randbelow(900_000_000) + 100_000_000), connection, self._studio.counters)
        for offer in request.headers.get("transport", "").split(","):
            transport = self._transport(connection, session, track, offer.strip())
            if transport is not None:
                connection.session = session
                session.seen_at = self._studio.monotonic()
                headers = [self._session_header(session, timeout=True), f"Transport: {transport}"]
                return self._reply(connection, request, 200, headers)
        return self._reply(connection, request, 461)

    def _transport(self, connection: Connection, session: Session, track: int, offer: str) -> str | None:
        """Set a leg up as the client offers; return the Transport header's value, or None if that cannot be."""
        parts = [part.strip() for part in offer.split(";")]
        accepted = self._studio.persona.transport
        reel = self._tracks[track]
        if parts[0] == "RTP/AVP/TCP" and "tcp" in accepted:
            found = re.search(r"interleaved=(\d{1,3})", offer)
            channel = int(found[1]) if found else 2 * track
            fault = self._studio.faults.get("renumber_channels")
            if isinstance(fault, RenumberChannels):
                channel += fault.by
            if channel > 254:
                return None
            leg = session.add_leg(track, reel, channel=channel)
            return self._dialect.transport.format(
                low=channel,
                high=channel + 1,
                ssrc=leg.ssrc,
                client=connection.client_address,
                camera=connection.camera_address,
            )
        ports = re.search(r"client_port=(\d{1,5})(?:-(\d{1,5}))?", offer)
        if parts[0] in {"RTP/AVP", "RTP/AVP/UDP"} and "udp" in accepted and ports and "multicast" not in parts:
            low = int(ports[1])
            high = int(ports[2]) if ports[2] else low + 1
            if not (0 < low <= 65535 and 0 < high <= 65535):
                return None
            try:
                pair = UdpPair(connection.camera_address, connection.client_address, (low, high))
            except UnavailableError:
                return None
            leg = session.add_leg(track, reel, udp=pair)
            ours = "{}-{}".format(*pair.ports)
            return f"RTP/AVP;unicast;client_port={low}-{high};server_port={ours};ssrc={leg.ssrc:08X}"
        return None

    def _play(self, connection: Connection, request: Request) -> int:
        session = self._session_of(connection, request)
        if session is None or not session.legs:
            return self._reply(connection, request, 454)
        first = self._studio.play(session)
        dialect = self._dialect
        headers = [self._session_header(session, timeout=dialect.play_timeout)]
        if dialect.play_range is not None:
            headers.append(f"Range: {dialect.play_range}")
        information = self._rtp_info(session, first, request)
        if information:
            headers.append(f"RTP-Info: {information}")
        return self._reply(connection, request, 200, headers)

    def _rtp_info(self, session: Session, first: Mapping[int, tuple[int, int]], request: Request) -> str:
        form = self._dialect.rtp_info
        if form == "none":
            return ""
        entries = []
        for track, (sequence, rtp_time) in first.items():
            token = track_token(self._dialect, self._tracks[track], track)
            absolute = control_url(self._dialect, request.base, token)
            if "://" not in absolute:
                absolute = f"{request.base.rstrip('/')}/{token}"
            if form == "zero":
                return f"url={absolute};seq=0;rtptime=0;"
            url = token if form.startswith("relative") else absolute
            extra = f";ssrc={session.legs[track].ssrc:08x}" if form == "relative-ssrc" else ""
            if form != "video-only" or track == 0:
                entries.append(f"url={url};seq={sequence};rtptime={rtp_time}{extra}")
        return ",".join(entries)

    def _pause(self, connection: Connection, request: Request) -> int:
        session = self._session_of(connection, request)
        if session is None:
            return self._reply(connection, request, 454)
        self._studio.pause(session)
        return self._reply(connection, request, 200, [self._session_header(session, timeout=False)])

    def _teardown(self, connection: Connection, request: Request) -> int:
        session = self._session_of(connection, request)
        if session is None:
            return self._reply(connection, request, 454)
        self._studio.pause(session)
        session.close()
        connection.session = None
        return self._reply(connection, request, 200, [self._session_header(session, timeout=False)])

    def _track_of(self, request: Request) -> int | None:
        """Match the end of a SETUP URL with the control attributes that DESCRIBE gave out."""
        for index, reel in enumerate(self._tracks):
            token = track_token(self._dialect, reel, index)
            if re.search(rf"/{re.escape(token)}/?(?:\?[^/]*)?$", request.url):
                return index
        return 0 if len(self._tracks) == 1 and self._is_ours(request.path, exact=True) else None

    def _is_ours(self, path: str, *, exact: bool = False) -> bool:
        """Whether a URL path is the camera's, perhaps with a slash or query more."""
        own = self._studio.persona.path
        if not path.startswith(own):
            return False
        rest = path[len(own) :]
        return rest in {"", "/"} if exact else rest[:1] in {"", "/", "?", "&"}

    @staticmethod
    def _without_credentials(request: Request) -> str:
        scheme, separator, rest = request.url.partition("://")
        authority, slash, path = rest.partition("/")
        return f"{scheme}{separator}{authority.rpartition('@')[2]}{slash}{path}"
