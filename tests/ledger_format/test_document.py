"""The document is enough: vectors as published, and a verifier that knows nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ledger_rig import entries, entry, ledger_site
from overt.ledger.checkpoint import SignedCheckpoint
from overt.ledger.cosignature import cosign
from overt.ledger.cosigned import add
from overt.ledger.leaves import Entry
from overt.ledger.note import NoteSigner, VerifierKey
from overt.ledger.proof_file import Proof
from overt.ledger.proving import prove
from overt.ledger.reader import LedgerReader
from overt.ledger.tiles import DirectorySource
from overt.ledger.verifying import Kept, Trust, verify


@pytest.fixture(name="vector", scope="module")
def _vector(vectors: ModuleType) -> dict[str, Any]:
    value = json.loads((vectors.VECTORS / "ledger.json").read_text())
    assert isinstance(value, dict)
    return value


def test_published_vectors_are_what_the_program_makes(vectors: ModuleType) -> None:
    made = vectors.make()
    folder = vectors.VECTORS
    published = {str(path.relative_to(folder)) for path in (folder / "ledger").rglob("*") if path.is_file()}
    assert published | {"ledger.json"} == set(made)
    for name, data in made.items():
        assert (folder / name).read_bytes() == data, name


def test_the_document_shows_the_vectors(vectors: ModuleType, vector: dict[str, Any]) -> None:
    text = vectors.DOCUMENT.read_text()
    for name in ("checkpoint", "leaf-3.tlog-proof"):
        assert (vectors.VECTORS / "ledger" / name).read_text().rstrip("\n") in text
    assert vector["leaves"][2]["envelope"] in text


def test_the_stranger_imports_nothing_of_ours(stranger: ModuleType) -> None:
    source = Path(str(stranger.__file__)).read_text()
    imports = [line for line in source.splitlines() if line.startswith(("import ", "from "))]
    assert imports
    assert not [line for line in imports if "overt" in line]


def test_the_stranger_reads_the_vectors(vectors: ModuleType, stranger: ModuleType, vector: dict[str, Any]) -> None:
    folder = vectors.VECTORS / "ledger"
    leaves, bodies = stranger.read_ledger(folder, vector["key"])
    assert [json.dumps(leaf, sort_keys=True, separators=(",", ":")) for leaf in leaves] == [
        each["envelope"] for each in vector["leaves"]
    ]
    assert bodies == [None if each["pruned"] else each["body"] for each in vector["leaves"]]
    hashes = [bytes.fromhex(each["hash"]) for each in vector["leaves"]]
    assert [stranger.root(hashes[:size]).hex() for size in range(5)] == vector["roots"]
    for each in vector["leaves"]:
        body = json.dumps(each["body"], sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        assert stranger.committed(each["envelope"].encode(), bytes.fromhex(each["salt"]), body)
    assert stranger.signed((folder / "cosigned/4").read_text(), vector["witness"]) == [vector["cosigned_s"]]
    proof = (folder / "leaf-3.tlog-proof").read_text()
    assert stranger.read_proof(proof, vector["key"], [vector["witness"]]) == (leaves[3], bodies[3])


def test_we_read_the_vectors(vectors: ModuleType, vector: dict[str, Any]) -> None:
    folder = vectors.VECTORS / "ledger"
    key, witness = VerifierKey.parse(vector["key"]), VerifierKey.parse(vector["witness"])
    kept = [Kept(SignedCheckpoint.parse((folder / "cosigned/4").read_bytes()), "cosigned/4")]
    report = verify(DirectorySource(folder), Trust([key], kept=kept, witnesses=[witness]))
    assert report.sound
    assert (report.leaves, report.bodies, report.pruned) == (4, 3, 1)
    reader = LedgerReader(folder)
    assert [leaf.hash.hex() for leaf in reader.leaves()] == [each["hash"] for each in vector["leaves"]]
    assert [reader.root(size).hex() for size in range(5)] == vector["roots"]
    proved = Proof.parse((folder / "leaf-3.tlog-proof").read_bytes()).verify([key], [witness])
    assert proved.body is not None
    assert proved.body.value() == vector["leaves"][3]["body"]
    assert NoteSigner.parse(vector["private_key"]).verifier == key
    assert NoteSigner.parse(vector["witness_private_key"]).verifier == witness


def test_the_stranger_reads_what_the_ledger_writes(stranger: ModuleType, tmp_path: Path) -> None:
    site = ledger_site(tmp_path / "ledger")
    site.fill(300)
    with site.open() as ledger:
        ledger.append(
            Entry("look.opened", {"who": "\u0000\u001f\u007f\u2028 \U0001f600", "a": {"z": [1, -2], "b": None}})
        )
        ledger.append_all(entries(301, 250))
        ledger.append(entry(551))
        signed = ledger.checkpoint
        add(site.directory, signed, [cosign(site.witness, signed.note.text, 1_800_000_000)])
        ledger.append(entry(552))
        ledger.prune([7])
    key, witness = str(site.signer.verifier), str(site.witness.verifier)
    leaves, bodies = stranger.read_ledger(site.directory, key)
    assert len(leaves) == 553
    assert bodies[7] is None
    assert bodies[300] == {"who": "\u0000\u001f\u007f\u2028 \U0001f600", "a": {"z": [1, -2], "b": None}}
    reader = LedgerReader(site.directory)
    for index in (0, 7, 255, 256, 300, 551):
        proof = prove(reader, site.directory, index, witnesses=[site.witness.verifier])
        assert proof.checkpoint.size == 552
        assert stranger.read_proof(proof.encode().decode(), key, [witness]) == (leaves[index], bodies[index])
    last = prove(reader, site.directory, 552)
    assert last.checkpoint.size == 553
    assert stranger.read_proof(last.encode().decode(), key, [])[0] == leaves[552]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text.replace("index 3", "index 2"),
        lambda text: text.replace("\n4\n", "\n5\n"),
        lambda text: text.replace("extra eyJ", "extra eyI"),
        lambda text: "\n".join(line for at, line in enumerate(text.split("\n")) if at != 3),
        lambda text: text.replace("— council", "— another"),
        lambda text: text.replace("p5gN", "p5gM"),
    ],
)
def test_both_refuse_a_spoilt_proof(
    stranger: ModuleType, vectors: ModuleType, vector: dict[str, Any], spoil: Callable[[str], str]
) -> None:
    text = (vectors.VECTORS / "ledger/leaf-3.tlog-proof").read_text()
    spoilt = spoil(text)
    assert spoilt != text
    with pytest.raises(Exception):  # noqa: B017, PT011 - the other reader fails in its own ways
        stranger.read_proof(spoilt, vector["key"], [vector["witness"]])
    key, witness = VerifierKey.parse(vector["key"]), VerifierKey.parse(vector["witness"])
    with pytest.raises(Exception) as caught:  # noqa: PT011 - its kind is asserted
        Proof.parse(spoilt.encode()).verify([key], [witness])
    assert type(caught.value).__name__ in {"InvalidError", "CorruptError"}
