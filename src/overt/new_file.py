"""Small files that must be whole or absent: written aside, flushed to the device, then put in place."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from overt.errors import ConflictError, MissingError, UnavailableError


def write_new(path: Path, data: bytes, mode: int) -> None:
    """Write a file that does not exist yet.

    Raises:
        ConflictError: if it exists; it is left alone.
        MissingError: if its directory does not exist.
        UnavailableError: if the disk refuses; then no file is left.
    """
    try:
        # Claims the name; the content then replaces this empty file, so that no reader sees half of it.
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode))
    except FileExistsError as error:
        msg = f"{path} exists already and is not overwritten: choose another name, or move it away"
        raise ConflictError(msg) from error
    except FileNotFoundError as error:
        msg = f"{path}: its directory does not exist"
        raise MissingError(msg) from error
    except OSError as error:
        raise _refused(path, error) from error
    try:
        replace(path, data, mode)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def replace(path: Path, data: bytes, mode: int) -> None:
    """Put a file in place of another of the same name, in one step that a crash cannot halve.

    Raises:
        UnavailableError: if the disk refuses; then the file is as it was.
    """
    aside: str | None = None
    try:
        fd, aside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(fd, "wb") as file:
            os.fchmod(fd, mode)
            file.write(data)
            file.flush()
            os.fsync(fd)
        Path(aside).replace(path)
        aside = None
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        raise _refused(path, error) from error
    finally:
        if aside is not None:
            with contextlib.suppress(OSError):
                Path(aside).unlink()


def read_small(path: Path, limit: int, what: str) -> bytes:
    """Return a file's bytes; files longer than `limit` are not what they should be.

    Raises:
        MissingError: if there is none.
        UnavailableError: if it cannot be read, or is longer than `limit`.
    """
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except FileNotFoundError as error:
        msg = f"{path}: no such {what}"
        raise MissingError(msg) from error
    except OSError as error:
        msg = f"{path}: cannot read the {what}: {error.strerror or error}"
        raise UnavailableError(msg) from error
    if len(data) > limit:
        msg = f"{path}: too long for a {what}"
        raise UnavailableError(msg)
    return data


def _refused(path: Path, error: OSError) -> UnavailableError:
    """Return the error that names the disk's refusal."""
    return UnavailableError(f"{path}: cannot write: {error.strerror or error}")
