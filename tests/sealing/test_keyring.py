"""Keyrings: opened by any of their security keys and by the paper, here and in the page; everything else is refused."""

from __future__ import annotations

import importlib.util
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any, cast
from uuid import UUID

import pyrage  # type: ignore[import-untyped]  # compiled, without stubs
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from overt.cli.keys import app
from overt.errors import ConflictError, CorruptError, ForbiddenError, InvalidError, MissingError, OvertError
from overt.ids import StreamKey
from overt.sealing.custody import open_with_passphrase, open_with_recovery_code, read_key_file
from overt.sealing.keyring import (
    MAX_ARMOURED,
    HeldKey,
    Keyring,
    checked_recipient,
    open_keyring,
    parse_keyring,
    recipient_count,
    recipient_of,
    seal_keyring,
    tidy_recovery,
)
from overt.sealing.roles import Recipients
from overt.sealing.wraps import WrappedKey, begin_period, unwrap
from prf_identity import bech32, identity_of_prf
from quick_age import quick_passphrases

VECTORS = Path(__file__).parents[2] / "docs" / "formats" / "vectors"
SITE = UUID("00000000-0000-4000-8000-000000000001")
NOW = datetime(2026, 11, 28, 17, 0, tzinfo=UTC)
PASSPHRASE = "eleven wet umbrellas"


def read(name: str) -> dict[str, Any]:
    return cast("dict[str, Any]", json.loads((VECTORS / name).read_text(encoding="utf-8")))


PLAINTEXT = read("keyring.json")["keyrings"][0]["plaintext"]


def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "make_keyring_vectors", Path(__file__).with_name("make_keyring_vectors.py")
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def new_secret() -> str:
    return str(pyrage.x25519.Identity.generate())


def held(days_ago: int = 0) -> HeldKey:
    return HeldKey(NOW - timedelta(days=days_ago), X25519PrivateKey.generate())


def same(one: Keyring, other: Keyring) -> bool:
    return one.encode() == other.encode()


def test_the_vectors_are_those_that_this_program_writes() -> None:
    vectors = maker()
    assert vectors.VECTORS.read_text(encoding="utf-8") == vectors.text(), "run tests/sealing/make_keyring_vectors.py"


def test_what_a_security_key_gives_is_the_identity_of_the_vectors() -> None:
    for each in read("keyring.json")["security_keys"]:
        identity = identity_of_prf(bytes.fromhex(each["prf_output"]), bytes.fromhex(each["credential_id"]))
        assert identity == each["identity"]
        assert recipient_of(identity) == each["recipient"] == checked_recipient(each["recipient"])


def test_the_keyring_of_each_role_opens_the_four_eyes_wrap_of_the_footage_vectors() -> None:
    vectors, footage = read("keyring.json"), read("footage.json")
    secret = vectors["recovery"]["secret"]
    keys = [open_keyring(each["keyring"], secret).role_key("Town Hall") for each in vectors["keyrings"]]
    for wrap in footage["wraps"]:
        assert unwrap(WrappedKey.decode(bytes.fromhex(wrap["wrapped_key"])), keys).hex() == footage["root"]


def test_a_keyring_that_the_page_sealed_opens_with_each_key_and_with_the_paper() -> None:
    vector = read("keyring-page.json")
    assert recipient_of(vector["recovery"]["secret"]) == vector["recovery"]["recipient"]
    for secret in (*vector["identities"], vector["recovery"]["secret"]):
        opened = open_keyring(vector["keyring"], secret)
        assert [each.key_id for each in opened.keys] == [each["key_id"] for each in vector["keys"]]
        assert [opened.role_key("x", each.key_id).public_key.hex() for each in opened.keys] == vector["public_keys"]
    assert recipient_count(vector["keyring"]) == 4


@pytest.mark.parametrize("case", read("keyring.json")["refused"], ids=lambda case: case["why"])
def test_what_no_reader_takes_is_refused(case: dict[str, str]) -> None:
    with pytest.raises(InvalidError) as caught:
        parse_keyring(case["plaintext"].encode())
    assert "11" * 16 not in str(caught.value)
    assert caught.value.__cause__ is None or "11" * 16 not in str(caught.value.__cause__)


@given(content=st.binary(max_size=400))
def test_no_bytes_are_taken_for_a_keyring(content: bytes) -> None:
    with pytest.raises(InvalidError):
        parse_keyring(content)


@given(
    place=st.integers(0, 10_000),
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
        max_leaves=5,
    ),
)
def test_a_keyring_with_any_member_replaced_is_refused_or_the_same_in_kind(place: int, value: object) -> None:
    whole = json.loads(PLAINTEXT)
    where = [whole, *whole["keys"]][place % 3]
    where[list(where)[place % len(where)]] = value
    try:
        keyring = parse_keyring(json.dumps(whole).encode())
    except OvertError:
        return
    assert keyring.role == whole["role"]


@given(count=st.integers(1, 6), role=st.from_regex(r"\A[a-z0-9](?:[a-z0-9_-]{0,20}[a-z0-9])?\Z"), site=st.uuids())
def test_whatever_is_written_is_read_again(count: int, role: str, site: UUID) -> None:
    keyring = Keyring(site, role, tuple(held(each) for each in reversed(range(count))))
    assert same(parse_keyring(keyring.encode()), keyring)


def test_an_altered_or_foreign_age_file_does_not_open() -> None:
    secret, other = new_secret(), new_secret()
    keyring = Keyring(SITE, "custodian", (held(),))
    sealed = seal_keyring(keyring, [recipient_of(secret)])
    assert same(open_keyring(sealed, secret), keyring)
    assert same(open_keyring(f"\n{sealed}\n", secret), keyring)
    with pytest.raises(ForbiddenError, match="sealed to others"):
        open_keyring(sealed, other)
    lines = sealed.splitlines()
    lines[2] = lines[2][::-1]
    with pytest.raises(ForbiddenError):
        open_keyring("\n".join(lines), secret)
    box = pyrage.encrypt(b"a letter", [pyrage.x25519.Identity.from_str(secret).to_public()], armored=True).decode()
    for wrong in ("", "a letter", box, sealed + " " * MAX_ARMOURED, sealed.replace("AGE", "ÄGE")):
        with pytest.raises(InvalidError):
            open_keyring(wrong, secret)
    with pytest.raises(InvalidError, match="mistyped"):
        open_keyring(sealed, "AGE-SECRET-KEY-1")


@settings(max_examples=60)
@given(content=st.text(max_size=300))
def test_counting_recipients_of_anything_answers_or_refuses(content: str) -> None:
    with pytest.raises((InvalidError, CorruptError)):
        recipient_count(f"-----BEGIN AGE ENCRYPTED FILE-----\n{content}\n-----END AGE ENCRYPTED FILE-----")


def test_a_keyring_is_sealed_to_security_keys_alone() -> None:
    keyring = Keyring(SITE, "custodian", (held(),))
    with pytest.raises(InvalidError, match="at least one"):
        seal_keyring(keyring, [])
    with pytest.raises(InvalidError, match="not the recipient"):
        seal_keyring(keyring, ["ssh-ed25519 AAAA"])


def test_a_keyring_holds_different_keys_and_gives_the_newest() -> None:
    old, new = held(100), held()
    keyring = Keyring(SITE, "custodian", (old, new))
    assert keyring.role_key("Town Hall").key_id == new.key_id
    assert keyring.role_key("Town Hall", old.key_id).created == old.created
    with pytest.raises(MissingError, match=new.key_id):
        keyring.role_key("Town Hall", "0" * 16)
    for wrong in ((), (old, old)):
        with pytest.raises(InvalidError, match="different keys"):
            Keyring(SITE, "custodian", wrong)
    assert old.private_key.private_bytes_raw().hex() not in repr(keyring)


def test_a_recovery_secret_is_taken_as_people_type_it() -> None:
    recovery = read("keyring.json")["recovery"]
    for each in (recovery["secret"], *recovery["typed"]):
        assert tidy_recovery(each) == recovery["secret"]
    for each in recovery["mistyped"]:
        with pytest.raises(InvalidError, match=r"recovery secret|mistyped") as caught:
            tidy_recovery(each)
        assert "4242" not in str(caught.value)


@given(secret=st.binary(min_size=32, max_size=32), place=st.integers(16, 73), letter=st.integers(1, 31))
def test_one_mistyped_character_of_a_recovery_secret_is_always_told(secret: bytes, place: int, letter: int) -> None:
    alphabet = "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L"
    written = bech32("age-secret-key-", secret).upper()
    assert tidy_recovery(written) == written
    other = alphabet[(alphabet.index(written[place]) + letter) % 32]
    with pytest.raises(InvalidError, match="mistyped"):
        tidy_recovery(written[:place] + other + written[place + 1 :])


def run(*arguments: object, **environment: str) -> str:
    result = CliRunner().invoke(app, [str(each) for each in arguments], env=environment)
    if isinstance(result.exception, OvertError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def test_footage_of_four_eyes_opens_by_the_papers_of_both_roles(tmp_path: Path) -> None:
    rings, keys = {}, []
    for role in ("custodian", "witness"):
        secret = new_secret()
        rings[role] = Keyring(SITE, role, (held(90), held()))
        (tmp_path / f"{role}.age").write_text(
            seal_keyring(rings[role], [recipient_of(new_secret()), recipient_of(secret)])
        )
        (tmp_path / f"{role}.txt").write_text(f"# created: 2026-11-28\n# {recipient_of(secret)}\n{secret}\n")
        key, arguments = tmp_path / f"{role}.key", ("--role", role, "--out", tmp_path / f"{role}.key")
        with quick_passphrases():
            paper = ("--secret-file", tmp_path / f"{role}.txt")
            ring = tmp_path / f"{role}.age"
            made = json.loads(run("recover-keyring", ring, *arguments, *paper, "--json", OVERT_PASSPHRASE=PASSPHRASE))
        assert made["key_id"] == rings[role].keys[-1].key_id
        assert made["other_keys"] == [rings[role].keys[0].key_id]
        keys.append(open_with_passphrase(read_key_file(key), PASSPHRASE))
        assert open_with_recovery_code(read_key_file(key), made["recovery_code"]).key_id == made["key_id"]
    recipients = Recipients(SITE, "Town Hall", tuple(ring.role_key("x").recipient for ring in rings.values()))
    period, wrapped = begin_period(recipients, StreamKey("front-door"))
    assert len(unwrap(wrapped, keys)) == 32
    assert period.period_id == wrapped.period_id
    with pytest.raises(ForbiddenError):
        unwrap(wrapped, keys[:1])


def test_recovering_an_older_key_another_role_and_a_name_that_is_taken(tmp_path: Path) -> None:
    secret = new_secret()
    ring = Keyring(SITE, "custodian", (held(90), held()))
    file, out = tmp_path / "ring.age", tmp_path / "old.key"
    file.write_text(seal_keyring(ring, [recipient_of(secret)]))
    told = {"OVERT_PASSPHRASE": PASSPHRASE, "OVERT_RECOVERY_SECRET": f" {secret.lower()} "}
    with pytest.raises(ForbiddenError, match="keyring of role custodian, not of witness"):
        run("recover-keyring", file, "--role", "witness", "--out", out, **told)
    arguments = ("--role", "custodian", "--site", "Town Hall", "--key-id", ring.keys[0].key_id, "--out", out)
    with quick_passphrases():
        said = run("recover-keyring", file, *arguments, **told)
    assert ring.keys[1].key_id in said
    assert "Recovery code" in said
    key_file = read_key_file(out)
    assert (key_file.site, key_file.key_id, key_file.created) == (
        "Town Hall",
        ring.keys[0].key_id,
        ring.keys[0].created,
    )
    with pytest.raises(ConflictError, match="not overwritten"):
        run("recover-keyring", file, *arguments, **told)
    assert open_with_passphrase(read_key_file(out), PASSPHRASE).key_id == ring.keys[0].key_id
    assert not (tmp_path / "other.key").exists()
    (tmp_path / "binary").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(InvalidError, match="not text"):
        run("recover-keyring", tmp_path / "binary", "--role", "custodian", "--out", tmp_path / "other.key", **told)
