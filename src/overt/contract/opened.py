"""Where commands on a recorder's machine write down what they open: a ledger beside the footage, and its kinds.

    DIR/opened/ledger/       the ledger (docs/formats/ledger.md); `overt ledger verify DIR/opened/ledger`
    DIR/opened/ledger.key    its signing key
    DIR/opened/.lock         one command at a time

It is neither the recorder's ledger nor the control room's, each of which has one process that writes it. A control room
on the same machine reads it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

FOLDER: Final = "opened"
KEY: Final = "ledger.key"
VIEWED: Final = "command.view"
"""`overt view`: a link to live pictures, the last minutes and, with a key, recorded footage."""
EXPORTED: Final = "command.export"
ENDED: Final = "command.ended"
"""The link of `overt view` has ended."""


def ledger_of(footage: Path) -> Path:
    """Return where the ledger of a footage directory lies; it is made by the first command that opens something."""
    return footage / FOLDER / "ledger"
