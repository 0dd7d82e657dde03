"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
PassphraseFilesOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--passphrase-file",
        metavar="FILE",
        help="File whose first line is the passphrase, one a key; else OVERT_PASSPHRASE, else a prompt.",
    ),
]
RecoveryOption = Annotated[
    bool,
    typer.Option(
        "--recovery", help="Open the key by its recovery code (from the file, OVERT_RECOVERY_CODE or a prompt)."
    ),
]
TimeZoneOption = Annotated[
    str | None,
    typer.Option("--timezone", metavar="ZONE", help="Read and show local times in this zone, such as Europe/London."),
]
