"""A ledger is copied while it is written, and the copy is a ledger."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from overt.errors import CorruptError, MissingError
from overt.ledger.copying import copy
from overt.ledger.leaves import Entry
from overt.ledger.ledger import Ledger
from overt.ledger.note import NoteSigner
from overt.ledger.tiles import bodies_path

SIGNER = NoteSigner.generate("northshire.example/ledger")


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 600])
def test_a_copy_opens_and_goes_on(tmp_path: Path, size: int) -> None:
    with Ledger.create(tmp_path / "ledger", SIGNER) as ledger:
        ledger.append_all([Entry("look.opened", {"number": number}) for number in range(size)])
        signed = copy(tmp_path / "ledger", tmp_path / "copy")
        root = ledger.reader().root()
    assert (signed.size, signed.root) == (size, root)
    with Ledger(tmp_path / "copy", SIGNER) as copied:
        assert copied.append(Entry("look.opened", {"number": size})).index == size
        reader = copied.reader()
        assert reader.root(size) == root
        bodies = [reader.body(number) for number in range(size + 1)]
        assert [each.value()["number"] for each in bodies if each] == list(range(size + 1))


def test_it_may_be_written_meanwhile(tmp_path: Path) -> None:
    with Ledger.create(tmp_path / "ledger", SIGNER) as ledger:
        ledger.append_all([Entry("a", {}) for _ in range(250)])
        stopping = threading.Event()

        def write() -> None:
            while not stopping.is_set():
                ledger.append(Entry("look.opened", {"more": True}))

        writer = threading.Thread(target=write)
        writer.start()
        try:
            signed = [copy(tmp_path / "ledger", tmp_path / f"copy-{number}") for number in range(5)]
        finally:
            stopping.set()
            writer.join()
        for number, each in enumerate(signed):
            with Ledger(tmp_path / f"copy-{number}", SIGNER) as copied:
                assert copied.reader().root(each.size) == each.root == ledger.reader().root(each.size)


def test_what_is_no_ledger_or_not_whole_is_told(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="is no ledger"):
        copy(tmp_path / "nothing", tmp_path / "copy")
    with Ledger.create(tmp_path / "ledger", SIGNER) as ledger:
        ledger.append_all([Entry("a", {}) for _ in range(3)])
    path = tmp_path / "ledger" / bodies_path(0)
    path.write_bytes(path.read_bytes().split(b"\n")[0] + b"\n")
    with pytest.raises(CorruptError, match="body of leaf 1 is missing"):
        copy(tmp_path / "ledger", tmp_path / "copy")
