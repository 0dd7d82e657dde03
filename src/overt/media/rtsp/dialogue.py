"""One camera from OPTIONS to TEARDOWN (RFC 2326 §10), driven by messages; the owner has the socket and the clock."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from overt.errors import ForbiddenError, InvalidError, OvertError, UnavailableError
from overt.media.rtsp.auth import Authenticator, Credentials
from overt.media.rtsp.keepalive import KeepaliveForms, keepalive_interval_s
from overt.media.rtsp.messages import Request, Response, ServerMessage, ServerRequest, readable
from overt.media.rtsp.refusals import refusal
from overt.media.rtsp.requests import Phase, SentRequest, Unanswered
from overt.media.rtsp.sdp import (
    SessionDescription,
    choose_audio,
    choose_video,
    contradiction,
    offered,
    parse_sdp,
)
from overt.media.rtsp.tracks import Track, complete, free_channel, grant
from overt.media.rtsp.transport import (
    DEFAULT_SESSION_TIMEOUT_S,
    Lower,
    Session,
    Transport,
    UnsupportedTransportError,
    parse_rtp_info,
    parse_session,
    parse_transport,
    tcp_request,
    udp_request,
)
from overt.media.rtsp.urls import (
    CameraUrl,
    base_url,
    control_candidates,
    locate,
    may_share_credentials,
    redact_request_url,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_REDIRECTS: Final = 5
MAX_NOTES: Final = 32

_TRY_OTHER_URL: Final = {400, 404, 451}
"""Refusals of a SETUP or PLAY after which another reading of the control URL is tried."""
_OUR_METHODS: Final = "OPTIONS, ANNOUNCE, GET_PARAMETER, SET_PARAMETER, REDIRECT"


class RtspDialogue:
    """The client's side of one RTSP session, without socket and clock. Not thread-safe.

    `start` gives the first bytes to send; every message that the parser finds goes to `on_message`, which gives the
    next bytes (or none) and moves `phase`. In phase PLAYING `tracks` says what arrives where. An error raised by
    `on_message` ends the dialogue (`phase` is CLOSED); send what `teardown` returns, then close the connection.

    Errors from `on_message`: `ForbiddenError` (credentials: wait long before the next attempt, cameras lock
    accounts), `MissingError` (path; no recordable video), `UnsupportedTransportError` (start anew with the other
    transport), `UnavailableError` (try again later), `InvalidError` (malformed or contradicting replies).

    Credentials go to the host of `url` only: see `redirected`.
    """

    __slots__ = (
        "_aggregate_urls",
        "_auth",
        "_credentials",
        "_cseq",
        "_keepalive",
        "_keepalive_authorized",
        "_options_first",
        "_play_range",
        "_redirect_credentials",
        "_redirects",
        "_setting_up",
        "_timeout_s",
        "_transport",
        "_udp_ports",
        "_unanswered",
        "_user_agent",
        "_want_audio",
        "description",
        "notes",
        "phase",
        "public",
        "redirect_to",
        "session",
        "tracks",
        "unexpected_replies",
        "url",
    )

    def __init__(
        self,
        url: CameraUrl,
        credentials: Credentials | None = None,
        *,
        want_audio: bool = False,
        transport: Lower = "tcp",
        udp_ports: Sequence[tuple[int, int]] = (),
        options_first: bool = True,
        redirects: int = 0,
        user_agent: str = "Overt",
    ) -> None:
        """Prepare a dialogue; nothing is sent before `start`.

        Args:
            url: where the stream is (`parse_camera_url`).
            credentials: user name and password for that host.
            want_audio: set up the first recordable audio medium too; its refusal is a note, not an error.
            transport: how RTP shall be delivered.
            udp_ports: for `udp`, our bound (RTP, RTCP) port pairs: one for video, a second for audio.
            options_first: begin with OPTIONS; False for a server that does not answer it.
            redirects: how many redirects led here.
            user_agent: value of the User-Agent header.
        """
        self.url = url
        self.phase = Phase.IDLE
        self.description: SessionDescription | None = None
        self.tracks: list[Track] = []
        self.session: Session | None = None
        self.public: frozenset[str] = frozenset()
        """Methods of the server's Public header; empty where it sent none."""
        self.notes: list[str] = []
        """Oddities that did not stop the dialogue, for a reader; at most `MAX_NOTES`."""
        self.redirect_to: CameraUrl | None = None
        self.unexpected_replies = 0
        """Replies that no request was waiting for; they are passed over."""
        self._credentials = credentials
        self._auth = Authenticator(credentials)
        self._want_audio = want_audio
        self._transport: Lower = transport
        self._udp_ports = tuple(udp_ports)
        self._options_first = options_first
        self._redirects = redirects
        self._redirect_credentials: Credentials | None = None
        self._user_agent = user_agent
        self._cseq = 0
        self._unanswered = Unanswered()
        self._setting_up = 0
        self._aggregate_urls: tuple[str, ...] = (url.request_url,)
        self._play_range = True
        self._timeout_s: int | None = None
        self._keepalive: KeepaliveForms | None = None
        self._keepalive_authorized = True

    def __repr__(self) -> str:
        """Name the place and the phase; no credentials."""
        return f"RtspDialogue({self.url.redacted}, {self.phase})"

    @property
    def credentials(self) -> Credentials | None:
        """User name and password for the host of `url`."""
        return self._credentials

    @property
    def redirects(self) -> int:
        """How many redirects led here."""
        return self._redirects

    @property
    def authentication(self) -> str:
        """The authentication in force: `none`, `Basic` (the password readable on the wire), `Digest MD5`, ..."""
        return self._auth.label

    @property
    def keepalive_interval_s(self) -> float:
        """Seconds between keepalives; from the Session timeout, 60 s where the server names none."""
        return keepalive_interval_s(self._timeout_s or DEFAULT_SESSION_TIMEOUT_S)

    @property
    def keepalives_refused(self) -> int:
        """How many keepalives the server refused; refusals never end the session."""
        return self._keepalive.refused if self._keepalive is not None else 0

    @property
    def audio_at_fault(self) -> bool:
        """After an error: it arose while audio was set up, so that a new attempt without audio may succeed."""
        return self.phase is Phase.CLOSED and self._setting_up == 1 and len(self.tracks) > 1

    def start(self) -> bytes:
        """Return the first request. Call once."""
        if self.phase is not Phase.IDLE:
            msg = f"the dialogue with {self.url.redacted} was started twice"
            raise InvalidError(msg)
        if not self._options_first:
            return self._describe()
        self.phase = Phase.OPTIONS
        return self._send("OPTIONS", self.url.request_url, Phase.OPTIONS)

    def keepalive(self) -> bytes:
        """Return a request that keeps the session alive; empty unless PLAYING."""
        if self.phase is not Phase.PLAYING:
            return b""
        self._unanswered.forget(Phase.PLAYING)
        return self._send(self._forms().method, self._aggregate_urls[0], Phase.PLAYING)

    def teardown(self) -> bytes:
        """Return TEARDOWN if the server holds a session of ours, in any phase; else nothing, and be CLOSED."""
        if self.session is None or self.phase in {Phase.TEARDOWN, Phase.IDLE}:
            self.phase = Phase.CLOSED
            return b""
        self._unanswered.abandon()
        self.phase = Phase.TEARDOWN
        return self._send("TEARDOWN", self._aggregate_urls[0], Phase.TEARDOWN)

    def redirected(self) -> RtspDialogue:
        """Return the dialogue that goes on where the server sent us; call in phase REDIRECTED.

        Our credentials go along only to the same host, and not from TLS to plain RTSP; elsewhere only credentials
        that the Location itself holds are used, and a challenge there ends in `ForbiddenError`.
        """
        if self.redirect_to is None:
            msg = f"the dialogue with {self.url.redacted} was not redirected"
            raise InvalidError(msg)
        shared = self._credentials if may_share_credentials(self.url, self.redirect_to) else None
        return RtspDialogue(
            self.redirect_to,
            shared or self._redirect_credentials,
            want_audio=self._want_audio,
            transport=self._transport,
            udp_ports=self._udp_ports,
            options_first=self._options_first,
            redirects=self._redirects + 1,
            user_agent=self._user_agent,
        )

    def on_message(self, message: ServerMessage) -> bytes:
        """Take a reply or a request of the server; return the bytes to send next, maybe none.

        Raises:
            OvertError: see the class. The phase is CLOSED then.
        """
        try:
            if isinstance(message, ServerRequest):
                return self._on_request(message)
            return self._on_response(message)
        except OvertError:
            self.phase = Phase.CLOSED
            raise

    # Sending

    def _send(
        self,
        method: str,
        url: str,
        purpose: Phase,
        headers: tuple[tuple[str, str], ...] = (),
        *,
        retried: bool = False,
    ) -> bytes:
        self._cseq += 1
        fields = [("CSeq", str(self._cseq)), ("User-Agent", self._user_agent)]
        if self.session is not None:
            fields.append(("Session", self.session.identifier))
        may_authorize = self._keepalive_authorized or purpose is not Phase.PLAYING
        authorization = self._auth.authorization(method, url) if may_authorize else None
        if authorization is not None:
            fields.append(("Authorization", authorization))
        request = SentRequest(self._cseq, method, url, purpose, headers, authorization is not None, retried)
        self._unanswered.sent(request)
        return Request(method, url, (*fields, *headers)).to_bytes()

    def _describe(self) -> bytes:
        self.phase = Phase.DESCRIBE
        return self._send("DESCRIBE", self.url.request_url, Phase.DESCRIBE, (("Accept", "application/sdp"),))

    def _setup(self) -> bytes:
        self.phase = Phase.SETUP
        track = self.tracks[self._setting_up]
        if self._transport == "tcp":
            transport = tcp_request(free_channel(self.tracks))
        elif self._setting_up < len(self._udp_ports):
            transport = udp_request(self._udp_ports[self._setting_up])
        else:
            msg = f"{self.url.redacted}: no UDP port pair was given for track {self._setting_up + 1}"
            raise InvalidError(msg)
        return self._send("SETUP", track.control_urls[0], Phase.SETUP, (("Transport", transport),))

    def _play(self) -> bytes:
        self.phase = Phase.PLAY
        headers = (("Range", "npt=0.000-"),) if self._play_range else ()
        return self._send("PLAY", self._aggregate_urls[0], Phase.PLAY, headers)

    # Replies

    def _on_response(self, response: Response) -> bytes:
        if response.status < 200:
            return b""
        pending = self._unanswered.take(response.cseq)
        if pending is None:
            self.unexpected_replies += 1
            return b""
        if response.status == 401:
            return self._on_unauthorized(pending, response)
        return self._on_answered(pending, response)

    def _on_answered(self, pending: SentRequest, response: Response) -> bytes:
        succeeded = response.status < 300
        if succeeded and pending.authorized:
            self._auth.accepted()
        if pending.purpose is Phase.PLAYING:
            return b"" if succeeded or not self._forms().refuse() else self.keepalive()
        if pending.purpose is Phase.TEARDOWN:
            self.phase, self.session = Phase.CLOSED, None
            return b""
        if pending.purpose is Phase.OPTIONS:
            return self._on_options(response)
        if 300 <= response.status < 400:
            return self._on_redirect(response.headers.get("Location"))
        if not succeeded:
            return self._on_refused(pending, response)
        if pending.purpose is Phase.DESCRIBE:
            return self._on_described(response)
        if pending.purpose is Phase.SETUP:
            return self._on_set_up(response)
        return self._on_playing(response)

    def _on_unauthorized(self, pending: SentRequest, response: Response) -> bytes:
        if pending.purpose is Phase.PLAYING and not self._keepalive_authorized:
            self._forms().refused += 1
            return b""
        challenges = response.headers.get_all("WWW-Authenticate")
        try:
            self._auth.challenged(challenges, authorized=pending.authorized, retried=pending.retried)
        except ForbiddenError as error:
            if pending.purpose is Phase.OPTIONS:
                # DESCRIBE shows whether the camera means it.
                return self._on_options(response)
            if pending.purpose is Phase.PLAYING:
                self._note(f"a keepalive was refused: {error}")
                # A password changed meanwhile must not be shown again and again: the account would be locked.
                self._keepalive_authorized = False
                self._forms().refused += 1
                return b""
            if pending.purpose is Phase.TEARDOWN:
                self.phase, self.session = Phase.CLOSED, None
                return b""
            hint = ""
            if self._credentials is None and self._redirects:
                hint = "; a redirect led here, and credentials do not follow to another host"
            msg = f"{pending.method} {redact_request_url(pending.url)}: {error}{hint}"
            raise ForbiddenError(msg) from error
        if pending.purpose is Phase.OPTIONS:
            return self._on_options(response)
        retried = pending.retried or pending.authorized
        return self._send(pending.method, pending.url, pending.purpose, pending.headers, retried=retried)

    def _on_options(self, response: Response) -> bytes:
        methods = ",".join(response.headers.get_all("Public")).split(",")
        self.public = frozenset(name.strip().upper() for name in methods[:64] if name.strip())
        return self._describe()

    def _on_redirect(self, location: str | None) -> bytes:
        if location is None or not location.strip():
            msg = f"{self.url.redacted}: the camera redirects without saying where (no Location header)"
            raise InvalidError(msg)
        if self._redirects >= MAX_REDIRECTS:
            msg = f"{self.url.redacted}: more than {MAX_REDIRECTS} redirects; check the camera's URL"
            raise InvalidError(msg)
        try:
            self.redirect_to, self._redirect_credentials = locate(location, self.url)
        except InvalidError as error:
            msg = f"{self.url.redacted}: the camera redirects to a URL that cannot be used: {error}"
            raise InvalidError(msg) from error
        self.phase = Phase.REDIRECTED
        return b""

    def _on_refused(self, pending: SentRequest, response: Response) -> bytes:
        error = refusal(response.status, response.reason, pending.method, redact_request_url(pending.url))
        if pending.purpose is Phase.SETUP:
            track = self.tracks[self._setting_up]
            if response.status in _TRY_OTHER_URL and len(track.control_urls) > 1:
                self._note(f"{error}; another reading of the control URL is tried")
                track.control_urls = track.control_urls[1:]
                return self._setup()
            if self._setting_up > 0:
                self._note(f"recording without audio: {error}")
                del self.tracks[self._setting_up :]
                return self._play()
        if pending.purpose is Phase.PLAY:
            if response.status == 457 and self._play_range:
                self._play_range = False
                return self._play()
            if response.status in _TRY_OTHER_URL and len(self._aggregate_urls) > 1:
                self._note(f"{error}; another aggregate URL is tried")
                self._aggregate_urls = self._aggregate_urls[1:]
                return self._play()
        raise error

    def _on_described(self, response: Response) -> bytes:
        if not response.body.strip():
            msg = f"{self.url.redacted}: the camera answered DESCRIBE without a description; is the stream enabled?"
            raise UnavailableError(msg)
        description = parse_sdp(response.body)
        self.description = description
        for line in (*response.unparsed[:4], *description.ignored[:4]):
            self._note(f"ignored line {readable(line)!r}")
        offers = [choose_video(description)]
        audio = choose_audio(description, self._want_audio)
        if audio is not None:
            offers.append(audio)
        elif self._want_audio:
            self._note(f"no audio that can be recorded (AAC, PCMA, PCMU); the camera offers {offered(description)}")
        base = base_url(response.headers, self.url.request_url)
        self.tracks = [Track(offer, control_candidates(base, offer.media.control)) for offer in offers]
        for offer in offers:
            self._note(contradiction(offer.format))
        aggregates = (*control_candidates(base, description.control), base, self.url.request_url)
        self._aggregate_urls = tuple(dict.fromkeys(aggregates))
        self._setting_up = 0
        return self._setup()

    def _on_set_up(self, response: Response) -> bytes:
        track = self.tracks[self._setting_up]
        self._keep_session(response)
        value = response.headers.get("Transport")
        if value is None:
            self._note("SETUP was answered without a Transport header: taken as asked")
            granted = Transport(self._transport)
        else:
            granted = parse_transport(value)
        if granted.lower != self._transport or granted.multicast:
            msg = (
                f"{self.url.redacted}: asked for RTP over {self._transport.upper()}, the camera grants "
                f"{readable(value or '')!r}: start anew with the other of TCP and UDP"
            )
            raise UnsupportedTransportError(msg)
        if granted.lower == "tcp" and granted.channels is None:
            first = free_channel(self.tracks)
            granted = replace(granted, channels=(first, first + 1))
        grant(track, self.tracks, granted)
        self._setting_up += 1
        return self._setup() if self._setting_up < len(self.tracks) else self._play()

    def _on_playing(self, response: Response) -> bytes:
        self._keep_session(response)
        complete(self.tracks, parse_rtp_info(response.headers.get_all("RTP-Info")))
        self.phase = Phase.PLAYING
        return b""

    def _keep_session(self, response: Response) -> None:
        session = parse_session(response.headers.get("Session"))
        if session is None:
            return
        if self.session is None:
            self.session = session
        elif self.session.identifier != session.identifier:
            self._note(f"the camera changed the session identifier to {readable(session.identifier, 40)!r}: ignored")
            return
        if session.timeout_s is not None:
            # Servers name 60 in SETUP and 120 in PLAY: the shorter one is safe.
            self._timeout_s = min(session.timeout_s, self._timeout_s or session.timeout_s)

    def _forms(self) -> KeepaliveForms:
        if self._keepalive is None:
            self._keepalive = KeepaliveForms(self.public)
        return self._keepalive

    def _note(self, text: str | None) -> None:
        if text and len(self.notes) < MAX_NOTES:
            self.notes.append(text)

    # Requests of the server

    def _on_request(self, request: ServerRequest) -> bytes:
        if request.method == "OPTIONS":
            return request.reply(200, "OK", (("Public", _OUR_METHODS),))
        if request.method == "REDIRECT":
            answer = request.reply(200, "OK")
            self._on_redirect(request.headers.get("Location") or self.url.request_url)
            return answer
        if request.method == "ANNOUNCE":
            self._note("the camera announced another description: parameter sets are taken from the stream")
            return request.reply(200, "OK")
        if request.method in {"GET_PARAMETER", "SET_PARAMETER"}:
            return request.reply(451, "Parameter Not Understood") if request.body else request.reply(200, "OK")
        return request.reply(501, "Not Implemented")
