"""Pictures that somebody brings, made harmless: decoded within bounds, written anew. Nothing else of them is kept."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple
from uuid import UUID

from django.conf import settings
from PIL import Image, ImageOps, UnidentifiedImageError

from overt.errors import InvalidError, MissingError, UnavailableError
from overt.new_file import write_new

MAX_BYTES: Final = 10 * 1024 * 1024
MAX_SIDE: Final = 12_000
MAX_PIXELS: Final = 40_000_000
KEPT_SIDE: Final = 3000
"""Pixels of the longer side as it is kept."""
MIN_SIDE: Final = 16
FORMATS: Final = ("PNG", "JPEG", "WEBP")
FOLDER: Final = "plans"
_WRONG: Final = "This file is no PNG, JPEG or WebP picture. Save the plan as one of these, and bring that."


class Picture(NamedTuple):
    """A picture as it is kept: WebP."""

    data: bytes
    width: int
    height: int


def checked(file: BinaryIO, size: int) -> Picture:
    """Read a picture of any of the formats, by what it holds and not by its name; write it anew.

    Raises:
        InvalidError: it is none, or too large, with what would do instead.
    """
    if size > MAX_BYTES:
        msg = f"The file has {size / 1024 / 1024:.0f} MB. Bring a picture of at most {MAX_BYTES // 1024 // 1024} MB."
        raise InvalidError(msg)
    data = file.read(MAX_BYTES + 1)
    try:
        with warnings.catch_warnings():
            # Pillow warns of what might be a bomb; our own bounds, checked before anything is decoded, are lower.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
                _check_size(*opened.size)
                opened.load()
                upright = ImageOps.exif_transpose(opened)
                found = upright.convert("RGBA" if upright.has_transparency_data else "RGB")
    except InvalidError:
        raise
    except (
        UnidentifiedImageError,
        Image.DecompressionBombError,
        OSError,
        ValueError,
        SyntaxError,
        MemoryError,
    ) as error:
        raise InvalidError(_WRONG) from error
    found.thumbnail((KEPT_SIDE, KEPT_SIDE))
    plain = Image.new("RGB", found.size, "white")
    plain.paste(found, mask=found.getchannel("A") if found.mode == "RGBA" else None)
    out = io.BytesIO()
    plain.save(out, "WEBP", quality=85, method=4)
    return Picture(out.getvalue(), *plain.size)


def _check_size(width: int, height: int) -> None:
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        most = MAX_PIXELS // 1_000_000
        msg = f"The picture has {width} by {height} pixels. Bring one of at most {most} million pixels."
        raise InvalidError(msg)
    if min(width, height) < MIN_SIDE:
        msg = f"The picture has {width} by {height} pixels: nothing could be seen on it."
        raise InvalidError(msg)


def _path(plan: UUID) -> Path:
    return Path(settings.MEDIA_ROOT) / FOLDER / f"{plan}.webp"


def keep(plan: UUID, picture: Picture) -> None:
    """Write a plan's picture. Raises UnavailableError if the disk refuses."""
    path = _path(plan)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        msg = f"{path.parent} cannot be made: {error.strerror}"
        raise UnavailableError(msg) from error
    write_new(path, picture.data, 0o600)


def read(plan: UUID) -> bytes:
    """Return a plan's picture. Raises MissingError."""
    try:
        return _path(plan).read_bytes()
    except FileNotFoundError as error:
        msg = "The picture of this plan is not there any more: bring it again."
        raise MissingError(msg) from error


def remove(plan: UUID) -> None:
    """Remove a plan's picture, if it is there."""
    _path(plan).unlink(missing_ok=True)
