"""`overt ledger stamp`: a time-stamping authority says when the ledger's newest checkpoint was there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import httpx
import typer
from rich.text import Text

from overt.cli.ledger.places import AuthorityOption, client_for
from overt.cli.options import JsonOption
from overt.cli.output import Output
from overt.errors import UnavailableError
from overt.ledger import timestamps
from overt.ledger.leaves import time_text
from overt.ledger.reader import LedgerReader


def stamp(
    ledger: Annotated[Path, typer.Argument(metavar="LEDGER", help="Directory of the ledger.")],
    address: Annotated[str, typer.Argument(metavar="URL", help="Address of the time-stamping authority (RFC 3161).")],
    *,
    tsa: Annotated[
        list[Path],
        typer.Option("--tsa", metavar="FILE", help="Its root certificate, PEM; may be repeated."),
    ],
    authority: AuthorityOption = None,
    as_json: JsonOption = False,
) -> None:
    """Have the newest checkpoint stamped, and keep the stamp beside the ledger; the ledger may be in use."""
    roots = [certificate for path in tsa for certificate in timestamps.read_roots(path)]
    signed = LedgerReader(ledger).checkpoint
    request = timestamps.request(signed)
    with client_for(address, authority) as client:
        try:
            response = client.post(address, content=request.data, headers={"content-type": timestamps.QUERY_TYPE})
        except httpx.HTTPError as error:
            msg = f"{address} does not answer: {error}"
            raise UnavailableError(msg) from error
    if response.status_code != 200 or len(response.content) > timestamps.MAX_RESPONSE:
        msg = f"{address} answers {response.status_code} {response.reason_phrase}, and no time stamp"
        raise UnavailableError(msg)
    time_ns = timestamps.stamp_time(signed, response.content, roots, nonce=request.nonce)
    timestamps.keep(ledger, signed, response.content)
    value = {"origin": signed.checkpoint.origin, "size": signed.size, "time": time_text(time_ns)}
    text = Text(f"{signed.checkpoint.origin}: {signed.size} leaves stamped at {time_text(time_ns)}", style="green")
    Output(as_json=as_json).show(value, text)
