"""The witness: what it remembers, what it answers, and what it does at the same time."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from ledger_rig import LedgerSite, entries, entry
from overt.errors import ConflictError, CorruptError, ForbiddenError, InvalidError, MissingError
from overt.ledger.checkpoint import Checkpoint, SignedCheckpoint, sign
from overt.ledger.cosignature import cosigned_by
from overt.ledger.note import NoteSigner, Signature
from overt.ledger.reader import LedgerReader
from overt.ledger.tiles import DirectorySource, HashTiles
from overt.ledger.witness_protocol import AddCheckpoint, encode_answer, parse_answer
from overt.ledger.witnessing import OtherSizeError, Witness


@pytest.fixture(name="witness")
def _witness(site: LedgerSite, folder: Path) -> Witness:
    witness = Witness.create(folder / "witness", "witness.example/dpo", clock=site.clock)
    witness.add_log(site.signer.verifier)
    return witness


def request(site: LedgerSite, old: int) -> AddCheckpoint:
    reader = LedgerReader(site.directory)
    return AddCheckpoint(old, tuple(reader.consistency(old) if old else ()), reader.checkpoint)


def require_cosigned(witness: Witness, signed: SignedCheckpoint, line: Signature) -> None:
    assert len(cosigned_by(signed.note.with_signatures([line]), [witness.key])) == 1


@pytest.mark.parametrize("steps", [[1], [255, 1, 1], [300, 300], [10, 0, 600, 5], [256, 256]])
def test_the_mirror_grows_with_the_ledger(site: LedgerSite, witness: Witness, steps: list[int]) -> None:
    for count in steps:
        with site.open() as ledger:
            ledger.append_all(entries(ledger.size, count))
        signed, line = witness.cosign(DirectorySource(site.directory))
        require_cosigned(witness, signed, line)
        known = witness.log(site.signer.name)
        assert known.mirrored() == signed.size
        mirror = HashTiles(DirectorySource(known.directory), signed.size)
        assert mirror.root() == signed.root
        last = known.last()
        assert last is not None
        assert last.size == signed.size


def test_a_log_asks_by_proof(site: LedgerSite, witness: Witness) -> None:
    site.fill(10)
    first = request(site, 0)
    require_cosigned(witness, first.checkpoint, witness.add_checkpoint(AddCheckpoint.parse(first.encode())))
    require_cosigned(witness, first.checkpoint, witness.add_checkpoint(request(site, 10)))
    site.fill(300)
    with pytest.raises(OtherSizeError) as caught:
        witness.add_checkpoint(request(site, 0))
    assert caught.value.size == 10
    require_cosigned(witness, request(site, 10).checkpoint, witness.add_checkpoint(request(site, 10)))
    with pytest.raises(OtherSizeError):
        witness.add_checkpoint(first)
    known = witness.log(site.signer.name)
    assert known.mirrored() == 0
    witness.cosign(DirectorySource(site.directory))
    assert known.mirrored() == 300


def test_what_a_witness_refuses(site: LedgerSite, witness: Witness, folder: Path) -> None:
    site.fill(10)
    good = request(site, 0)
    stranger = NoteSigner.generate("somebody.else/log")
    unknown = AddCheckpoint(0, (), sign(Checkpoint(stranger.name, 10, bytes(32)), stranger))
    with pytest.raises(MissingError):
        witness.add_checkpoint(unknown)
    impostor = NoteSigner.generate(site.signer.name)
    with pytest.raises(ForbiddenError):
        witness.add_checkpoint(AddCheckpoint(0, (), sign(good.checkpoint.checkpoint, impostor)))
    with pytest.raises(InvalidError):
        witness.add_checkpoint(AddCheckpoint(11, (), good.checkpoint))
    with pytest.raises(CorruptError):
        witness.add_checkpoint(AddCheckpoint(0, (bytes(32),), good.checkpoint))
    witness.add_checkpoint(good)
    forked = sign(Checkpoint(site.signer.name, 10, bytes(32)), site.signer)
    with pytest.raises(ConflictError, match="forked"):
        witness.add_checkpoint(AddCheckpoint(10, (), forked))
    longer = sign(Checkpoint(site.signer.name, 11, bytes(32)), site.signer)
    with pytest.raises(CorruptError, match="does not show"):
        witness.add_checkpoint(AddCheckpoint(10, (bytes(32),), longer))
    kept = {each.name for each in (witness.log(site.signer.name).directory / "refused").iterdir()}
    assert kept == {"10-" + good.checkpoint.root.hex()[:16], "10-" + "0" * 16, "11-" + "0" * 16}


def test_history_altered_between_what_was_proved_and_what_is_mirrored(site: LedgerSite, witness: Witness) -> None:
    site.fill(100)
    witness.cosign(DirectorySource(site.directory))
    shown = LedgerSite(site.directory.with_name("shown"), site.signer, site.witness, site.clock)
    for each in site.directory.rglob("*"):
        if each.is_file():
            target = shown.directory / each.relative_to(site.directory)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(each.read_bytes())
    with shown.open() as ledger:
        ledger.append_all(entries(100, 50))
    witness.add_checkpoint(request(shown, 100))
    with site.open() as ledger:
        ledger.append_all(entries(100, 60))
    with pytest.raises(CorruptError, match="the first that differs is one of 100 to 149"):
        witness.cosign(DirectorySource(site.directory))


def test_requests_at_the_same_time_never_roll_back(site: LedgerSite, witness: Witness) -> None:
    """The race that the specification names: checked in one order, remembered in the other."""
    requests = []
    for size in range(1, 13):
        site.fill(size)
        requests.append([request(site, old) for old in range(size)])
    answered: list[int] = []

    def ask(choices: list[AddCheckpoint]) -> None:
        for each in reversed(choices):
            try:
                witness.add_checkpoint(each)
            except OtherSizeError:
                continue
            answered.append(each.checkpoint.size)

    threads = [threading.Thread(target=ask, args=(choices,)) for choices in requests * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    last = witness.log(site.signer.name).last()
    assert last is not None
    assert last.size == max(answered)
    assert len(answered) == len(set(answered))


def test_answers_are_read_back(site: LedgerSite, witness: Witness) -> None:
    site.fill(1)
    line = witness.add_checkpoint(request(site, 0))
    assert parse_answer(encode_answer([line, line])) == [line, line]
    for data in (b"", b"\n", b"x\n", encode_answer([line])[:-1], b"\xff\n"):
        with pytest.raises(InvalidError):
            parse_answer(data)


def test_the_ledger_keeps_what_its_witnesses_answer(site: LedgerSite, witness: Witness) -> None:
    site.fill(5)
    with site.open(witnesses=[witness.key]) as ledger:
        old = ledger.checkpoint
        line = witness.add_checkpoint(AddCheckpoint(0, (), old))
        ledger.append(entry(5))
        assert [each.key for each in ledger.add_cosignature(old, [line])] == [witness.key]
        assert len(ledger.checkpoint.note.signatures) == 1
        now = ledger.checkpoint
        proof = tuple(ledger.consistency_since(5))
        ledger.add_cosignature(now, [witness.add_checkpoint(AddCheckpoint(5, proof, now))])
        assert len(ledger.checkpoint.note.signatures) == 2
        assert len(LedgerReader(site.directory).checkpoint.note.signatures) == 2
        stranger = Witness.create(site.directory.parent / "stranger", "stranger", clock=site.clock)
        stranger.add_log(site.signer.verifier)
        with pytest.raises(ForbiddenError):
            ledger.add_cosignature(now, [stranger.add_checkpoint(AddCheckpoint(0, (), now))])
        other = sign(Checkpoint(site.signer.name, 5, bytes(32)), site.signer)
        with pytest.raises(CorruptError):
            ledger.add_cosignature(other, [line])
    with site.open() as ledger:
        assert len(ledger.checkpoint.note.signatures) == 2
        ledger.append(entry(6))
    assert sorted(each.name for each in (site.directory / "cosigned").glob("[0-9]*")) == ["5", "6"]


def test_readers_read_while_another_thread_writes(site: LedgerSite) -> None:
    site.fill(1)
    stop, failures = threading.Event(), []

    def read() -> None:
        reader = LedgerReader(site.directory)
        while not stop.is_set():
            try:
                reader.refresh()
                assert reader.root() == reader.checkpoint.root
                last = reader.leaf(reader.size - 1)
                body = reader.body(last.index)
                assert body is not None
                assert body.value()["number"] == last.index
            except Exception as error:  # noqa: BLE001 - told by the test
                failures.append(error)
                return

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    with site.open() as ledger:
        while ledger.size < 700:
            ledger.append_all(entries(ledger.size, 1 + ledger.size % 3))
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
