"""What the operating system says of a disk, in words and as a state of health."""

from __future__ import annotations

import errno
import os
from typing import Final

from overt.contract.fact import DiskState

_STATES: Final[dict[int, DiskState]] = {
    errno.ENOSPC: "full",
    errno.EDQUOT: "full",
    errno.EFBIG: "full",
    errno.EROFS: "read-only",
    errno.EACCES: "read-only",
    errno.EPERM: "read-only",
    errno.ENOENT: "missing",
    errno.ENOTDIR: "missing",
    errno.ENODEV: "missing",
    errno.ENXIO: "missing",
    errno.ESTALE: "missing",
    errno.ENOTCONN: "missing",
}
_SENTENCES: Final = {
    errno.ENOSPC: "no space left on the disk",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file system or the process limit allows no larger file",
    errno.EROFS: "the file system is mounted read-only",
    errno.EACCES: "the recorder may not write here (permission denied)",
    errno.EPERM: "the recorder may not write here (operation not permitted)",
    errno.ENOENT: "the directory is gone",
    errno.ENOTDIR: "the directory is gone: a file stands in its place",
    errno.ENODEV: "the device is gone",
    errno.ENXIO: "the device is gone",
    errno.ESTALE: "the network file system no longer knows this directory",
    errno.ENOTCONN: "the network file system is not connected",
    errno.EIO: "the disk reports an input/output error",
    errno.ETIMEDOUT: "the disk did not answer in time",
    errno.EMFILE: "the recorder has too many files open",
    errno.ENFILE: "the machine has too many files open",
}


def disk_state(code: int | None) -> DiskState:
    """Return the state of health that an errno means for a location."""
    return _STATES.get(code or 0, "failing")


def disk_sentence(code: int | None) -> str:
    """Return an errno in words, its symbol behind in brackets."""
    number = code or errno.EIO
    words = _SENTENCES.get(number) or os.strerror(number)
    return f"{words} ({errno.errorcode.get(number, number)})"


def error_number(error: BaseException) -> int | None:
    """Return the errno of an error, or of the `OSError` from which it was raised."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno is not None:
            return cause.errno
        cause = cause.__cause__
    return None
