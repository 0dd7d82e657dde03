"""Signed notes, checkpoints and cosignatures: the specifications' own examples, and a parser by others (sigstore)."""

from __future__ import annotations

import base64
import contextlib
import json

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from sigstore._internal.rekor.checkpoint import SignedCheckpoint as TheirCheckpoint

from overt.errors import CorruptError, ForbiddenError, InvalidError
from overt.ledger import canonical
from overt.ledger.bodies import decode_bundle
from overt.ledger.checkpoint import Checkpoint, SignedCheckpoint, sign
from overt.ledger.cosignature import cosign, cosigned_by
from overt.ledger.cosigned import verified_lines
from overt.ledger.journal import read_records
from overt.ledger.leaves import Body, Leaf
from overt.ledger.merkle import EMPTY_ROOT
from overt.ledger.note import COSIGNATURE, ED25519, Note, NoteSigner, Signature, VerifierKey
from overt.ledger.proof_file import Proof
from overt.ledger.witness_protocol import AddCheckpoint, parse_answer

# Published examples: of golang.org/x/mod/sumdb/note, and of the checksum database of Go.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETER_SECRET = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
PETER_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
GO_KEY = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
WITNESS_EXAMPLE = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+"
    "xeMcTOAYQ8=\n"
    "— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+"
    "mbIUBkBIfZ+qnA==\n"
)
ROOT = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="
NOT_CANONICAL_ROOT = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2J="
PETER_PUBLIC = "ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
LINE = "— a AAAAAAA=\n"


def test_the_note_of_the_reference_implementation_verifies() -> None:
    key, signer = VerifierKey.parse(PETER), NoteSigner.parse(PETER_SECRET)
    assert str(key) == PETER
    assert signer.verifier == key
    assert signer.encode() == PETER_SECRET
    note = Note.parse(PETER_NOTE.encode())
    assert note.signed_by([key]) == [key]
    assert Note(note.text, (signer.sign(note.text),)).encode().decode() == PETER_NOTE
    assert str(VerifierKey.parse(GO_KEY)) == GO_KEY


def test_the_example_of_the_specification_is_read() -> None:
    signed = SignedCheckpoint.parse(WITNESS_EXAMPLE.encode())
    assert signed.checkpoint.origin == "example.com/behind-the-sofa"
    assert signed.size == 20_852_163
    assert signed.encode().decode() == WITNESS_EXAMPLE
    _, line = signed.note.signatures
    assert int.from_bytes(line.blob[:8], "big") == 0x641850CB


def test_what_others_read_of_our_checkpoint() -> None:
    signer, witness = NoteSigner.generate("council.example/ledger"), NoteSigner.generate("dpo.example/ana", COSIGNATURE)
    signed = sign(Checkpoint(signer.name, 691_200, bytes(range(32))), signer)
    note = signed.note.with_signatures([cosign(witness, signed.note.text, 1_800_000_000)])
    theirs = TheirCheckpoint.from_text(note.encode().decode())
    assert theirs.checkpoint.origin == signer.name
    assert theirs.checkpoint.log_size == 691_200
    assert theirs.checkpoint.log_hash == bytes(range(32)).hex()
    first, second = theirs.signed_note.signatures
    assert (first.name, first.sig_hash) == (signer.name, signer.verifier.key_id)
    assert second.sig_hash == witness.verifier.key_id
    public = Ed25519PublicKey.from_public_bytes(signer.verifier.public)
    public.verify(base64.b64decode(first.signature), theirs.signed_note.note.encode())
    cosigned = base64.b64decode(second.signature)
    text = f"cosignature/v1\ntime 1800000000\n{theirs.signed_note.note}"
    Ed25519PublicKey.from_public_bytes(witness.verifier.public).verify(cosigned[8:], text.encode())


@given(st.text(min_size=1, max_size=30), st.integers(0, 1 << 62), st.binary(min_size=32, max_size=32))
def test_checkpoints_are_read_back_and_by_others_alike(origin: str, size: int, root: bytes) -> None:
    checkpoint = Checkpoint(origin, size, root if size else EMPTY_ROOT)
    try:
        again = Checkpoint.parse(checkpoint.text())
    except InvalidError:
        assert "\n" in origin
        return
    assert again == checkpoint
    signer = NoteSigner("a.example/b", ED25519, Ed25519PrivateKey.from_private_bytes(bytes(32)))
    note = Note(checkpoint.text(), (signer.sign(checkpoint.text()),))
    with contextlib.suppress(InvalidError):
        assert Note.parse(note.encode()) == note
        if not origin.strip() or origin.strip() != origin:
            return  # They take spaces off the ends.
        theirs = TheirCheckpoint.from_text(note.encode().decode())
        assert (theirs.checkpoint.origin, theirs.checkpoint.log_size) == (origin, size)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a\n",
        "a\n1\n",
        "a\n1\nCsUYapGG\n",
        f"a\n01\n{ROOT}\n",
        f"a\n-1\n{ROOT}\n",
        f"a\n1\n{NOT_CANONICAL_ROOT}\n",
        f"a\n1\n{ROOT}\n\n",
        f"a\n1\n{ROOT}",
        f"\n1\n{ROOT}\n",
        f"a\n0\n{ROOT}\n",
        f"a\n9223372036854775808\n{ROOT}\n",
        f"a\n\u0661\n{ROOT}\n",
    ],
)
def test_malformed_checkpoints_are_refused(text: str) -> None:
    with pytest.raises(InvalidError):
        Checkpoint.parse(text)


@pytest.mark.parametrize(
    "note",
    [
        "",
        "text\n",
        "text\n\n",
        "text\n\nx\n",
        "text\n\n- a AAAAAAA=\n",
        "text\n\n— a AAAAAAA=",
        "text\n\n— a AAAA\n",
        "text\n\n— a+b AAAAAAA=\n",
        "text\n\n—  AAAAAAA=\n",
        "text\n\n— a AAAAAAA= x\n",
        "text\n\n— a AAAAAAB=\n",
        f"te\txt\n\n{LINE}",
        f"\udcff\n\n{LINE}",
        f"text\n\n{LINE}\n",
        f"text\n\n{LINE * 129}",
    ],
)
def test_malformed_notes_are_refused(note: str) -> None:
    with pytest.raises(InvalidError):
        Note.parse(note.encode(errors="surrogateescape"))


def test_a_text_may_hold_empty_lines_and_sixteen_signatures_or_more() -> None:
    signers = [NoteSigner.generate(f"s{number}") for number in range(16)]
    text = "one\n\nthree\n"
    note = Note(text, tuple(signer.sign(text) for signer in signers))
    again = Note.parse(note.encode())
    assert again == note
    keys = [signer.verifier for signer in signers]
    assert again.signed_by(keys) == keys


def test_unknown_signatures_are_ignored_and_false_ones_refused() -> None:
    signer, other = NoteSigner.generate("a"), NoteSigner.generate("a")
    text = "text\n"
    note = Note(text, (other.sign(text), signer.sign(text)))
    assert note.signed_by([signer.verifier]) == [signer.verifier]
    assert Note(text, (other.sign(text),)).signed_by([signer.verifier]) == []
    with pytest.raises(CorruptError):
        Note("other\n", note.signatures).signed_by([signer.verifier])


def test_a_log_signs_for_itself_alone() -> None:
    signer = NoteSigner.generate("a")
    with pytest.raises(InvalidError):
        sign(Checkpoint("b", 0, EMPTY_ROOT), signer)
    text = Checkpoint("b", 0, EMPTY_ROOT).text()
    signed = SignedCheckpoint(Checkpoint("b", 0, EMPTY_ROOT), Note(text, (signer.sign(text),)))
    with pytest.raises(CorruptError, match="signs its own alone"):
        signed.require_log_key([signer.verifier])


def test_a_witness_key_cosigns_and_nothing_else() -> None:
    signer, witness = NoteSigner.generate("a"), NoteSigner.generate("w", COSIGNATURE)
    signed = sign(Checkpoint("a", 0, EMPTY_ROOT), signer)
    line = cosign(witness, signed.note.text, 7)
    assert [each.time_s for each in cosigned_by(signed.note.with_signatures([line]), [witness.verifier])] == [7]
    assert verified_lines(signed, [line], [witness.verifier])[0] == [line]
    with pytest.raises(ForbiddenError):
        verified_lines(signed, [line], [])
    with pytest.raises(InvalidError):
        witness.sign("text\n")
    with pytest.raises(InvalidError):
        cosign(signer, signed.note.text, 7)
    later = Signature(line.name, line.key_id, (8).to_bytes(8, "big") + line.blob[8:])
    with pytest.raises(CorruptError):
        cosigned_by(signed.note.with_signatures([later]), [witness.verifier])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "a+b",
        f"PeterNeumann+c74f20a4+{PETER_PUBLIC}",
        f"P+c74f20a3+{PETER_PUBLIC}",
        "a+00000000+ARpc",
        f"a b+c74f20a3+{PETER_PUBLIC}",
        f"a+c74f20a3+Ahp{PETER_PUBLIC[3:]}",
    ],
)
def test_malformed_keys_are_refused_and_no_secret_is_told(text: str) -> None:
    with pytest.raises(InvalidError):
        VerifierKey.parse(text)
    with pytest.raises(InvalidError) as caught:
        NoteSigner.parse(f"PRIVATE+KEY+{text}")
    assert "ARpc" not in str(caught.value)
    assert "AYEK" not in repr(NoteSigner.parse(PETER_SECRET))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=6), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(JSON)
def test_canonical_json_is_that_of_rfc_8785(value: object) -> None:
    data = canonical.encode(value)
    assert data == rfc8785.dumps(value)  # type: ignore[arg-type]  # JSON
    assert canonical.decode(data) == json.loads(data) == value


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b' {"a":1}',
        b'{"b":1,"a":2}',
        b'{"a":1,"a":1}',
        b"1.0",
        b"1e3",
        b"NaN",
        b'"\\u0041"',
        b"\xff",
        b"[" * 5000,
        b"9" * 400,
    ],
)
def test_what_is_not_canonical_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidError):
        canonical.decode(data)


def readers(data: bytes) -> list[object]:
    text = data.decode("latin-1")
    return [
        lambda: Note.parse(data),
        lambda: SignedCheckpoint.parse(data),
        lambda: Checkpoint.parse(text),
        lambda: VerifierKey.parse(text),
        lambda: NoteSigner.parse(text),
        lambda: Signature.parse(text),
        lambda: Proof.parse(data),
        lambda: AddCheckpoint.parse(data),
        lambda: parse_answer(data),
        lambda: Leaf.parse(0, data),
        lambda: Body.parse(data),
        lambda: canonical.decode(data),
        lambda: read_records(data, "journal"),
        lambda: decode_bundle(data),
    ]


SEEDS = [
    WITNESS_EXAMPLE.encode(),
    PETER_NOTE.encode(),
    PETER.encode(),
    f"old 7\n{base64.b64encode(bytes(32)).decode()}\n\n{WITNESS_EXAMPLE}".encode(),
    f"c2sp.org/tlog-proof@v1\nextra e30=\nindex 0\n\n{WITNESS_EXAMPLE}".encode(),
    Leaf(0, "look.opened", 0, 5, bytes(32)).envelope(),
    Body(bytes(32), b'{"a":1}').line(),
]


@given(st.data())
def test_no_reader_ever_raises_anything_but_its_own_errors(data: st.DataObject) -> None:
    seed = bytearray(data.draw(st.sampled_from(SEEDS)))
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, max(len(seed) - 1, 0)))
        seed[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    for reader in readers(bytes(seed)):
        with contextlib.suppress(InvalidError, CorruptError):
            reader()  # type: ignore[operator]  # all are functions


@given(st.binary(max_size=400))
def test_no_reader_minds_noise(data: bytes) -> None:
    for reader in readers(data):
        with contextlib.suppress(InvalidError, CorruptError):
            reader()  # type: ignore[operator]  # all are functions
