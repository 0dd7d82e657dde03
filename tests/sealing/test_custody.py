"""Key files: opened by passphrase or paper code and by nothing else, never half written, never overwritten."""

from __future__ import annotations

import base64
import json
import os
import re
import stat
import unicodedata
from pathlib import Path
from uuid import uuid4

import pyrage
import pytest
from tenacity import wait_none

from overt.errors import ConflictError, CorruptError, ForbiddenError, InvalidError, MissingError, UnavailableError
from overt.new_file import write_new
from overt.sealing import age, custody
from overt.sealing.custody import (
    KeyFile,
    checked_passphrase,
    create_key_file,
    open_with_passphrase,
    open_with_recovery_code,
    read_key_file,
    set_passphrase,
)
from overt.sealing.recipients_file import read_recipients, write_recipients
from overt.sealing.roles import Recipients

PASSPHRASE = "eleven wet umbrellas"
NEW = "nine dry newspapers"


def test_a_passphrase_is_slow_to_try(true_passphrases: None) -> None:
    sealed = age.seal(b"a secret", PASSPHRASE)
    factor = re.search(rb"-> scrypt \S+ (\d+)\n", base64.b64decode("".join(sealed.splitlines()[1:-1])))
    assert factor is not None
    assert int(factor[1]) >= 10, "2^10 rounds at least, on the slowest machine"
    assert age.unseal(sealed, PASSPHRASE) == b"a secret"


def test_a_key_file_is_opened_by_its_passphrase_and_its_code_alone(tmp_path: Path) -> None:
    path = tmp_path / "custodian.json"
    created = create_key_file(path, "Town Hall", PASSPHRASE)
    key_file = read_key_file(path)
    assert key_file == created.key_file
    opened = open_with_passphrase(key_file, PASSPHRASE)
    assert opened.public_key.hex() == key_file.public_key
    assert open_with_recovery_code(key_file, created.recovery_code.lower()).public_key == opened.public_key
    with pytest.raises(ForbiddenError, match=f"the passphrase does not open key {key_file.key_id}"):
        open_with_passphrase(key_file, NEW)
    text = path.read_text()
    assert opened.private_key.private_bytes_raw().hex() not in text
    assert created.recovery_code not in text
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    broken = key_file.model_copy(update={"sealed": age.ARMOUR + "\nnot base64\n"})
    with pytest.raises(ForbiddenError, match="altered"):
        open_with_passphrase(broken, PASSPHRASE)


def test_changing_the_passphrase_keeps_the_key_and_the_code(tmp_path: Path) -> None:
    path = tmp_path / "k.json"
    created = create_key_file(path, "Town Hall", PASSPHRASE)
    key = open_with_passphrase(created.key_file, PASSPHRASE).public_key
    changed = set_passphrase(path, open_with_passphrase(created.key_file, PASSPHRASE), NEW)
    assert changed == read_key_file(path)
    assert open_with_passphrase(changed, NEW).public_key == key
    with pytest.raises(ForbiddenError):
        open_with_passphrase(changed, PASSPHRASE)
    assert open_with_recovery_code(changed, created.recovery_code).public_key == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["k.json"]


def test_recovery_sets_a_new_passphrase(tmp_path: Path) -> None:
    path = tmp_path / "k.json"
    created = create_key_file(path, "Town Hall", PASSPHRASE)
    other = create_key_file(tmp_path / "other.json", "Library", PASSPHRASE)
    before = path.read_bytes()
    with pytest.raises(ForbiddenError, match="the recovery code does not open"):
        open_with_recovery_code(created.key_file, other.recovery_code)
    opened = open_with_recovery_code(created.key_file, created.recovery_code)
    with pytest.raises(InvalidError, match="at least 12"):
        set_passphrase(path, opened, "short")
    assert path.read_bytes() == before
    assert open_with_passphrase(set_passphrase(path, opened, NEW), NEW).site == "Town Hall"


def test_the_passphrase_of_another_key_is_never_set(tmp_path: Path) -> None:
    path = tmp_path / "k.json"
    created = create_key_file(path, "Town Hall", PASSPHRASE)
    opened = open_with_passphrase(created.key_file, PASSPHRASE)
    path.unlink()
    create_key_file(path, "Library", PASSPHRASE)
    before = path.read_bytes()
    with pytest.raises(ConflictError, match="another key"):
        set_passphrase(path, opened, NEW)
    assert path.read_bytes() == before


def test_a_key_file_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "k.json"
    path.write_text("precious")
    with pytest.raises(ConflictError, match="not overwritten"):
        create_key_file(path, "Town Hall", PASSPHRASE)
    assert path.read_text() == "precious"
    with pytest.raises(MissingError, match="directory"):
        create_key_file(tmp_path / "nowhere" / "k.json", "Town Hall", PASSPHRASE)


def test_a_disk_that_refuses_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(UnavailableError, match="No space left"):
        write_new(tmp_path / "k.json", b"data", 0o600)
    assert list(tmp_path.iterdir()) == []


def test_a_replaced_public_key_is_found(tmp_path: Path) -> None:
    mine = create_key_file(tmp_path / "a.json", "Town Hall", PASSPHRASE).key_file
    theirs = create_key_file(tmp_path / "b.json", "Town Hall", NEW).key_file
    forged = mine.model_copy(update={"public_key": theirs.public_key, "key_id": theirs.key_id})
    with pytest.raises(CorruptError, match="public key was replaced"):
        open_with_passphrase(forged, PASSPHRASE)
    garbage = mine.model_copy(update={"sealed": age.seal(b"no key", PASSPHRASE)})
    with pytest.raises(CorruptError, match="no private key"):
        open_with_passphrase(garbage, PASSPHRASE)


@pytest.mark.parametrize("passphrase", ["", "short", "x" * 11, "x" * 1025, "a line\nanother line"])
def test_passphrases_that_will_not_do(passphrase: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidError, match="passphrase"):
        create_key_file(tmp_path / "k.json", "Town Hall", passphrase)
    assert list(tmp_path.iterdir()) == []


def test_a_passphrase_is_the_same_on_every_keyboard(tmp_path: Path) -> None:
    composed = "übergroße Schlüssel"
    decomposed = unicodedata.normalize("NFD", composed)
    assert checked_passphrase(decomposed) == composed != decomposed
    created = create_key_file(tmp_path / "k.json", "Rathaus", decomposed)
    assert open_with_passphrase(created.key_file, composed).site == "Rathaus"
    assert open_with_passphrase(created.key_file, decomposed).site == "Rathaus"


def test_a_second_role_joins_the_site(tmp_path: Path) -> None:
    first = create_key_file(tmp_path / "a.json", "Town Hall", PASSPHRASE).key_file
    second = create_key_file(tmp_path / "b.json", "", NEW, role="witness", same_site=first).key_file
    assert (second.site_id, second.site) == (first.site_id, "Town Hall")
    assert second.key_id != first.key_id
    with pytest.raises(InvalidError, match="another role"):
        create_key_file(tmp_path / "c.json", "", NEW, same_site=first)
    made = Recipients(first.site_id, first.site, (first.recipient, second.recipient))
    write_recipients(tmp_path / "recipients.json", made)
    assert read_recipients(tmp_path / "recipients.json") == made
    assert made.policy == "four-eyes"
    with pytest.raises(ConflictError):
        write_recipients(tmp_path / "recipients.json", made)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"policy": "four-eyes"}, "does not go with 1 roles"),
        ({"policy": "none"}, "policy"),
        ({"version": 2}, "version"),
        ({"site_id": "town hall"}, "site_id"),
        ({"private_key": "00"}, "private_key"),
        ({"roles": []}, "one role"),
        ({"roles": [{"role": "custodian", "public_key": "00", "key_id": "0" * 16}]}, "public_key"),
        ({"roles": [{"role": "custodian", "public_key": "00" * 32, "key_id": "0" * 16}]}, "key of role"),
    ],
)
def test_recipients_files_that_contradict_themselves(tmp_path: Path, change: dict[str, object], message: str) -> None:
    key_file = create_key_file(tmp_path / "k.json", "Town Hall", PASSPHRASE).key_file
    path = tmp_path / "r.json"
    write_recipients(path, Recipients(key_file.site_id, key_file.site, (key_file.recipient,)))
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InvalidError, match=message):
        read_recipients(path)


@pytest.mark.parametrize("content", ["", "{}", "[]", "\x00", '{"format": "overt recipients"}'])
def test_files_of_another_kind_are_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "f.json"
    path.write_text(content)
    with pytest.raises(InvalidError, match=r"f\.json: not a"):
        read_key_file(path)
    with pytest.raises(InvalidError, match=r"f\.json: not a"):
        read_recipients(path)


def test_files_that_are_not_there_or_endless(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no such key file"):
        read_key_file(tmp_path / "none.json")
    with pytest.raises(UnavailableError, match="too long"):
        read_key_file(Path("/dev/zero"))
    with pytest.raises(UnavailableError, match="cannot read"):
        read_recipients(tmp_path)


def test_a_key_id_that_is_not_the_keys(tmp_path: Path) -> None:
    path = tmp_path / "k.json"
    create_key_file(path, "Town Hall", PASSPHRASE)
    content = json.loads(path.read_text())
    for change in ({"key_id": "0" * 16}, {"sealed": "plain"}, {"role": "No Role"}, {"created": "2026-01-01T00:00:00"}):
        path.write_text(json.dumps(content | change))
        with pytest.raises(InvalidError, match=r"k\.json: not a site key file"):
            read_key_file(path)


@pytest.mark.parametrize("site", ["", "   ", "x" * 201, "two\nlines"])
def test_sites_need_a_name(tmp_path: Path, site: str) -> None:
    with pytest.raises(InvalidError, match="site's name"):
        create_key_file(tmp_path / "k.json", site, PASSPHRASE)


def test_what_a_key_file_shows(tmp_path: Path) -> None:
    key_file = create_key_file(tmp_path / "k.json", " Town Hall ", PASSPHRASE).key_file
    assert key_file.site == "Town Hall"
    assert key_file.role == custody.CUSTODIAN
    assert key_file.fingerprint.replace(" ", "")[:16] == key_file.key_id
    assert isinstance(key_file, KeyFile)
    assert key_file.site_id != uuid4()


def test_a_machine_that_is_busy_for_a_moment_does_not_refuse_the_right_passphrase(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The library measures the machine at each opening, and takes its own files for too much work when it is busy."""
    sealed = age.seal_bytes(b"a secret", PASSPHRASE)
    openings = []
    really = pyrage.passphrase.decrypt

    def busy(content: bytes, passphrase: str) -> bytes:
        openings.append(passphrase)
        if len(openings) < 4:
            # A real refusal, of a file that says it takes 2^30 rounds.
            content = re.sub(rb"(-> scrypt \S+) \d+", rb"\1 30", content, count=1)
        opened: bytes = really(content, passphrase)
        return opened

    monkeypatch.setattr("pyrage.passphrase.decrypt", busy)
    assert age.open_bytes(sealed, PASSPHRASE, "it") == b"a secret"
    assert len(openings) == 4
    openings.clear()
    with pytest.raises(ForbiddenError, match="is not opened by this passphrase"):
        age.open_bytes(age.seal_bytes(b"a secret", PASSPHRASE), "another", "it")
    assert len(openings) == 4, "a passphrase that is wrong is tried once"


def test_a_machine_that_is_too_slow_for_a_file_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(age._opened.retry, "wait", wait_none())
    sealed = re.sub(rb"(-> scrypt \S+) \d+", rb"\1 30", age.seal_bytes(b"a secret", PASSPHRASE), count=1)
    with pytest.raises(UnavailableError, match="too busy, or too slow"):
        age.open_bytes(sealed, PASSPHRASE, "it")
