"""The register as a CSV file that spreadsheets open, whatever people have written into it."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Iterable
from typing import Final

from overt.control.estate.models import Camera
from overt.control.estate.register import wanting_of

HEADINGS: Final = (
    "key",
    "name",
    "site",
    "group",
    "location",
    "state",
    "purpose",
    "legal_basis",
    "owner",
    "review_on",
    "retention_days",
    "retention_reason",
    "audio",
    "audio_reason",
    "wanting",
)
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def defused(text: str) -> str:
    """Return a cell that no spreadsheet takes for a formula: an apostrophe stands before what could begin one."""
    return f"'{text}" if text.lstrip(" \u00a0").startswith(_FORMULA) or text.startswith("'") else text


def plain(cell: str) -> str:
    """Return what `defused` was given."""
    return cell[1:] if cell.startswith("'") and defused(cell[1:]) == cell else cell


def written(rows: Iterable[Iterable[str]]) -> str:
    """Return rows as CSV with a byte order mark, by which spreadsheets know UTF-8."""
    text = io.StringIO(newline="")
    text.write("\ufeff")
    writer = csv.writer(text)
    writer.writerows([defused(cell.replace("\0", "")) for cell in row] for row in rows)
    return text.getvalue()


def register_csv(cameras: Iterable[Camera], today: dt.date) -> str:
    """Return the register: one camera a row, no passwords and no addresses."""

    def rows() -> Iterable[Iterable[str]]:
        yield HEADINGS
        for each in cameras:
            yield (
                each.key,
                each.name,
                each.site.name,
                each.site.group.name,
                each.location,
                each.get_state_display(),
                each.purpose,
                each.legal_basis,
                each.owner.email if each.owner else "",
                each.review_on.isoformat() if each.review_on else "",
                str(each.retention_days),
                each.retention_reason,
                "yes" if each.audio else "no",
                each.audio_reason,
                "; ".join(wanting_of(each, today)),
            )

    return written(rows())
