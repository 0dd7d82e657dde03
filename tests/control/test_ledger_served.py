"""The control room's ledger for witnesses: no body, no sign-in, and only where the setting says so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings

from acts_rig import fresh_ledger
from overt.control.acts.kinds import Kind
from overt.control.acts.recording import record
from overt.errors import MissingError
from overt.ledger.ledger import Ledger
from overt.ledger.reader import LedgerReader
from overt.ledger.verifying import Trust, verify
from overt.ledger.witnessing import Witness

pytestmark = pytest.mark.django_db
SECRET = "a name that is nobody's business"


@pytest.fixture(name="ledger")
def _ledger(tmp_path: Path) -> Iterator[Ledger]:
    with fresh_ledger(tmp_path / "ledger") as ledger:
        for _ in range(300):
            record(Kind.READ, more={"sought": {"person": SECRET}})
        yield ledger


@pytest.fixture(name="served")
def _served(settings: Settings) -> None:
    settings.CONTROL = settings.CONTROL.model_copy(update={"serve_ledger": True})


class Web:
    """What anybody reads at /ledger."""

    def __init__(self) -> None:
        self.read_bytes = b""

    def __str__(self) -> str:
        return "https://testserver/ledger"

    def read(self, path: str) -> bytes:
        answer = Client().get(f"/ledger/{path}")
        if answer.status_code == 404:
            raise MissingError(path)
        assert answer.status_code == 200
        self.read_bytes += answer.content
        return answer.content


def test_a_witness_cosigns_what_is_served(ledger: Ledger, served: None, tmp_path: Path) -> None:
    witness = Witness.create(tmp_path / "w", "dpo.example/ana")
    witness.add_log(ledger.key)
    web = Web()
    signed, line = witness.cosign(web)
    assert signed.size == ledger.size
    ledger_with_witness = LedgerReader(web, [ledger.key])
    assert ledger_with_witness.leaf(7).kind == "ledger.read"
    assert verify(web, Trust([ledger.key]), with_bodies=False).sound
    assert SECRET.encode() not in web.read_bytes
    assert line.name == "dpo.example/ana"


def test_it_is_off_unless_it_is_set(ledger: Ledger) -> None:
    assert Client().get("/ledger/checkpoint").status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "bodies/000",
        "journal",
        "ledger.json",
        "lock",
        "tile/0/../../bodies/000",
        "../control.sqlite",
        "tile/0/0",
        "tile/0/000.p/0",
    ],
)
def test_nothing_else_is_served(ledger: Ledger, served: None, path: str) -> None:
    assert Client().get(f"/ledger/{path}").status_code == 404


def test_full_tiles_may_be_kept_and_others_not(ledger: Ledger, served: None) -> None:
    assert Client().get("/ledger/tile/0/000")["cache-control"] == "public, max-age=31536000, immutable"
    for path in ("checkpoint", f"tile/0/001.p/{ledger.size - 256}"):
        assert Client().get(f"/ledger/{path}")["cache-control"] == "no-cache"
