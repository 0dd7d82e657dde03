"""The few kinds of error. A message says what happened, where, and what to do next.

Each kind maps once to a process exit code (here) and, in the programs, to an HTTP status.
"""

from __future__ import annotations

from typing import ClassVar, Final


class OvertError(Exception):
    """Base of every error that Overt raises on purpose; `str(error)` is fit for a reader."""

    kind: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1
    http_status: ClassVar[int] = 500


class InvalidError(OvertError):
    """The input is malformed or contradicts itself (a file, a packet, an argument)."""

    kind = "invalid"
    exit_code = 2
    http_status = 400


class ForbiddenError(OvertError):
    """The caller may not do this: wrong passphrase, refused credentials, missing right."""

    kind = "forbidden"
    exit_code = 3
    http_status = 403


class MissingError(OvertError):
    """The thing asked for is not there."""

    kind = "missing"
    exit_code = 4
    http_status = 404


class ConflictError(OvertError):
    """The state has changed, or two parties claim the same thing."""

    kind = "conflict"
    exit_code = 5
    http_status = 409


class UnavailableError(OvertError):
    """A thing that should answer does not: camera, disk, database, network. Trying later may help."""

    kind = "unavailable"
    exit_code = 6
    http_status = 503


class CorruptError(OvertError):
    """Stored bytes are not what was written: a failed checksum, tag, or structure."""

    kind = "corrupt"
    exit_code = 7
    http_status = 500


BY_KIND: Final[dict[str, type[OvertError]]] = {
    each.kind: each
    for each in (InvalidError, ForbiddenError, MissingError, ConflictError, UnavailableError, CorruptError)
}
"""Each kind of error by its name, for what another process answers."""
