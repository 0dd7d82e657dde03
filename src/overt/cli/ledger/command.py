"""The commands of `overt ledger`."""

from __future__ import annotations

import typer

from overt.cli.ledger import accept, consents, footage, prove, show, stamp, verify

app = typer.Typer(help="Verify, read and prove what a ledger holds.", no_args_is_help=True)
app.command("verify")(verify.verify_command)
app.command("footage")(footage.footage_command)
app.command("consents")(consents.consents_command)
app.command("show")(show.show)
app.command("prove")(prove.prove_command)
app.command("accept")(accept.accept)
app.command("ask")(accept.ask)
app.command("stamp")(stamp.stamp)
