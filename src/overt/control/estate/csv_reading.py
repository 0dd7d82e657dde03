"""A file of cameras as spreadsheets save it: from bytes to rows of named cells, or to what is wrong, row by row.

No message repeats a cell: a password may stand in any of them, if only because somebody has shifted a column.
"""

from __future__ import annotations

import csv
import difflib
import io
from dataclasses import dataclass
from typing import Final

from overt.control.estate.spreadsheet import plain

MAX_BYTES: Final = 2 * 1024 * 1024
MAX_ROWS: Final = 2000
MAX_FAULTS: Final = 200
COLUMNS: Final[dict[str, str]] = {
    "key": "short name; empty for a new camera: it is made of its name",
    "name": "what people call it, up to 120 characters",
    "site": "the name of a site that is in the register",
    "location": "what it looks at, up to 300 characters",
    "purpose": "what it is for, up to 2000 characters",
    "legal_basis": "up to 300 characters",
    "owner": "e-mail address of somebody with an account",
    "review_on": "a day, such as 2027-03-31 or 31/3/2027",
    "retention_days": "a whole number from 1 to 3650",
    "retention_reason": "why so long, up to 2000 characters",
    "audio": "yes or no",
    "audio_reason": "why sound is needed, where audio is yes",
    "device_address": "address or name of the device, such as 192.0.2.7",
    "rtsp_port": "a whole number from 1 to 65535; empty: 554",
    "username": "user name at the device, up to 200 characters",
    "password": "password at the device, up to 200 characters; empty: the one that is kept",
    "main_url": "address of the main stream, such as rtsp://192.0.2.7/stream1",
    "sub_url": "address of the substream",
}
"""The columns, and what is lawful in each."""
IGNORED: Final = frozenset({"group", "state", "wanting"})
"""Columns of the register's own spreadsheet that say nothing which could be changed there."""
ROW: Final = "row"
"""As a column of a fault: the whole row, or the whole file."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong."""

    row: int
    """As a spreadsheet counts: the headings are row 1. 0: the file itself."""
    column: str
    wrong: str
    lawful: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One camera of the file: its cells by column, without those that are empty."""

    number: int
    cells: dict[str, str]


def read(content: bytes) -> tuple[list[Row], list[Fault]]:
    """Return the rows of a file and what is wrong with it as a file; what its cells mean is not asked here."""
    text, fault = _decoded(content)
    if fault is not None:
        return [], [fault]
    head = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=head.count)
    records: list[list[str]] = []
    try:
        for record in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True):
            records.append(record)
            if len(records) > MAX_ROWS + 1:
                many = f"It has more than {MAX_ROWS} rows."
                return [], [Fault(0, ROW, many, "Split it into several files.")]
    except csv.Error as error:
        where = len(records) + 1
        return [], [Fault(where, ROW, f"It cannot be read from here on: {error}.", "Save it as CSV again.")]
    if not records or not any(cell.strip() for cell in records[0]):
        return [], [Fault(0, ROW, "It is empty.", "Begin with the headings of the template.")]
    names, faults = _headings(records[0])
    if faults:
        return [], faults
    rows = []
    for number, record in enumerate(records[1:], 2):
        if not any(cell.strip() for cell in record):
            continue
        if len(record) > len(names) and any(cell.strip() for cell in record[len(names) :]):
            words = f"It has {len(record)} cells, and there are {len(names)} headings."
            faults.append(Fault(number, ROW, words, "One cell for each heading; put quotes around one with a comma."))
            continue
        cells = {name: plain(cell.strip()) for name, cell in zip(names, record, strict=False) if name and cell.strip()}
        rows.append(Row(number, cells))
    if not rows and not faults:
        faults.append(Fault(0, ROW, "It has headings and no cameras.", "Write one camera a row."))
    return rows, faults


def _decoded(content: bytes) -> tuple[str, Fault | None]:
    if len(content) > MAX_BYTES:
        return "", Fault(0, ROW, "It is larger than 2 MB.", "Split it into several files.")
    if content.startswith((b"\xff\xfe", b"\xfe\xff", b"PK\x03\x04")):
        kind = "a workbook" if content.startswith(b"PK") else "UTF-16 text"
        return "", Fault(0, ROW, f"It is {kind}, not a CSV file.", "In the spreadsheet, save as “CSV UTF-8”.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = content[: error.start].count(b"\n") + 1
        words = "There is a letter that is not written in UTF-8; the file may be in the older Windows-1252."
        return "", Fault(row, ROW, words, "In the spreadsheet, save as “CSV UTF-8”.")
    if "\0" in text:
        row = text[: text.index("\0")].count("\n") + 1
        return "", Fault(row, ROW, "There is a character that no text has (zero).", "Save it as CSV again.")
    return text, None


def _headings(record: list[str]) -> tuple[list[str], list[Fault]]:
    """Return the columns in their order (empty: passed over), and what is wrong with the headings."""
    names, faults = [], []
    for place, cell in enumerate(record, 1):
        name = cell.strip().lower().replace(" ", "_")
        if name and name not in COLUMNS and name not in IGNORED:
            near = difflib.get_close_matches(name, COLUMNS, n=1)
            hint = f"Did you mean {near[0]}?" if near else f"The headings are {', '.join(COLUMNS)}."
            faults.append(Fault(1, f"column {place}", "Its heading is not known.", hint))
        elif name and name in names:
            faults.append(Fault(1, name, "This heading stands twice.", "Leave one of them out."))
        names.append("" if name in IGNORED else name)
    if "key" not in names and "name" not in names:
        words = "There is neither a heading “key” nor “name”."
        faults.append(Fault(1, ROW, words, "key finds cameras to change, name is for new ones."))
    return names, faults
