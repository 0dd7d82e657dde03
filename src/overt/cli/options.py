"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
TimeZoneOption = Annotated[
    str | None,
    typer.Option("--timezone", metavar="ZONE", help="Read and show local times in this zone, such as Europe/London."),
]
