"""Session descriptions (RFC 4566) of simulated cameras, in the dialect of their maker."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from overt.simulator.dialects import Dialect
    from overt.simulator.reel import Reel


def track_token(dialect: Dialect, reel: Reel, index: int) -> str:
    """Return what names track `index` (from 0) in control URLs, for example `trackID=1`."""
    return dialect.track_control.format(number=index + dialect.first_track, kind=reel.kind)


def control_url(dialect: Dialect, base: str, token: str) -> str:
    """Return the control attribute of a track. `base` is the URL of the camera without a query."""
    return f"{base.rstrip('/')}/{token}{dialect.query}" if dialect.absolute_control else token


def fmtp(dialect: Dialect, reel: Reel, *, parameter_sets: bool) -> str | None:
    """Return the format parameters (RFC 6184 8.2, RFC 7798 7.2, RFC 3640 4.1), or None where there are none."""
    sets = reel.sprop()
    if reel.codec == "h264":
        profile = reel.parameter_sets[0][1:4]
        identifier = base64.b64encode(profile).decode() if dialect.base64_profile else profile.hex().upper()
        parts = [f"profile-level-id={identifier}", f"packetization-mode={dialect.packetization_mode}"]
        parts += [f"sprop-parameter-sets={','.join(sets)}"] if parameter_sets else []
    elif reel.codec == "h265":
        kinds = {32: "vps", 33: "sps", 34: "pps"}
        named: dict[str, list[str]] = {}
        for unit, text in zip(reel.parameter_sets, sets, strict=True):
            named.setdefault(kinds[(unit[0] >> 1) & 0x3F], []).append(text)
        parts = [f"sprop-{kind}={','.join(texts)}" for kind, texts in named.items()] if parameter_sets else []
    elif reel.codec == "aac":
        parts = ["streamtype=5", "profile-level-id=1", "mode=AAC-hbr", "sizelength=13", "indexlength=3"]
        parts += ["indexdeltalength=3", f"config={reel.parameter_sets[0].hex()}"]
    else:
        parts = []
    return dialect.fmtp_separator.join(parts) or None


def session_description(
    dialect: Dialect, reels: Sequence[Reel], base: str, *, origin: int, address: str, parameter_sets: bool
) -> str:
    """Return the SDP of a camera with these tracks.

    Args:
        dialect: the form.
        reels: one a track, in the order of the media descriptions.
        base: the camera's URL without query and trailing slash.
        origin: session identifier of the `o=` line.
        address: the camera's own address.
        parameter_sets: whether they stand in the description.
    """
    family = "IP6" if ":" in address else "IP4"
    lines = ["v=0"]
    lines += [f"o=- {origin} {origin} IN {family} {address}"] if dialect.origin else []
    lines += [f"s={dialect.session_name}", *dialect.session_lines]
    lines += ["t=0 0"]
    control = "*" if dialect.session_control == "*" else f"{base.rstrip('/')}/{dialect.query}"
    lines.append(f"a=control:{control}")
    for index, reel in enumerate(reels):
        token = track_token(dialect, reel, index)
        lines.append(f"m={reel.kind} 0 RTP/AVP {reel.payload_type}")
        rate = reel.frames_per_second or 25.0
        lines += [
            line.format(width=reel.width, height=reel.height, rate=rate)
            for line in dialect.media_lines
            if reel.kind == "video" or "{" not in line
        ]
        lines.append(f"a=control:{control_url(dialect, base, token)}")
        lines.append(f"a=rtpmap:{reel.payload_type} {reel.encoding}")
        parameters = fmtp(dialect, reel, parameter_sets=parameter_sets)
        lines += [f"a=fmtp:{reel.payload_type} {parameters}"] if parameters else []
    return "\r\n".join(lines) + "\r\n"
