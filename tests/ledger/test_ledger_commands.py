"""`overt ledger` and `overt witness`, as people and programs call them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme

from ledger_rig import LedgerSite, bodies_of, entries, entry, fabricated, forge, plain_leaves
from overt.cli.main import main
from overt.ledger.findings import FindingKind
from overt.ledger.leaves import Entry
from overt.ledger.note import NoteSigner
from overt.ledger.reader import LedgerReader
from ports import free_port

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(name="run")
def _run(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: object) -> tuple[int, str, str]:
        code = main([str(each) for each in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture(name="ledger")
def _ledger(site: LedgerSite) -> LedgerSite:
    site.fill(300)
    return site


def key(site: LedgerSite) -> str:
    return str(site.signer.verifier)


def json_of(text: str) -> Any:
    return json.loads(text)


def test_a_ledger_is_verified_and_what_is_wrong_is_said(ledger: LedgerSite, run: Run) -> None:
    code, out, _ = run("ledger", "verify", ledger.directory)
    assert code == 0
    assert "300 of 300 leaves and 300 bodies verified; nothing wrong was found" in out
    assert "held against the key that the ledger itself names" in out
    body = ledger.directory / "bodies/000"
    body.write_bytes(body.read_bytes().replace(b"person-3", b"person-4", 1))
    code, out, _ = run("ledger", "verify", ledger.directory, "--key", key(ledger))
    assert code == 7
    assert "the body of leaf 3 (look.opened, 2026-10-26T" in out
    code, out, _ = run("ledger", "verify", ledger.directory, "--key", key(ledger), "--json")
    assert code == 7
    value = json_of(out)
    assert (value["sound"], value["counts"]) == (False, {"body-altered": 1})
    assert value["findings"][0] | {"text": ""} == {
        "kind": "body-altered",
        "fault": True,
        "leaf": 3,
        "leaf_kind": "look.opened",
        "time": value["findings"][0]["time"],
        "text": "",
    }


def test_a_copy_without_bodies(ledger: LedgerSite, run: Run) -> None:
    shutil.rmtree(ledger.directory / "bodies")
    code, out, _ = run("ledger", "verify", ledger.directory)
    assert (code, "300 findings" in out) == (7, True)
    code, out, _ = run("ledger", "verify", ledger.directory, "--without-bodies")
    assert (code, "300 of 300 leaves and 0 bodies verified" in out) == (0, True)


def test_what_somebody_kept_tells_of_a_rewritten_ledger(ledger: LedgerSite, run: Run, folder: Path) -> None:
    state, kept, old = folder / "witness", folder / "kept.checkpoint", folder / "old"
    code, out, _ = run("witness", "init", "dpo.example/ana", "--state", state, "--json")
    assert code == 0
    witness = json_of(out)["witness"]
    assert (state / "witness.key").stat().st_mode & 0o777 == 0o600
    code, _, err = run("witness", "cosign", ledger.directory, "--state", state)
    assert (code, "does not know" in err) == (4, True)
    code, out, _ = run("witness", "cosign", ledger.directory, "--state", state, "--key", key(ledger), "--out", kept)
    assert code == 0
    assert "300 leaves cosigned, kept in" in out
    shutil.copytree(ledger.directory, old)
    code, out, _ = run("ledger", "verify", ledger.directory, "--key", key(ledger), "--witness", state / "witness.vkey")
    assert code == 0
    assert "cosigned  300 leaves, by dpo.example/ana at" in out
    leaves, lines = plain_leaves(ledger.directory), bodies_of(ledger.directory)
    leaves[200], lines[200] = fabricated("look.closed", LedgerReader(ledger.directory).leaf(200).time_ns, {})
    shutil.rmtree(ledger.directory / "cosigned")
    forge(ledger.directory, ledger.signer, leaves, lines)
    assert run("ledger", "verify", ledger.directory, "--key", key(ledger))[0] == 0
    for more, found in (
        (["--checkpoint", kept], "its key signed two trees of 300 leaves"),
        (["--against", state], "leaf 200 (look.closed, "),
        (["--against", old], "(there it is camera.added, "),
        (["--witness", witness], "no checkpoint of this ledger was cosigned by 1"),
    ):
        code, out, _ = run("ledger", "verify", ledger.directory, "--key", key(ledger), *more)
        assert (code, found in out) == (7, True), out
    code, _, err = run("witness", "cosign", ledger.directory, "--state", state)
    assert code == 7
    assert "was forked: leaf 200 (look.closed, " in err


def test_a_proof_needs_nothing_but_the_key(ledger: LedgerSite, run: Run, folder: Path) -> None:
    state, proof = folder / "witness", folder / "leaf.tlog-proof"
    run("witness", "init", "dpo.example/ana", "--state", state)
    run("witness", "cosign", ledger.directory, "--state", state, "--key", key(ledger))
    vkey = state / "witness.vkey"
    with ledger.open() as writer:
        writer.append(Entry("look.opened", {"who": "Ana", "purpose": "crime\x1b[31m", "cameras": ["front-door"]}))
    code, _, err = run("ledger", "prove", ledger.directory, 300, "--out", proof, "--witness", vkey)
    assert (code, "ask them first" in err) == (4, True)
    run("witness", "cosign", ledger.directory, "--state", state)
    code, out, _ = run("ledger", "prove", ledger.directory, 300, "--out", proof, "--witness", vkey)
    assert code == 0
    assert "signed by council.example/control-room, dpo.example/ana" in out
    assert run("ledger", "prove", ledger.directory, 300, "--out", proof)[0] == 5
    shutil.rmtree(ledger.directory)
    code, out, _ = run("ledger", "verify", "--proof", proof, "--key", key(ledger), "--witness", vkey)
    assert code == 0
    assert "who: Ana" in out
    assert "\x1b[31m" not in out
    assert "stands in council.example/control-room under its checkpoint of 301 leaves" in out
    code, out, _ = run("ledger", "verify", "--proof", proof, "--key", key(ledger), "--json")
    assert json_of(out)["body"]["cameras"] == ["front-door"]
    other = NoteSigner.generate(ledger.signer.name).verifier
    assert run("ledger", "verify", "--proof", proof, "--key", other)[0] == 7
    stranger = NoteSigner.generate("w", 4).verifier
    code, _, err = run("ledger", "verify", "--proof", proof, "--key", key(ledger), "--witness", stranger)
    assert (code, "0 of the given witnesses cosigned" in err) == (7, True)
    assert run("ledger", "verify", "--proof", proof)[0] == 2
    assert run("ledger", "verify")[0] == 2
    proof.write_text("nothing")
    assert run("ledger", "verify", "--proof", proof, "--key", key(ledger))[0] == 2


def test_a_proof_without_its_body(ledger: LedgerSite, run: Run, folder: Path) -> None:
    proof = folder / "p"
    assert run("ledger", "prove", ledger.directory, 5, "--out", proof, "--without-body")[0] == 0
    code, out, _ = run("ledger", "verify", "--proof", proof, "--key", key(ledger))
    assert (code, "is not part of this proof" in out) == (0, True)
    assert run("ledger", "prove", ledger.directory, 300, "--out", folder / "q")[0] == 4


def test_leaves_are_shown(ledger: LedgerSite, run: Run) -> None:
    with ledger.open() as writer:
        ledger.clock.ns -= 10**12
        writer.append(entry(300, "person.added"))
        writer.prune([299])
    code, out, err = run("ledger", "show", ledger.directory, "--last", 2)
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == ["299", "300"]
    assert "(body pruned)" in out
    assert "the machine's clock was" in out
    assert key(ledger) in err
    code, out, _ = run("ledger", "show", ledger.directory, "--kind", "camera.", "--last", 0, "--json")
    values = [json_of(line) for line in out.splitlines()]
    assert [value["leaf"] for value in values] == list(range(2, 300, 3))
    assert values[0]["body"]["number"] == 2
    code, out, _ = run("ledger", "show", ledger.directory, "--leaf", 7)
    assert "person-0" in out
    assert run("ledger", "show", ledger.directory, "--to", "2026-01-01T00:00:00Z")[1] == ""
    assert run("ledger", "show", ledger.directory, "--leaf", 301)[0] == 4
    assert run("ledger", "show", ledger.directory.parent)[0] == 4
    assert run("ledger", "show", ledger.directory / "nowhere")[0] == 4


@contextmanager
def serving(*arguments: object) -> Iterator[str]:
    """A program that prints its address in JSON, and is stopped."""
    command = [sys.executable, "-m", "overt.cli.main", *map(str, arguments), "--json"]
    run = "import sys; from overt.cli.main import run; sys.argv[0] = 'overt'; run()"
    with subprocess.Popen([sys.executable, "-c", run, *command[3:]], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield str(json.loads(process.stdout.readline())["address"])
        finally:
            process.terminate()
            assert process.wait(30) in {0, -15}


@pytest.mark.parametrize("encrypted", [False, True], ids=["http", "https"])
def test_a_ledger_asks_a_witness(ledger: LedgerSite, run: Run, folder: Path, encrypted: bool) -> None:
    state = folder / "witness"
    run("witness", "init", "dpo.example/ana", "--state", state)
    port, how, trusting = free_port(), ["--plain-http"], []
    if encrypted:
        authority = trustme.CA()
        certificate = authority.issue_cert("127.0.0.1")
        authority.cert_pem.write_to_path(str(folder / "ca.pem"))
        certificate.private_key_pem.write_to_path(str(folder / "w.key"))
        certificate.cert_chain_pems[0].write_to_path(str(folder / "w.pem"))
        how = ["--certificate", str(folder / "w.pem"), "--private-key", str(folder / "w.key")]
        trusting = ["--authority", str(folder / "ca.pem")]
    with serving(
        "witness", "serve", "--state", state, "--log", key(ledger), "--listen", f"127.0.0.1:{port}", *how
    ) as address:
        assert address.startswith("https" if encrypted else "http:")
        asking = ["ledger", "ask", ledger.directory, address, "--witness", state / "witness.vkey", *trusting]
        code, out, err = run(*asking)
        assert code == 0, err
        assert "300 leaves" in out
        with ledger.open() as writer:
            writer.append_all(entries(300, 20))
        assert run(*asking)[0] == 0
        assert sorted(each.name for each in (ledger.directory / "cosigned").glob("[0-9]*")) == ["300", "320"]
        code, _, _ = run("ledger", "verify", ledger.directory, "--witness", state / "witness.vkey")
        assert code == 0
        if encrypted:
            assert run(*asking[: -len(trusting)])[0] == 6
            return
        leaves, lines = plain_leaves(ledger.directory), bodies_of(ledger.directory)
        leaves[3], lines[3] = fabricated("look.opened", LedgerReader(ledger.directory).leaf(3).time_ns, {})
        forge(ledger.directory, ledger.signer, leaves, lines)
        code, _, err = run(*asking)
        assert (code, "signed two trees of 320 leaves" in err) == (5, True)
        forge(ledger.directory, ledger.signer, [*leaves, leaves[-1]], [*lines, lines[-1]])
        code, _, err = run(*asking)
        assert (code, "422" in err) == (7, True)
        forge(ledger.directory, ledger.signer, leaves[:310], lines[:310])
        code, _, err = run(*asking)
        assert (code, "was it shortened?" in err) == (7, True)
    assert run(*asking)[0] == 6


def test_a_ledger_is_read_from_a_web_server(ledger: LedgerSite, run: Run, folder: Path) -> None:
    state, note = folder / "witness", folder / "ana.checkpoint"
    run("witness", "init", "dpo.example/ana", "--state", state)
    server = (
        "import http.server, json, functools, sys\n"
        "handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[1])\n"
        "handler.func.log_message = lambda *_: None\n"
        "server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler)\n"
        "print(server.server_port, flush=True)\n"
        "server.serve_forever()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", server, ledger.directory], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        address = f"http://127.0.0.1:{int(process.stdout.readline())}"
        try:
            code, out, err = run("ledger", "verify", address, "--key", key(ledger))
            assert code == 0, err
            assert "300 of 300 leaves and 0 bodies verified" in out
            assert run("ledger", "verify", address)[0] == 2
            assert len(run("ledger", "show", address, "--key", key(ledger))[1].splitlines()) == 50
            code, out, _ = run("witness", "cosign", address, "--state", state, "--key", key(ledger), "--out", note)
            assert (code, "— dpo.example/ana " in out) == (0, True)
            assert run("ledger", "verify", f"{address}/nowhere", "--key", key(ledger))[0] == 7
        finally:
            process.kill()
    assert run("ledger", "verify", address, "--key", key(ledger))[0] == 6
    assert run("ledger", "accept", ledger.directory, note, "--witness", state / "witness.vkey")[0] == 0
    code, out, _ = run("ledger", "verify", ledger.directory, "--witness", state / "witness.vkey")
    assert (code, "cosigned  300 leaves" in out) == (0, True)
    stranger = NoteSigner.generate("w", 4).verifier
    assert run("ledger", "accept", ledger.directory, note, "--witness", stranger)[0] == 3


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--listen", "nowhere"], 2),
        (["--listen", "127.0.0.1:0", "--plain-http"], 2),
        (["--listen", "0.0.0.0:8447", "--plain-http"], 3),
        ([], 2),
        (["--certificate", "/nowhere"], 2),
    ],
)
def test_a_witness_is_not_served_just_anyhow(run: Run, folder: Path, arguments: list[str], code: int) -> None:
    run("witness", "init", "w", "--state", folder / "w")
    assert run("witness", "serve", "--state", folder / "w", *arguments)[0] == code


def test_witnesses_are_made_once_and_named_well(run: Run, folder: Path) -> None:
    assert run("witness", "init", "a b", "--state", folder / "w")[0] == 2
    assert run("witness", "init", "a", "--state", folder / "w")[0] == 0
    assert run("witness", "init", "a", "--state", folder / "w")[0] == 5
    assert run("witness", "cosign", folder, "--state", folder / "nowhere")[0] == 4
    assert run("ledger", "verify", folder, "--key", "nonsense")[0] == 4
    assert run("ledger", "verify", folder, "--key", "a+b+c")[0] == 2


def test_every_kind_of_finding_is_in_the_reference() -> None:
    text = (Path(__file__).parents[2] / "docs/reference/command-line.md").read_text()
    section = text.split("What is found, by its name", 1)[1].split("\n## ", 1)[0]
    rows = "\n".join(line.split("|")[1] for line in section.splitlines() if line.startswith("|"))
    assert {kind.value for kind in FindingKind} == set(re.findall(r"`([a-z-]+)`", rows))
