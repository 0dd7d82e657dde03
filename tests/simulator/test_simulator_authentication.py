"""Cameras ask for passwords in every way that cameras do, and know a wrong one."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overt.simulator.authentication import MAX_NONCES, Doorkeeper
from overt.simulator.dialects import DIALECTS
from overt.simulator.rtsp import Request

LOGIN = {"user": "viewer", "password": "p@ss: word"}


@pytest.mark.parametrize("maker", ["plain", "hikvision", "dahua", "axis"])
@pytest.mark.parametrize("auth", ["digest-md5", "digest-sha256", "digest"])
def test_digest(simulate, raw, digest, auth, maker):
    client = raw(simulate(auth=auth, maker=maker, **LOGIN).url("hall"))
    challenges = client.ask("DESCRIBE").all("WWW-Authenticate")
    assert len(challenges) == (2 if auth == "digest" else 1)
    for challenge in challenges:
        assert ("SHA-256" in challenge) == (auth == "digest-sha256" or challenge is not challenges[-1])
        assert client.ask("DESCRIBE", None, digest(challenge, "DESCRIBE", client.url, "wrong")).status == 401
        assert client.ask("DESCRIBE", None, digest(challenge, "SETUP", client.url, LOGIN["password"])).status == 401
        right = digest(challenge, "DESCRIBE", client.url, LOGIN["password"])
        assert client.ask("DESCRIBE", None, right).status == 200
        other = digest(challenge, "DESCRIBE", client.url, LOGIN["password"], user="admin")
        assert client.ask("DESCRIBE", None, other).status == 401


def test_a_nonce_count_is_used_once(simulate, raw, digest):
    client = raw(simulate(auth="digest-md5", maker="axis", **LOGIN).url("hall"))
    challenge = client.ask("DESCRIBE")["WWW-Authenticate"]
    assert 'qop="auth"' in challenge
    for count, status in ((1, 200), (1, 401), (2, 200)):
        answer = client.ask("DESCRIBE", None, digest(challenge, "DESCRIBE", client.url, LOGIN["password"], count=count))
        assert answer.status == status
        if status == 401:
            assert "stale=true" in answer["WWW-Authenticate"]


def test_an_old_nonce_is_stale_and_a_fresh_one_is_not(simulate, raw, digest):
    client = raw(simulate(auth="digest-md5", nonce_lifetime_s=1e-9, **LOGIN).url("hall"))
    challenge = client.ask("DESCRIBE")["WWW-Authenticate"]
    assert "stale" not in challenge
    answer = client.ask("DESCRIBE", None, digest(challenge, "DESCRIBE", client.url, LOGIN["password"]))
    assert answer.status == 401
    assert "stale=true" in answer["WWW-Authenticate"]
    assert re.findall("nonce=", answer["WWW-Authenticate"])


def test_basic_and_none(simulate, raw, basic):
    client = raw(simulate(auth="basic", **LOGIN).url("hall"))
    assert client.ask("DESCRIBE")["WWW-Authenticate"].startswith("Basic realm=")
    assert client.ask("DESCRIBE", None, basic("viewer", "wrong")).status == 401
    assert client.ask("DESCRIBE", None, "Authorization: Basic !!!").status == 401
    assert client.ask("DESCRIBE", None, basic("viewer", LOGIN["password"])).status == 200
    assert client.ask("OPTIONS").status == 200
    assert raw(simulate().url("hall")).ask("DESCRIBE").status == 200


def test_passwords_in_urls_are_printed_only_on_request(simulate):
    simulator = simulate(auth="basic", user="viewer", password="secret")
    assert "secret" not in simulator.url("hall")
    assert simulator.url("hall", credentials=True).startswith("rtsp://viewer:secret@127.0.0.1:")


@given(st.text(max_size=200))
@settings(max_examples=60)
def test_no_authorization_header_breaks_the_doorkeeper(text):
    request = Request("DESCRIBE", "rtsp://camera/", {"authorization": text})
    digest_request = Request("DESCRIBE", "rtsp://camera/", {"authorization": f"Digest {text}"})
    for scheme in ("basic", "digest-md5", "digest-sha256", "digest"):
        keeper = Doorkeeper(scheme, "viewer", "secret", DIALECTS["plain"])
        assert keeper.admits(request) is False
        assert keeper.admits(digest_request) is False


def test_only_so_many_nonces_are_remembered():
    keeper = Doorkeeper("digest-md5", "viewer", "secret", DIALECTS["plain"])
    for _ in range(MAX_NONCES + 50):
        keeper.challenges()
    assert len(keeper._nonces) == MAX_NONCES
