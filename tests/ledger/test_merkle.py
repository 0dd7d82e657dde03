"""Merkle tree hash of RFC 6962: known roots, and the incremental tree against the recursive definition."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overt.errors import InvalidError
from overt.ledger.merkle import EMPTY_ROOT, MerkleRange, leaf_hash, node_hash

# The leaves and roots that implementations of RFC 6962 share as their test data.
LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def recursive_root(leaves: list[bytes]) -> bytes:
    """RFC 6962 §2.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    left, right = recursive_root(leaves[:split]), recursive_root(leaves[split:])
    return hashlib.sha256(b"\x01" + left + right).digest()


def test_known_roots() -> None:
    tree = MerkleRange()
    assert tree.root() == EMPTY_ROOT == hashlib.sha256(b"").digest()
    for count, (leaf, root) in enumerate(zip(LEAVES, ROOTS, strict=True), 1):
        tree.append(leaf_hash(leaf))
        assert len(tree) == count
        assert tree.root().hex() == root


def test_every_size_to_130_equals_the_definition() -> None:
    tree, leaves = MerkleRange(), []
    for number in range(130):
        leaves.append(number.to_bytes(2, "big"))
        tree.append(leaf_hash(leaves[-1]))
        assert tree.root() == recursive_root(leaves)


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=40), st.data())
def test_a_changed_leaf_changes_the_root(leaves: list[bytes], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(leaves) - 1))
    first, second = MerkleRange(), MerkleRange()
    for number, leaf in enumerate(leaves):
        first.append(leaf_hash(leaf))
        second.append(leaf_hash(leaf + b"!" if number == at else leaf))
    assert first.root() != second.root()


def test_leaves_and_nodes_cannot_be_confused() -> None:
    left, right = leaf_hash(b"a"), leaf_hash(b"b")
    assert leaf_hash(left + right) != node_hash(left, right)


def test_a_leaf_that_is_no_hash_is_refused() -> None:
    with pytest.raises(InvalidError, match="32 bytes"):
        MerkleRange().append(b"short")
