"""Status codes of a refusing server (RFC 2326 §7.1.1, §11) as errors that a reader can act upon."""

from __future__ import annotations

from typing import Final

from overt.errors import ForbiddenError, InvalidError, MissingError, OvertError, UnavailableError
from overt.media.rtsp.messages import readable
from overt.media.rtsp.transport import UnsupportedTransportError

_KNOWN: Final[dict[int, tuple[type[OvertError], str]]] = {
    400: (InvalidError, "it calls the request malformed: check path and query of the URL"),
    402: (ForbiddenError, "it demands payment"),
    403: (ForbiddenError, "it forbids this stream to this user: check the user's rights in the camera's settings"),
    404: (MissingError, "it has no such stream: check the path of the URL"),
    405: (InvalidError, "it does not allow this method for this URL: check the path of the URL"),
    406: (InvalidError, "it cannot describe the stream as SDP"),
    407: (ForbiddenError, "a proxy in between asks for authentication"),
    408: (UnavailableError, "it timed out waiting for us"),
    410: (MissingError, "the stream is gone for good: check the path of the URL"),
    414: (InvalidError, "it finds the URL too long"),
    451: (InvalidError, "it does not understand a parameter of the URL"),
    453: (UnavailableError, "it has no bandwidth left: too many viewers, or too high a bitrate"),
    454: (UnavailableError, "it no longer knows the session"),
    455: (UnavailableError, "it cannot do this in its present state"),
    457: (InvalidError, "it refuses the range"),
    459: (InvalidError, "it wants to be controlled track by track"),
    460: (InvalidError, "it wants to be controlled as a whole"),
    461: (UnsupportedTransportError, "it does not deliver over this transport: try the other of TCP and UDP"),
    462: (UnavailableError, "it cannot reach the destination of the stream"),
    503: (UnavailableError, "it is overloaded or restarting, or has no connection left: fewer viewers may help"),
    505: (InvalidError, "it does not speak RTSP 1.0"),
}


def refusal(status: int, reason: str, method: str, shown_url: str) -> OvertError:
    """Return the error for a status that is no success; `shown_url` must be redacted already."""
    kind, meaning = _KNOWN.get(status, (None, ""))
    if kind is None:
        kind = UnavailableError if status >= 500 else InvalidError
        meaning = "it failed inside" if status >= 500 else "it refuses the request"
    said = f"{status} {readable(reason, 60)}".strip()
    return kind(f"the camera answered {method} {readable(shown_url, 300)} with {said}: {meaning}")
