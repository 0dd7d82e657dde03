"""The document is enough: vectors as published, and a reader that knows nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from overt.footage.segment_reader import open_records
from overt.footage.segment_walk import walk
from overt.ids import StreamKey
from overt.media.samples import Fragment
from overt.sealing.ratchet import PeriodKeys, key_commitment, period_commitment
from overt.sealing.roles import Recipient, Recipients, RoleKey
from overt.sealing.wraps import WrappedKey, begin_period, unwrap

SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


@pytest.fixture(scope="module")
def vector(vectors: ModuleType) -> dict[str, Any]:
    value = json.loads((vectors.VECTORS / "footage.json").read_text())
    assert isinstance(value, dict)
    return value


@pytest.mark.parametrize("name", ["segment.ovs", "torn.ovs", "footage.json"])
def test_published_vectors_are_what_the_program_makes(vectors: ModuleType, name: str) -> None:
    assert (vectors.VECTORS / name).read_bytes() == vectors.make()[name]


def test_the_document_shows_the_vector(vectors: ModuleType) -> None:
    data = (vectors.VECTORS / "segment.ovs").read_bytes()
    assert vectors.DOCUMENT.read_text() == vectors.document_with(data)


def test_the_stranger_imports_nothing_of_ours(stranger: ModuleType) -> None:
    source = Path(str(stranger.__file__)).read_text()
    imports = [line for line in source.splitlines() if line.startswith(("import ", "from "))]
    assert imports
    assert not [line for line in imports if "overt" in line]


def test_the_stranger_reads_the_vectors(vectors: ModuleType, stranger: ModuleType, vector: dict[str, Any]) -> None:
    segment = stranger.read((vectors.VECTORS / "segment.ovs").read_bytes())
    root = bytes.fromhex(vector["root"])
    assert segment.complaints == []
    assert stranger.open_all(segment, root) == [bytes.fromhex(each["plaintext"]) for each in vector["records"]]
    for record, expected in zip(segment.records, vector["records"], strict=False):
        assert record.digest.hex() == expected["record_digest"]
        assert stranger.record_key(root, expected["message"]).hex() == expected["record_key"]
    torn = stranger.read((vectors.VECTORS / "torn.ovs").read_bytes())
    assert len(torn.complaints) == 2
    assert stranger.open_all(torn, root) == [bytes.fromhex(each["plaintext"]) for each in vector["records"][:2]]


def test_we_read_the_vectors(vectors: ModuleType, vector: dict[str, Any]) -> None:
    keys = PeriodKeys(bytes.fromhex(vector["root"]))
    found = walk(vectors.VECTORS / "segment.ovs")
    assert found.intact
    assert found.header is not None
    assert found.header.commitment.hex() == vector["header"]["period_commitment"] == keys.commitment.hex()
    got = [each.payload.hex() for each in open_records(vectors.VECTORS / "segment.ovs", keys)]
    assert got == [each["plaintext"] for each in vector["records"]]
    for expected in vector["records"]:
        assert keys.key(expected["message"]).hex() == expected["record_key"]
        assert key_commitment(bytes.fromhex(expected["record_key"])).hex() == expected["key_commitment"]
    torn = walk(vectors.VECTORS / "torn.ovs")
    assert [each.kind for each in torn.findings] == ["torn", "unended"]
    assert len(list(open_records(vectors.VECTORS / "torn.ovs", keys))) == 2


def test_both_open_the_published_wraps(stranger: ModuleType, vector: dict[str, Any], studio: Any) -> None:
    for wrap in vector["wraps"]:
        wrapped, privates = bytes.fromhex(wrap["wrapped_key"]), [bytes.fromhex(r["private_key"]) for r in wrap["roles"]]
        assert stranger.open_wrap(wrapped, privates).hex() == vector["root"]
        decoded = WrappedKey.decode(wrapped)
        assert decoded.policy == wrap["policy"]
        keys = [
            RoleKey(decoded.site_id, "site", role["role"], None, X25519PrivateKey.from_private_bytes(private))  # type: ignore[arg-type]  # date unused
            for role, private in zip(wrap["roles"], privates, strict=True)
        ]
        assert [key.key_id for key in keys] == [role["key_id"] for role in wrap["roles"]]
        assert unwrap(decoded, keys).hex() == vector["root"]
        with pytest.raises(stranger.RefusedError):
            stranger.open_wrap(wrapped, privates[1:])


@pytest.mark.parametrize("roles", [("custodian",), ("custodian", "witness")])
def test_the_stranger_opens_the_wraps_we_make(stranger: ModuleType, studio: Any, roles: tuple[str, ...]) -> None:
    privates = [X25519PrivateKey.generate() for _ in roles]
    recipients = Recipients(
        studio.site,
        "Library",
        tuple(Recipient(r, p.public_key().public_bytes_raw()) for r, p in zip(roles, privates, strict=True)),
    )
    period, wrapped = begin_period(recipients, StreamKey("yard", "sub"))
    root = stranger.open_wrap(wrapped.encode(), [private.private_bytes_raw() for private in privates])
    assert period_commitment(root) == period.commitment


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=200), max_size=6), st.booleans(), st.integers(0, 200))
def test_the_stranger_reads_what_the_writer_writes(
    stranger: ModuleType, studio: Any, payloads: list[bytes], end: bool, cut: int
) -> None:
    summary = studio.segment(payloads, end=end)
    segment = stranger.read(summary.path.read_bytes())
    assert segment.complaints == ([] if end else ["no end record"])
    assert stranger.open_all(segment, studio.root) == [b"configuration", *payloads]
    assert (segment.camera, segment.stream) == (b"yard", b"main")
    assert segment.segment == summary.header.segment_id.bytes
    assert [record.offset for record in segment.records[: summary.records]] == [
        record.offset for record in walk(summary.path).records
    ]
    data = summary.path.read_bytes()
    summary.path.write_bytes(data[: max(len(summary.header.encode()), len(data) - cut)])
    mine, theirs = walk(summary.path), stranger.read(summary.path.read_bytes())
    assert [r.offset for r in mine.records] == [r.offset for r in theirs.records if r.kind != 3]
    assert bool(mine.findings) == bool(theirs.complaints)


def test_both_readers_find_the_same_flipped_bytes(stranger: ModuleType, studio: Any) -> None:
    summary = studio.segment()
    data = summary.path.read_bytes()
    for at in range(len(summary.header.encode()), len(data)):
        altered = bytearray(data)
        altered[at] ^= 0x10
        assert stranger.read(bytes(altered)).complaints, f"byte {at}"


def test_a_verifier_with_a_record_key_seals_to_the_same_digest(
    stranger: ModuleType, studio: Any, fragment: Callable[..., Fragment]
) -> None:
    """Decision 2: plaintext, header, header digest and key lead to the logged leaf."""
    summary = studio.segment()
    segment = stranger.read(summary.path.read_bytes())
    for record, plaintext in zip(segment.records, [b"configuration", b"one", b"two", b"three"], strict=False):
        key = stranger.record_key(studio.root, record.message)
        aad = segment.header_digest + record.header
        sealed = stranger.AESGCM(key).encrypt(bytes(12), plaintext, aad)
        assert stranger.hashlib.sha256(aad + sealed).digest() == record.digest


class TestHpke:
    """The stranger's HPKE against RFC 9180, and the library's against the stranger's."""

    def test_rfc_9180_appendix_a_1_1(self, stranger: ModuleType) -> None:
        """DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-128-GCM, base mode, sequence number 0."""
        info = bytes.fromhex("4f6465206f6e2061204772656369616e2055726e")
        ephemeral = bytes.fromhex("52c4a758a802cd8b936eceea314432798d5baf2d7e9235dc084ab1b9cfa2f736")
        private = bytes.fromhex("4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8")
        public = bytes.fromhex("3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d")
        enc = bytes.fromhex("37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431")
        plaintext = bytes.fromhex("4265617574792069732074727574682c20747275746820626561757479")
        aad = bytes.fromhex("436f756e742d30")
        ciphertext = bytes.fromhex(
            "f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a96d8770ac83d07bea87e13c512a"
        )
        aead = stranger.AES_128_GCM
        assert stranger.public_of(private) == public
        assert stranger.hpke_seal(public, info, plaintext, ephemeral, aead=aead, aad=aad) == enc + ciphertext
        assert stranger.hpke_open(private, info, enc + ciphertext, aead=aead, aad=aad) == plaintext

    @settings(max_examples=15)
    @given(st.binary(min_size=32, max_size=32), st.binary(max_size=60), st.binary(max_size=80))
    def test_the_library_and_the_stranger_understand_each_other(
        self, stranger: ModuleType, seed: bytes, info: bytes, plaintext: bytes
    ) -> None:
        private = X25519PrivateKey.from_private_bytes(seed)
        public = private.public_key().public_bytes_raw()
        ephemeral = X25519PrivateKey.generate().private_bytes_raw()
        assert SUITE.decrypt(stranger.hpke_seal(public, info, plaintext, ephemeral), private, info) == plaintext
        sealed = SUITE.encrypt(plaintext, X25519PublicKey.from_public_bytes(public), info)
        assert stranger.hpke_open(seed, info, sealed) == plaintext
        with pytest.raises(InvalidTag):
            stranger.hpke_open(seed, info + b"!", sealed)
