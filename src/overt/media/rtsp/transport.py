"""The headers of SETUP and PLAY: Transport, Session, RTP-Info (RFC 2326 §12.39, §12.37, §12.33)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from overt.errors import InvalidError, UnavailableError
from overt.media.rtsp.messages import readable

if TYPE_CHECKING:
    from collections.abc import Sequence

Lower = Literal["tcp", "udp"]

DEFAULT_SESSION_TIMEOUT_S: Final = 60
MAX_RTP_INFO: Final = 64

_PAIR: Final = re.compile(r"(\d{1,5})(?:\s*-\s*(\d{1,5}))?", re.ASCII)
_NEXT_TRANSPORT: Final = re.compile(r",(?=\s*(?:RTP|RAW|MP2T)/)", re.IGNORECASE)
_HEX: Final = re.compile(r"(?:0x)?([0-9a-f]{1,8})", re.IGNORECASE)
_DECIMAL: Final = re.compile(r"\d{1,10}", re.ASCII)
_INTEGER: Final = re.compile(r"[+-]?\d{1,20}", re.ASCII)
_TIMEOUT: Final = re.compile(r"timeout\s*=\s*\"?(\d{1,9})", re.IGNORECASE | re.ASCII)
_INFO_START: Final = re.compile(r"(?:^|[,;])\s*url\s*=", re.IGNORECASE)
_INFO_FIELD: Final = re.compile(r"(?:^|;|,)\s*(seq|rtptime|ssrc)\s*=\s*([^;,\s]*)", re.IGNORECASE)


class UnsupportedTransportError(UnavailableError):
    """The camera does not deliver RTP in the way that was asked for: start anew with the other transport."""


@dataclass(frozen=True, slots=True)
class Transport:
    """What a server granted in its Transport header. Ports and channels are (RTP, RTCP); RTCP may be missing."""

    lower: Lower
    channels: tuple[int, int | None] | None = None
    client_ports: tuple[int, int | None] | None = None
    server_ports: tuple[int, int | None] | None = None
    source: str | None = None
    ssrc: int | None = None
    """Claimed synchronisation source; a hint, cameras have been seen to claim a wrong one. 0 is read as None."""
    multicast: bool = False


def tcp_request(rtp_channel: int) -> str:
    """Return the Transport header that asks for interleaved channels `rtp_channel` and the next."""
    return f"RTP/AVP/TCP;unicast;interleaved={rtp_channel}-{rtp_channel + 1}"


def udp_request(ports: tuple[int, int]) -> str:
    """Return the Transport header that asks for unicast UDP to our RTP and RTCP ports."""
    return f"RTP/AVP;unicast;client_port={ports[0]}-{ports[1]}"


def parse_transport(value: str) -> Transport:
    """Parse the Transport header of a reply; of several comma-separated ones the first counts.

    Raises:
        InvalidError: no RTP/AVP transport, a channel above 255 or a port above 65535.
    """
    parts = [part.strip() for part in _NEXT_TRANSPORT.split(value, 1)[0].split(";") if part.strip()]
    spec = next((part.upper() for part in parts if "/" in part and "=" not in part), "")
    fields: dict[str, str] = {}
    for part in parts:
        name, equals, text = part.partition("=")
        if equals:
            fields.setdefault(name.strip().lower(), text.strip().strip('"').strip())
    channels = _pair(fields.get("interleaved"), 255, "channel", value)
    if spec not in {"RTP/AVP", "RTP/AVP/TCP", "RTP/AVP/UDP", "RTP/AVPF", "RTP/AVPF/TCP", "RTP/AVPF/UDP"}:
        msg = f"the camera answered SETUP with a transport that is not RTP/AVP: {readable(value)!r}"
        raise InvalidError(msg)
    return Transport(
        lower="tcp" if spec.endswith("/TCP") or channels is not None else "udp",
        channels=channels,
        client_ports=_pair(fields.get("client_port"), 65535, "client port", value),
        server_ports=_pair(fields.get("server_port"), 65535, "server port", value),
        source=fields.get("source") or None,
        ssrc=parse_ssrc(fields.get("ssrc")),
        multicast=any(part.lower() == "multicast" for part in parts),
    )


def _pair(text: str | None, limit: int, what: str, value: str) -> tuple[int, int | None] | None:
    match = _PAIR.match(text) if text else None
    if match is None:
        return None
    first, second = int(match.group(1)), int(match.group(2)) if match.group(2) else None
    if max(first, second or 0) > limit:
        msg = f"the camera answered SETUP with a {what} above {limit}: {readable(value)!r}"
        raise InvalidError(msg)
    return first, second


def parse_ssrc(text: str | None) -> int | None:
    """Return an SSRC written in hex (RFC 2326 §12.39), with or without 0x, or in decimal if too long for hex.

    0, and what cannot be read, is None: servers write 0 for "unknown".
    """
    text = (text or "").strip()
    if match := _HEX.fullmatch(text):
        return int(match.group(1), 16) or None
    if _DECIMAL.fullmatch(text) and int(text) <= 0xFFFFFFFF:
        return int(text) or None
    return None


@dataclass(frozen=True, slots=True)
class Session:
    """The Session header: the identifier as it must be sent back, and the timeout in seconds if one was given."""

    identifier: str
    timeout_s: int | None


def parse_session(value: str | None) -> Session | None:
    """Parse a Session header; None if it is missing or holds no identifier. A timeout of 0 counts as not given."""
    identifier, _, rest = (value or "").partition(";")
    if not identifier.strip():
        return None
    match = _TIMEOUT.search(rest)
    return Session(identifier.strip(), (int(match.group(1)) or None) if match else None)


@dataclass(frozen=True, slots=True)
class RtpInfo:
    """One entry of RTP-Info. All but the URL are hints: cameras send zeros, or values of an earlier session."""

    url: str
    sequence: int | None
    rtp_time: int | None
    ssrc: int | None


def parse_rtp_info(values: Sequence[str]) -> list[RtpInfo]:
    """Parse RTP-Info headers; never raises, at most `MAX_RTP_INFO` entries.

    An entry begins at `url=`, so that a URL may hold commas and semicolons; it ends before `;seq=`, `;rtptime=` or
    `;ssrc=`. Missing and unreadable fields are None; a negative rtptime is taken modulo 2^32.
    """
    entries: list[RtpInfo] = []
    for value in values:
        starts = [match.span() for match in _INFO_START.finditer(value)]
        pieces = [
            value[after : starts[i + 1][0] if i + 1 < len(starts) else len(value)]
            for i, (_, after) in enumerate(starts)
        ]
        if not starts:
            pieces = [f";{piece}" for piece in value.split(",") if "=" in piece]
        elif starts[0][0] > 0:
            # Fields before the first URL belong to it where there is only one.
            pieces[0] += f";{value[: starts[0][0]]}" if len(starts) == 1 else ""
        entries += [_rtp_info(piece) for piece in pieces[: MAX_RTP_INFO - len(entries)]]
    return entries


def _rtp_info(piece: str) -> RtpInfo:
    first = _INFO_FIELD.search(piece)
    url = piece[: first.start()] if first else piece
    fields: dict[str, str] = {}
    for name, text in _INFO_FIELD.findall(piece):
        fields.setdefault(name.lower(), text.strip('"'))
    sequence, rtp_time = _integer(fields.get("seq")), _integer(fields.get("rtptime"))
    return RtpInfo(
        url=url.strip(" \t;,\"'<>"),
        sequence=sequence if sequence is not None and 0 <= sequence <= 0xFFFF else None,
        rtp_time=rtp_time & 0xFFFFFFFF if rtp_time is not None and -(1 << 31) <= rtp_time < 1 << 32 else None,
        ssrc=parse_ssrc(fields.get("ssrc")),
    )


def _integer(text: str | None) -> int | None:
    return int(text) if text is not None and _INTEGER.fullmatch(text) else None


def assign_rtp_info(entries: Sequence[RtpInfo], control_urls: Sequence[str]) -> list[RtpInfo | None]:
    """Return, for each track's control URL, the RTP-Info entry that speaks of it, or None.

    Compared first whole, then by the last segment of the path without query (servers write relative URLs, other
    hosts and other bases); if no entry names a track and there are as many entries as tracks, by order.
    """
    assigned: list[RtpInfo | None] = []
    for url in control_urls:
        exact = next((entry for entry in entries if entry.url == url), None)
        tail = _tail(url)
        similar = [entry for entry in entries if _tail(entry.url) == tail]
        assigned.append(exact or (similar[0] if len(similar) == 1 else None))
    if not any(assigned) and len(entries) == len(control_urls):
        return list(entries)
    return assigned


def _tail(url: str) -> str:
    last = url.rstrip("/").rpartition("/")[2]
    return last.partition("?")[0].lower() or last.lower()
