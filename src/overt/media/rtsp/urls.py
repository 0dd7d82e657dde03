"""Camera URLs: credentials apart, redaction, and the many forms of Content-Base and `a=control` (RFC 2326 §C.1.1)."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote

from overt.errors import InvalidError
from overt.media.rtsp.auth import Credentials

if TYPE_CHECKING:
    from overt.media.rtsp.messages import Headers

DEFAULT_PORTS: Final = {"rtsp": 554, "rtsps": 322}
MAX_URL_CHARACTERS: Final = 4096

_ABSOLUTE: Final = re.compile(r"(rtsps?|rtspu)://([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)
_HOST: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]{0,252})")
_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
"""Control characters, and surrogates that no encoding can carry."""
_SAFE: Final = "!#$%&'()*+,/:;=?@[]~|"
_USERINFO: Final = re.compile(r"://[^\s\"'<>]{0,2048}@")
"""Up to the last @, so that a password with a slash or an @ in it is hidden whole; rather too much than too little."""
_SECRET_PARAMETER: Final = re.compile(
    r"(?<![a-z0-9])((?:password|passwd|passwort|pass|pwd|psw|secret|token|auth|user|username|usr)=)[^&;/?#\s\"']*",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class CameraUrl:
    """Where a camera's stream is. Holds no userinfo."""

    scheme: str
    """`rtsp` or `rtsps` (RTSP over TLS)."""
    host: str
    """Name or address to connect to; an IPv6 literal without brackets, with its zone if one was given."""
    port: int
    request_url: str
    """The URL as it goes on the request line: without userinfo and fragment, otherwise as it was written."""

    @property
    def tls(self) -> bool:
        """The connection is RTSP over TLS."""
        return self.scheme == "rtsps"

    @property
    def redacted(self) -> str:
        """The URL for logs and messages."""
        return redact_request_url(self.request_url)

    def __repr__(self) -> str:
        """Show the redacted URL: some cameras want the password in the path."""
        return f"CameraUrl({self.redacted})"


def redact(text: str) -> str:
    """Return `text` with the userinfo of every URL, and values of parameters that name a user or password, hidden.

    Everything between `://` and the last `@` of a word goes: a password may hold a slash.
    """
    return redact_request_url(_USERINFO.sub("://***@", text))


def redact_request_url(url: str) -> str:
    """Return a URL that holds no userinfo with the values of parameters that name a user or password hidden."""
    return _SECRET_PARAMETER.sub(r"\1***", url)


def parse_camera_url(text: str) -> tuple[CameraUrl, Credentials | None]:
    """Split a camera's URL into the place and the credentials written in it (RFC 3986 §3.2.1, percent-decoded).

    Raises:
        InvalidError: not an RTSP URL. The message never repeats the URL, which may hold a password.
    """
    text = text.strip()
    if len(text) > MAX_URL_CHARACTERS or _CONTROL.search(text):
        msg = f"the camera's URL is longer than {MAX_URL_CHARACTERS} characters or contains a control character"
        raise InvalidError(msg)
    match = _ABSOLUTE.fullmatch(text)
    if match is None or match.group(1).lower() not in DEFAULT_PORTS:
        scheme = text.partition("://")[0] if _SCHEME.match(text) else ""
        found = f", not with {scheme[:16]}://" if scheme else ""
        msg = f"the camera's URL must begin with rtsp:// or rtsps://{found}"
        raise InvalidError(msg)
    scheme, authority, rest = match.group(1).lower(), match.group(2), match.group(3)
    userinfo, at, hostport = authority.rpartition("@")
    host, port_text = _split_port(hostport.lower())
    port = DEFAULT_PORTS[scheme] if not port_text else int(port_text)
    if not 1 <= port <= 65535:
        msg = f"the camera's URL has the port {port}: it must be 1 to 65535"
        raise InvalidError(msg)
    shown_host = f"[{host}]" if ":" in host else host
    request_url = f"{scheme}://{shown_host}{f':{port}' if port_text else ''}{_escaped(rest.partition('#')[0])}"
    credentials = None
    if at:
        username, _, password = userinfo.partition(":")
        if username or password:
            credentials = Credentials(_decoded(username), _decoded(password))
    return CameraUrl(scheme, host, port, request_url), credentials


def _decoded(text: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        # The chained error would show the text.
        msg = "the user name or the password in the camera's URL is not percent-encoded UTF-8"
        raise InvalidError(msg) from None


def _split_port(hostport: str) -> tuple[str, str]:
    """Return host without brackets and port text ("" where there is none)."""
    explain = "if the user name or password contains / ? # @ or :, write it percent-encoded (for example %2F for /)"
    if hostport.startswith("["):
        literal, bracket, tail = hostport[1:].partition("]")
        try:
            address = ipaddress.IPv6Address(unquote(literal))
        except ValueError:
            address = None
        if address is None or not bracket or (tail and not re.fullmatch(r":\d{0,5}", tail, re.ASCII)):
            msg = f"the camera's URL has a malformed IPv6 address in brackets; {explain}"
            raise InvalidError(msg)
        return str(address), tail[1:]
    host, colon, port = hostport.partition(":")
    try:
        host = host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:
        host = ""
    if not _HOST.fullmatch(host) or (colon and not re.fullmatch(r"\d{0,5}", port, re.ASCII)):
        msg = f"the camera's URL has no usable host and port; {explain}"
        raise InvalidError(msg)
    return host, port


def _escaped(text: str) -> str:
    """Percent-encode what may not stand on a request line; what is encoded already stays (RFC 3986 §2.1)."""
    return quote(text, safe=_SAFE)


def _without_userinfo(url: str) -> str:
    match = _ABSOLUTE.fullmatch(url)
    if match is None:
        return url
    return f"{match.group(1)}://{match.group(2).rpartition('@')[2]}{match.group(3)}"


def _is_absolute(url: str) -> bool:
    match = _ABSOLUTE.fullmatch(url)
    return match is not None and bool(match.group(2).rpartition("@")[2].strip(":"))


def _origin(url: str) -> str:
    """Return `scheme://host:port` of an absolute URL."""
    match = _ABSOLUTE.fullmatch(url)
    return f"{match.group(1)}://{match.group(2)}" if match else ""


def base_url(headers: Headers, request_url: str) -> str:
    """Return the base for control URLs: Content-Base, else Content-Location, else `request_url`.

    A value without scheme that begins with an authority (`192.168.1.10:554/stream0/`) gets the request's scheme; an
    absolute path, or a URL without host, the request's origin; whatever cannot be used, or holds control characters,
    is passed over. Userinfo that a camera echoes is removed.
    """
    for name in ("Content-Base", "Content-Location"):
        for value in headers.get_all(name):
            text = value.encode("latin-1", "replace").decode("utf-8", "replace")
            usable = _usable_base(text.strip().strip("\"'<>"), request_url)
            if usable is not None:
                return usable
    return request_url


def _usable_base(value: str, request_url: str) -> str | None:
    if not value or len(value) > MAX_URL_CHARACTERS or _CONTROL.search(value):
        return None
    match = _ABSOLUTE.fullmatch(value)
    if match is not None:
        usable = _without_userinfo(value) if _is_absolute(value) else _origin(request_url) + match.group(3)
        return _escaped(usable)
    if _SCHEME.match(value):
        return None
    if value.startswith("/"):
        return _escaped(_origin(request_url) + value)
    authority = value.partition("/")[0].rpartition("@")[2]
    host, _, port = authority.partition(":")
    looks_like_host = (port.isascii() and port.isdigit()) or re.fullmatch(r"\d{1,3}(\.\d{1,3}){3}", host, re.ASCII)
    if host and looks_like_host:
        scheme = request_url.partition("://")[0]
        return _escaped(_without_userinfo(f"{scheme}://{value}"))
    return None


def resolve_control(base: str, control: str | None) -> str:
    """Return the URL that `a=control:` names, as it goes on the request line; see `control_candidates`.

    Raises:
        InvalidError: if the control holds control characters or is too long.
    """
    return control_candidates(base, control)[0]


def control_candidates(base: str, control: str | None) -> tuple[str, ...]:
    """Return the URLs that `a=control:` may mean, the most usual first; never empty, at most four.

    `*`, empty or None is `base`. An absolute URL is returned as the camera wrote it, without userinfo, even where its
    host differs from the one connected to (a camera behind address translation names its inner address): the request
    travels on the connection at hand, and a server recognises what it wrote. A relative one is appended to `base`
    with a slash between, query or not, as servers in the field expect, although RFC 2326 §C.1.1 refers to RFC 1808;
    the strict readings follow as alternatives for a server that refuses the first.

    Raises:
        InvalidError: if the control holds control characters or is too long.
    """
    control = (control or "").strip()
    if len(control) > MAX_URL_CHARACTERS or _CONTROL.search(control):
        msg = f"the camera's description has a control URL longer than {MAX_URL_CHARACTERS} or with control characters"
        raise InvalidError(msg)
    if control in {"", "*"}:
        return (base,)
    if absolute := _ABSOLUTE.fullmatch(control):
        if _is_absolute(control):
            return (_escaped(_without_userinfo(control)),)
        control = absolute.group(3) or "/"
    control = _escaped(control)
    path, mark, query = base.partition("?")
    appended = base.rstrip("/") + "/" + control.lstrip("/") if control.startswith("/") else _joined(base, control)
    before_query = f"{_joined(path, control.lstrip('/'))}?{query.rstrip('/')}" if mark else ""
    origin = _origin(base)
    directory = path[: path.rfind("/") + 1] if path.rfind("/") > len(origin) else origin + "/"
    strict = origin + control if control.startswith("/") else directory + control
    if control.startswith("?"):
        order = [path + control, appended]
    elif path.rstrip("/") not in {"", origin} and (origin + control).startswith(path.rstrip("/") + "/"):
        order = [strict, appended, before_query]
    else:
        order = [appended, before_query, strict]
    return tuple(dict.fromkeys(url for url in order if url))


def _joined(base: str, control: str) -> str:
    return base + control if base.endswith("/") else f"{base}/{control}"


def locate(location: str, current: CameraUrl) -> tuple[CameraUrl, Credentials | None]:
    """Return where a Location header leads (RFC 2326 §12.25), seen from `current`; a path keeps the origin.

    Raises:
        InvalidError: if it is not an RTSP URL.
    """
    location = location.strip().strip("\"'<>")
    if location.startswith("/") and not location.startswith("//"):
        location = _origin(current.request_url) + location
    return parse_camera_url(location)


def may_share_credentials(before: CameraUrl, after: CameraUrl) -> bool:
    """Return whether a password meant for `before` may be used at `after`: the same host, and TLS not given up."""
    return before.host.lower() == after.host.lower() and (after.tls or not before.tls)
