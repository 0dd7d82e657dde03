"""The site's public keys: which changes of their file are followed, which are refused, and what is said of both."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from overt.contract.assignment import Assignment
from overt.contract.fact import FactData, RecipientsApplied, RecipientsRefused
from overt.ids import new_id
from overt.recorder.configuration import Configuration, ConfigurationSource, RecorderSettings
from overt.recorder.health import RecorderHealth, SealingHealth
from overt.recorder.site_keys import SiteKeys, keep_recipients
from overt.recorder.status import BEHIND_S, assess
from overt.recorder.watch import ConfigurationWatch, WatchCallbacks
from overt.sealing.recipients_file import MAX_SIZE, encode_recipients, read_recipients
from overt.sealing.roles import Recipient, Recipients

SITE = new_id()
SECOND = 1_000_000_000


def recipients(*numbers: int, site: object = SITE) -> Recipients:
    roles = ("custodian", "second")
    return Recipients(
        site,  # type: ignore[arg-type]
        "Town Hall",
        tuple(Recipient(role, bytes([number] * 32)) for role, number in zip(roles, numbers, strict=False)),
    )


class Followed:
    def __init__(self, folder: Path) -> None:
        self.given, self.kept = folder / "given.json", folder / "kept.json"
        keep_recipients(self.given, recipients(1))
        keep_recipients(self.kept, recipients(1))
        self.sealed_to: list[Recipients] = []
        self.facts: list[FactData] = []
        self.keys = SiteKeys(self.given, self.kept, self.sealed_to.append, self.facts.append)

    def write(self, data: bytes) -> None:
        self.given.write_bytes(data)


@pytest.fixture(name="followed")
def _followed(tmp_path: Path) -> Followed:
    return Followed(tmp_path)


def test_other_keys_are_kept_first_and_sealed_to_then(followed: Followed) -> None:
    assert followed.keys.follow()
    assert (followed.sealed_to, followed.facts) == ([], [])
    followed.write(encode_recipients(recipients(1, 2)))
    assert followed.keys.follow()
    assert followed.sealed_to == [recipients(1, 2)]
    assert read_recipients(followed.kept) == recipients(1, 2) == followed.keys.current
    (applied,) = followed.facts
    assert isinstance(applied, RecipientsApplied)
    assert (applied.policy, applied.roles) == ("four-eyes", ("custodian", "second"))
    assert applied.key_ids == tuple(each.key_id for each in recipients(1, 2).recipients)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.write_bytes(b"{"), "not a recipients file"),
        (lambda path: path.write_bytes(b""), "not a recipients file"),
        (lambda path: path.write_bytes(encode_recipients(recipients(1, site=new_id()))), "another site"),
        (lambda path: path.unlink(), "no such recipients file"),
        (
            lambda path: path.write_bytes(encode_recipients(recipients(1)).replace(b'"single"', b'"four-eyes"')),
            "policy",
        ),
        (
            lambda path: path.write_bytes(encode_recipients(recipients(1)).replace(b'": "01', b'": "02', 1)),
            "key id|has id",
        ),
    ],
)
def test_what_is_no_good_is_refused_once_and_those_before_stay(
    followed: Followed, spoil: Callable[[Path], object], words: str
) -> None:
    spoil(followed.given)
    assert followed.keys.follow(), "it is not tried again before it changes"
    assert followed.keys.follow()
    (refused,) = followed.facts
    assert isinstance(refused, RecipientsRefused)
    assert refused.key_ids == tuple(each.key_id for each in recipients(1).recipients)
    assert re.search(words, refused.reason)
    assert followed.keys.trouble == refused.reason
    assert (followed.sealed_to, read_recipients(followed.kept)) == ([], recipients(1))
    followed.write(encode_recipients(recipients(1)))
    assert followed.keys.follow()
    assert followed.keys.trouble == ""
    assert len(followed.facts) == 1


@pytest.mark.parametrize("trouble", ["copy", "file"])
def test_what_the_disk_refuses_is_tried_again_and_said_once(followed: Followed, trouble: str) -> None:
    if trouble == "copy":
        followed.kept.unlink()
        followed.kept.mkdir()
        followed.write(encode_recipients(recipients(3)))
    else:
        followed.write(b" " * (MAX_SIZE + 1))
    for _ in range(3):
        assert not followed.keys.follow()
    assert [type(each) for each in followed.facts] == [RecipientsRefused]
    assert followed.sealed_to == [], "nothing is sealed to keys that a restart would not know"
    if trouble == "copy":
        followed.kept.rmdir()
    followed.write(encode_recipients(recipients(3)))
    assert followed.keys.follow()
    assert (followed.sealed_to, followed.keys.trouble) == ([recipients(3)], "")


def test_the_copy_that_says_the_same_stays_as_it_is(followed: Followed) -> None:
    os.utime(followed.kept, (1, 1))
    keep_recipients(followed.kept, recipients(1))
    assert followed.kept.stat().st_mtime == 1
    keep_recipients(followed.kept, recipients(2))
    assert followed.kept.stat().st_mtime > 1


def test_the_watch_reads_them_at_its_first_look_and_when_they_have_settled(followed: Followed, tmp_path: Path) -> None:
    settings = RecorderSettings(footage=tmp_path)
    callbacks = WatchCallbacks(lambda _: None, lambda _: None, lambda _: None)
    current = Configuration(settings, Assignment(revision=1))
    followed.write(encode_recipients(recipients(4)))
    site_keys = (followed.given, followed.keys.follow)
    watch = ConfigurationWatch(ConfigurationSource(), current, callbacks, site_keys, interval_s=0.01)
    watch.look()
    assert followed.sealed_to == [recipients(4)], "it changed after the recorder was prepared"
    followed.write(encode_recipients(recipients(5)))
    os.utime(followed.given, (1, 1))
    watch.look()
    assert followed.sealed_to == [recipients(4)], "it may still be written"
    watch.look()
    watch.look()
    assert followed.sealed_to == [recipients(4), recipients(5)]
    assert len(followed.facts) == 2


def test_refused_keys_and_streams_that_do_not_follow_are_worth_a_sentence() -> None:
    now = 1_000 * SECOND
    sealing = SealingHealth(policy="single", since_ns=now - int((BEHIND_S + 1) * SECOND), behind=2, trouble="no good.")
    health = assess(RecorderHealth(time_ns=now, started_ns=1, revision=1, sealing=sealing))
    assert health.level == "degraded"
    assert any(sentence.endswith("those before: no good.") for sentence in health.sentences)
    assert any(sentence.startswith("2 streams are still sealed") for sentence in health.sentences)
    fresh = SealingHealth(policy="single", since_ns=now - SECOND, behind=2)
    assert assess(RecorderHealth(time_ns=now, started_ns=1, revision=1, sealing=fresh)).level == "ok"
