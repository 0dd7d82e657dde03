"""Basic and Digest against the vectors of the RFCs, and the rules of when to try again."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overt.errors import ForbiddenError, InvalidError
from overt.media.rtsp.auth import Authenticator, Challenge, Credentials, digest_authorization, parse_challenges

RFC7616 = {
    "realm": "http-auth@example.org",
    "nonce": "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
    "opaque": "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS",
    "qop": "auth, auth-int",
}
MUFASA = Credentials("Mufasa", "Circle of Life")
GOOD = Credentials("admin", "s3cret")


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_rfc7616_section_3_9_1(algorithm: str, response: str) -> None:
    challenge = Challenge("digest", RFC7616 | {"algorithm": algorithm})
    value = digest_authorization(
        challenge,
        MUFASA,
        "GET",
        "/dir/index.html",
        nonce_count=1,
        cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    )
    for part in (
        f'response="{response}"',
        'username="Mufasa"',
        'uri="/dir/index.html"',
        f"algorithm={algorithm}",
        "qop=auth,",
        "nc=00000001",
        f'opaque="{RFC7616["opaque"]}"',
    ):
        assert part in value


def test_rfc2617_section_3_5() -> None:
    header = (
        'Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093",'
        ' opaque="5ccc069c403ebaf9f0171e9517f40e41"'
    )
    (challenge,) = parse_challenges([header])
    value = digest_authorization(
        challenge,
        Credentials("Mufasa", "Circle Of Life"),
        "GET",
        "/dir/index.html",
        nonce_count=1,
        cnonce="0a4f113b",
    )
    assert 'response="6629fae49393a05397450978507c4ef1"' in value
    assert "algorithm" not in value


def test_forms_without_a_published_vector_follow_the_formula() -> None:
    def md5(text: str) -> str:
        return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

    ha1, ha2 = md5("admin:r:s3cret"), md5("PLAY:rtsp://h/x")
    plain = Challenge("digest", {"realm": "r", "nonce": "n"})
    value = digest_authorization(plain, GOOD, "PLAY", "rtsp://h/x", nonce_count=1, cnonce="c")
    assert f'response="{md5(f"{ha1}:n:{ha2}")}"' in value
    assert "cnonce" not in value
    sess = Challenge("digest", {"realm": "r", "nonce": "n", "qop": "auth", "algorithm": "MD5-sess"})
    value = digest_authorization(sess, GOOD, "PLAY", "rtsp://h/x", nonce_count=2, cnonce="c")
    session_ha1 = md5(f"{ha1}:n:c")
    assert f'response="{md5(f"{session_ha1}:n:00000002:c:auth:{ha2}")}"' in value
    integrity = Challenge("digest", {"realm": "r", "nonce": "n", "qop": "auth-int"})
    value = digest_authorization(integrity, GOOD, "PLAY", "rtsp://h/x", nonce_count=1, cnonce="c", body=b"b")
    ha2 = md5("PLAY:rtsp://h/x:" + md5("b"))
    assert f'response="{md5(f"{ha1}:n:00000001:c:auth-int:{ha2}")}"' in value


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (
            ['Digest realm="IP Camera(1, a=b)", nonce="x\\"y", stale="FALSE"', 'Basic realm="IP"'],
            [
                ("digest", {"realm": "IP Camera(1, a=b)", "nonce": 'x\\"y', "stale": "FALSE"}),
                ("basic", {"realm": "IP"}),
            ],
        ),
        (
            ["Basic realm=a, Digest realm=b , nonce = c,qop=auth, Negotiate abc=="],
            [
                ("basic", {"realm": "a"}),
                ("digest", {"realm": "b", "nonce": "c", "qop": "auth"}),
                ("negotiate", {"abc": "="}),
            ],
        ),
        (["Digest realm=IP Camera, nonce=x"], [("digest", {"realm": "IP Camera", "nonce": "x"})]),
        (['Digest realm="a" nonce="b" algorithm=MD5'], [("digest", {"realm": "a", "nonce": "b", "algorithm": "MD5"})]),
        (['Digest realm="a", nonce="never closed'], [("digest", {"realm": "a", "nonce": "never closed"})]),
        (["", ',,="', "Basic"], [("basic", {})]),
    ],
)
def test_challenges(headers: list[str], expected: list[tuple[str, dict[str, str]]]) -> None:
    assert [(c.scheme, c.parameters) for c in parse_challenges(headers)] == expected


@settings(max_examples=200)
@given(st.lists(st.text(st.characters(max_codepoint=255), max_size=80) | st.text(' ,="\\Digestnoce', max_size=80)))
def test_challenges_never_raise(headers: list[str]) -> None:
    authenticator = Authenticator(GOOD)
    shown = ""
    try:
        authenticator.challenged(headers, authorized=False, retried=False)
    except ForbiddenError as error:
        shown = str(error)
    assert shown.isprintable()
    assert shown or "s3cret" not in (authenticator.authorization("PLAY", "rtsp://h/x") or "s3cret")


@pytest.mark.parametrize(
    ("headers", "label"),
    [
        (['Basic realm="a"'], "Basic"),
        (['Basic realm="a"', 'Digest realm="a", nonce="b"'], "Digest MD5"),
        (['Digest realm="a", nonce="b"', 'Digest realm="a", nonce="c", algorithm=SHA-256'], "Digest SHA-256"),
        (['Digest realm="a", nonce="b", algorithm=SHA-512-256', 'Digest realm="a", nonce="c"'], "Digest MD5"),
        (['Digest realm="a", nonce="b", algorithm=SHA-256, qop=unknown', 'Basic realm="a"'], "Basic"),
    ],
)
def test_the_strongest_challenge_is_taken(headers: list[str], label: str) -> None:
    authenticator = Authenticator(GOOD)
    assert authenticator.authorization("PLAY", "rtsp://h/x") is None
    authenticator.challenged(headers, authorized=False, retried=False)
    assert authenticator.label == label


def test_basic() -> None:
    authenticator = Authenticator(Credentials("Aladdin", "open sesame"))
    authenticator.challenged(["Basic realm=x"], authorized=False, retried=False)
    assert authenticator.authorization("PLAY", "rtsp://h/x") == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="


def test_nonce_count_grows_and_starts_anew() -> None:
    authenticator = Authenticator(GOOD, lambda: "c")
    authenticator.challenged(['Digest realm="r", nonce="1", qop="auth"'], authorized=False, retried=False)
    assert "nc=00000001" in (authenticator.authorization("SETUP", "rtsp://h/x") or "")
    assert "nc=00000002" in (authenticator.authorization("PLAY", "rtsp://h/x") or "")
    authenticator.accepted()
    authenticator.challenged(['Digest realm="r", nonce="2", qop="auth"'], authorized=True, retried=False)
    assert "nc=00000001" in (authenticator.authorization("PLAY", "rtsp://h/x") or "")


@pytest.mark.parametrize(
    ("accepted", "challenge", "retried", "allowed"),
    [
        (False, 'Digest realm="r", nonce="2"', False, False),
        (False, 'Digest realm="r", nonce="2", stale=TRUE', False, True),
        (False, 'Digest realm="r", nonce="2", stale=true', True, False),
        (False, 'Digest realm="r", nonce="1", stale=true', False, False),
        (True, 'Digest realm="r", nonce="2"', False, True),
        (True, 'Digest realm="r", nonce="2"', True, False),
        (True, 'Digest realm="r", nonce="1"', False, False),
        (True, 'Basic realm="r"', False, False),
    ],
)
def test_when_a_refused_password_is_shown_again(accepted: bool, challenge: str, retried: bool, allowed: bool) -> None:
    authenticator = Authenticator(GOOD)
    authenticator.challenged(['Digest realm="r", nonce="1"'], authorized=False, retried=False)
    authenticator.authorization("DESCRIBE", "rtsp://h/x")
    if accepted:
        authenticator.accepted()
    if allowed:
        authenticator.challenged([challenge], authorized=True, retried=retried)
    else:
        with pytest.raises(ForbiddenError, match="refused the user name or password"):
            authenticator.challenged([challenge], authorized=True, retried=retried)


def test_refusals_say_why() -> None:
    with pytest.raises(ForbiddenError, match="none is configured"):
        Authenticator(None).challenged(["Basic realm=x"], authorized=False, retried=False)
    with pytest.raises(ForbiddenError, match=r"offered: Negotiate, Digest SHA-512-256"):
        Authenticator(GOOD).challenged(
            ["Negotiate", "Digest realm=r, nonce=n, algorithm=SHA-512-256"], authorized=False, retried=False
        )
    with pytest.raises(ForbiddenError, match="offered: nothing"):
        Authenticator(GOOD).challenged([], authorized=False, retried=False)


def test_credentials_are_never_shown() -> None:
    authenticator = Authenticator(GOOD)
    authenticator.challenged(['Digest realm="r", nonce="1"'], authorized=False, retried=False)
    shown = repr(GOOD) + str(GOOD) + repr(authenticator)
    assert "admin" not in shown
    assert "s3cret" not in shown
    for bad in ("a\r\nb", "a\x00", "\ud800"):
        with pytest.raises(InvalidError) as caught:
            Credentials("admin", bad)
        assert bad not in str(caught.value)


def test_names_with_quotes_and_other_scripts_are_utf8() -> None:
    authenticator = Authenticator(Credentials('J\u00fcrgen "J"', "\u5bc6\u7801"))
    authenticator.challenged(['Digest realm="r", nonce="1"'], authorized=False, retried=False)
    value = authenticator.authorization("PLAY", "rtsp://h/x") or ""
    assert 'username="J\u00fcrgen \\"J\\""'.encode() in value.encode("latin-1")
