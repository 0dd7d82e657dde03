"""Proofs of RFC 6962, against the RFC's own words and against an implementation by others (pymerkle)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

import pymerkle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from overt.errors import InvalidError, MissingError
from overt.ledger.edge import HashEdge
from overt.ledger.merkle import EMPTY_ROOT, leaf_hash
from overt.ledger.proofs import (
    consistency,
    inclusion,
    is_consistent,
    range_root,
    root_of_inclusion,
    roots_of_consistency,
)
from overt.ledger.tiles import (
    HashTiles,
    decode_entries,
    encode_entries,
    entries_path,
    number_path,
    parse_path,
    tile_path,
    width_of,
)

LEAVES = [number.to_bytes(2, "big") for number in range(130)]
HASHES = [leaf_hash(each) for each in LEAVES]


@cache
def subtree(start: int, end: int) -> bytes:
    return words(HASHES[start:end])


def subproof(old: int, start: int, end: int, *, whole: bool) -> list[bytes]:
    """RFC 6962 §2.1.2, word for word: SUBPROOF(old, D[start:end], whole)."""
    if old == end - start:
        return [] if whole else [subtree(start, end)]
    split = 1 << (end - start - 1).bit_length() - 1
    if old <= split:
        return [*subproof(old, start, start + split, whole=whole), subtree(start + split, end)]
    return [*subproof(old - split, start + split, end, whole=False), subtree(start, start + split)]


def words(hashes: list[bytes]) -> bytes:
    """RFC 6962 §2.1, word for word."""
    if len(hashes) < 2:
        return hashes[0] if hashes else hashlib.sha256(b"").digest()
    split = 1 << (len(hashes) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + words(hashes[:split]) + words(hashes[split:])).digest()


@pytest.fixture(name="theirs", scope="module")
def _theirs() -> pymerkle.InmemoryTree:
    tree = pymerkle.InmemoryTree(algorithm="sha256")
    for leaf in LEAVES:
        tree.append_entry(leaf)
    return tree


@pytest.mark.parametrize("first", range(1, 131, 26))
def test_every_inclusion_proof_up_to_130_leaves(theirs: pymerkle.InmemoryTree, first: int) -> None:
    for size in range(first, min(first + 26, 131)):
        root = theirs.get_root(size)
        assert range_root(0, size, subtree) == root
        for index in range(size):
            path = inclusion(index, size, subtree)
            assert path == theirs.prove_inclusion(index + 1, size).path[1:]
            assert root_of_inclusion(index, size, HASHES[index], path) == root
            if path:
                with pytest.raises(InvalidError):
                    root_of_inclusion(index, size, HASHES[index], path[:-1])
            with pytest.raises(InvalidError):
                root_of_inclusion(index, size, HASHES[index], [*path, path[-1] if path else EMPTY_ROOT])


@pytest.mark.parametrize("first", range(1, 131, 26))
def test_every_consistency_proof_up_to_130_leaves(theirs: pymerkle.InmemoryTree, first: int) -> None:
    for new in range(first, min(first + 26, 131)):
        new_root = theirs.get_root(new)
        for old in range(1, new):
            old_root = theirs.get_root(old)
            path = consistency(old, new, subtree)
            assert roots_of_consistency(old, new, old_root, path) == (old_root, new_root)
            assert is_consistent(old, old_root, new, new_root, path)
            assert not is_consistent(old, old_root, new, new_root, path[:-1])
            assert not is_consistent(old, old_root, new, new_root, [*path, new_root])
            assert not is_consistent(old, EMPTY_ROOT, new, new_root, path)
            assert not is_consistent(old, old_root, new, EMPTY_ROOT, path)
            assert path == subproof(old, 0, new, whole=True)
            theirs.prove_consistency(old, new).verify(old_root, new_root)


def test_an_empty_tree_and_the_same_tree_need_no_proof() -> None:
    root = words(HASHES[:9])
    assert consistency(0, 9, subtree) == consistency(9, 9, subtree) == []
    assert is_consistent(0, EMPTY_ROOT, 9, root, [])
    assert is_consistent(9, root, 9, root, [])
    assert not is_consistent(9, root, 9, words(HASHES[:8]), [])
    assert not is_consistent(0, EMPTY_ROOT, 9, root, [root])
    assert not is_consistent(9, root, 8, root, [])
    with pytest.raises(InvalidError):
        consistency(10, 9, subtree)
    with pytest.raises(InvalidError):
        inclusion(9, 9, subtree)


@given(st.integers(0, 1 << 63), st.integers(0, 1 << 63), st.lists(st.binary(min_size=32, max_size=32), max_size=70))
def test_proofs_about_anything_are_refused_and_never_crash(first: int, second: int, path: list[bytes]) -> None:
    assert not is_consistent(first, b"1" * 32, second, b"2" * 32, path)
    with suppress(InvalidError):
        assert root_of_inclusion(first, second, b"1" * 32, path) != b"2" * 32


# Tiles.


class Files(dict[str, bytes]):
    """A log's files in memory."""

    def read(self, path: str) -> bytes:
        if path not in self:
            raise MissingError(path)
        return self[path]


def grown(sizes: Iterator[int]) -> tuple[Files, list[bytes]]:
    edge, files, hashes = HashEdge(), Files(), []
    for count in sizes:
        more = [leaf_hash((len(hashes) + at).to_bytes(4, "big")) for at in range(count)]
        edge, written = edge.grown(more)
        files |= written
        hashes += more
        assert edge.tree.root() == HashTiles(files, edge.size).root()
    return files, hashes


def test_tiles_of_a_tree_of_three_levels_are_those_that_the_specification_says() -> None:
    files, hashes = grown(iter([66_300]))
    assert sorted(path for path in files if path.startswith(("tile/1", "tile/2"))) == [
        "tile/1/000",
        "tile/1/001.p/2",
        "tile/2/000.p/1",
    ]
    assert len([path for path in files if path.startswith("tile/0")]) == 259
    assert len(files["tile/0/258.p/252"]) == 252 * 32
    tiles = HashTiles(files, 66_300)
    tree = pymerkle.InmemoryTree(algorithm="sha256")
    for number in range(66_300):
        tree.append_entry(number.to_bytes(4, "big"))
    assert tiles.root() == tree.get_root()
    for size in (1, 255, 256, 257, 65_535, 65_536, 65_537, 66_299):
        assert tiles.root(size) == tree.get_root(size)
    for index in (0, 255, 256, 65_535, 65_536, 66_299):
        assert root_of_inclusion(index, 66_300, hashes[index], tiles.inclusion(index)) == tiles.root()
        assert tiles.leaf(index) == hashes[index]
    for old in (1, 256, 300, 65_536, 66_100):
        assert is_consistent(old, tiles.root(old), 66_300, tiles.root(), tiles.consistency(old))


@pytest.mark.parametrize("sizes", [[1] * 520, [255, 1, 1, 255], [256, 256], [100] * 7])
def test_tiles_grow_the_same_in_any_steps(sizes: list[int]) -> None:
    files, hashes = grown(iter(sizes))
    whole, _ = grown(iter([sum(sizes)]))
    assert {path: data for path, data in files.items() if path in whole} == whole
    assert HashEdge.read(files, len(hashes)).partials() == {p: d for p, d in whole.items() if ".p/" in p}


@pytest.mark.parametrize(
    ("number", "path"),
    [(0, "000"), (999, "999"), (1000, "x001/000"), (1234067, "x001/x234/067"), (10**9, "x001/x000/x000/000")],
)
def test_numbers_are_written_in_elements_of_three_digits(number: int, path: str) -> None:
    assert number_path(number) == path
    assert parse_path(f"tile/3/{path}") == (3, number, 256)
    assert parse_path(f"tile/entries/{path}.p/7") == (None, number, 7)


@given(st.integers(0, 63), st.integers(0, 1 << 60), st.integers(1, 256))
def test_paths_are_read_back(level: int, number: int, width: int) -> None:
    assert parse_path(tile_path(level, number, width)) == (level, number, width)
    assert parse_path(entries_path(number, width)) == (None, number, width)


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/0",
        "tile/00/000",
        "tile/64/000",
        "tile/0/x000/000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/07",
        "tile/0/1/000",
        "tile/0/../000",
        "tile/a/000",
        "tile/0/000/",
        "tile/0/x00/000",
        "tile/0/٣٣٣",
    ],
)
def test_no_other_path_is_lawful(path: str) -> None:
    with pytest.raises(InvalidError):
        parse_path(path)


@given(st.text(max_size=40))
def test_any_path_is_read_or_refused(path: str) -> None:
    with suppress(InvalidError):
        parse_path(path)


@given(st.lists(st.binary(max_size=300), max_size=256))
def test_entry_bundles_are_read_back(entries: list[bytes]) -> None:
    assert decode_entries(encode_entries(entries)) == entries


@given(st.binary(max_size=2000))
def test_any_bundle_is_read_or_refused(data: bytes) -> None:
    with suppress(InvalidError):
        assert encode_entries(decode_entries(data)) == data


def test_widths_of_tiles() -> None:
    assert [width_of(0, number, 600) for number in range(4)] == [256, 256, 88, 0]
    assert [width_of(1, number, 600) for number in range(2)] == [2, 0]
    assert Path(tile_path(1, 0, 2)).parts == ("tile", "1", "000.p", "2")
    with pytest.raises(InvalidError):
        encode_entries([bytes(65_536)])
