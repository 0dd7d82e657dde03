"""The commands of `overt witness`: make one, cosign a ledger, or wait to be asked."""

from __future__ import annotations

import ipaddress
import logging
from pathlib import Path
from typing import Annotated, Final

import typer
import uvicorn
from rich.text import Text

from overt.cli.ledger.places import AuthorityOption, KeysOption, opened, read_keys
from overt.cli.options import JsonOption
from overt.cli.output import Output
from overt.cli.record import guard_process
from overt.cli.witness.server import application
from overt.errors import ForbiddenError, InvalidError, UnavailableError
from overt.ledger import cosigned
from overt.ledger.cosignature import cosigned_by
from overt.ledger.tiles import DirectorySource
from overt.ledger.witnessing import VKEY_FILE, Witness
from overt.new_file import replace

DEFAULT_STATE: Final = Path("overt-witness")
GRACEFUL_S: Final = 5
KEEP_ALIVE_S: Final = 30

app = typer.Typer(help="Watch over a ledger that somebody else keeps, and cosign it.", no_args_is_help=True)
StateOption = Annotated[
    Path, typer.Option("--state", metavar="DIR", help="The witness's own directory: its key, and what it saw.")
]


@app.command()
def init(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the witness, such as dpo.council.example/ana.")],
    *,
    state: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
) -> None:
    """Make a witness with a key of its own; print the public key that others need."""
    output = Output(as_json=as_json)
    guard_process()
    witness = Witness.create(state, name)
    text = Text(f"{witness.key}\n", style="bold")
    text.append(
        f"This is the witness's public key; it also stands in {state / VKEY_FILE}. Give it to the ledger's keepers "
        f"and to everybody who verifies. Keep {state} to yourself.",
        style="not bold",
    )
    output.show({"state": str(state), "witness": str(witness.key)}, text)


@app.command("cosign")
def cosign(
    ledger: Annotated[
        str, typer.Argument(metavar="LEDGER", help="Directory of the ledger, or http(s) address of its tiles.")
    ],
    *,
    state: StateOption = DEFAULT_STATE,
    key: KeysOption = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the cosigned checkpoint to this file, too.")
    ] = None,
    authority: AuthorityOption = None,
    as_json: JsonOption = False,
) -> None:
    """Cosign a ledger's newest checkpoint if all that was seen of it before is still there; exit code 7 if not.

    The ledger's key is needed the first time, and remembered.
    """
    output = Output(as_json=as_json)
    guard_process()
    witness = Witness(state)
    for each in read_keys(key or []):
        witness.add_log(each)
    with opened(ledger, authority) as source:
        signed, line = witness.cosign(source)
        note = signed.note.with_signatures([line])
        where = ""
        if isinstance(source, DirectorySource):
            cosigned.add(source.directory, signed, [line])
            where = f", kept in {source.directory / cosigned.FOLDER / str(signed.size)}"
        elif out is None:
            where = "; give what follows to the ledger's keepers, for overt ledger accept"
        if out is not None:
            replace(out, note.encode(), 0o644)
    time_s = cosigned_by(note, [witness.key])[0].time_s
    value = {
        "origin": signed.checkpoint.origin,
        "size": signed.size,
        "root": signed.root.hex(),
        "time_s": time_s,
        "cosignature": str(line),
        "note": note.encode().decode(),
    }
    text = Text(f"{signed.checkpoint.origin}: {signed.size} leaves cosigned{where}\n", style="green")
    output.show(value, text.append(note.encode().decode().rstrip("\n"), style="not bold"))


@app.command()
def serve(
    *,
    state: StateOption = DEFAULT_STATE,
    log: Annotated[
        list[str] | None,
        typer.Option("--log", metavar="VKEY", help="Key of a ledger to be cosigned, or a file with it; remembered."),
    ] = None,
    listen: Annotated[str, typer.Option(metavar="HOST:PORT", help="Address to answer at.")] = "127.0.0.1:8447",
    certificate: Annotated[Path | None, typer.Option(metavar="FILE", help="Certificate with its chain, PEM.")] = None,
    private_key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The certificate's private key, PEM.")
    ] = None,
    plain_http: Annotated[bool, typer.Option("--plain-http", help="No encryption; on loopback alone.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Answer ledgers that ask for cosignatures (C2SP tlog-witness), until stopped by SIGTERM or Ctrl-C."""
    output = Output(as_json=as_json)
    guard_process()
    host, port = _address(listen)
    if (certificate is None) != (private_key is None) or plain_http == (certificate is not None):
        msg = "give --certificate and --private-key, or --plain-http on loopback"
        raise InvalidError(msg)
    if plain_http and not _is_loopback(host):
        msg = f"--plain-http is for loopback; {host} needs --certificate and --private-key"
        raise ForbiddenError(msg)
    witness = Witness(state)
    for each in read_keys(log or []):
        witness.add_log(each)
    for name in ("uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).setLevel(logging.ERROR)
    configuration = uvicorn.Config(
        application(witness),
        host=host,
        port=port,
        ssl_certfile=certificate,
        ssl_keyfile=private_key,
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACEFUL_S,
        proxy_headers=False,
        server_header=False,
    )
    try:
        configuration.load()
        socket = configuration.bind_socket()
        socket.listen()
    except (OSError, SystemExit) as error:
        msg = f"{listen} cannot be answered at: {error}"
        raise UnavailableError(msg) from error
    scheme = "http" if plain_http else "https"
    output.line(
        {"address": f"{scheme}://{host}:{port}", "witness": str(witness.key)},
        Text(f"{witness.key}\nanswers at {scheme}://{host}:{port}"),
    )
    with socket:
        uvicorn.Server(configuration).run(sockets=[socket])


def _address(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        msg = f"--listen {listen!r} is no address: write it as 127.0.0.1:8447 or [::1]:8447"
        raise InvalidError(msg)
    return host.removeprefix("[").removesuffix("]"), int(port)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
