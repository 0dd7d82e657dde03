"""Reading what devices answer: real replies, faults, and whatever else may come."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overt.devices import soap
from overt.devices.onvif import at_host
from overt.errors import ForbiddenError, InvalidError, OvertError, UnavailableError
from overt.media.rtsp.auth import Credentials

REPLIES = Path(__file__).parents[1] / "transcripts" / "onvif"
NAMES = sorted(path.stem for path in REPLIES.glob("Get*.xml"))


def enveloped(content: str, head: str = "") -> bytes:
    namespace = 'xmlns:s="http://www.w3.org/2003/05/soap-envelope"'
    return f"{head}<s:Envelope {namespace}><s:Body>{content}</s:Body></s:Envelope>".encode()


def fault(code: str, reason: str) -> bytes:
    return enveloped(
        f"<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>{code}</s:Value></s:Subcode></s:Code>"
        f"<s:Reason><s:Text>{reason}</s:Text></s:Reason></s:Fault>"
    )


@pytest.mark.parametrize("name", NAMES)
def test_real_replies_are_read(name: str) -> None:
    found = soap.answer((REPLIES / f"{name}.xml").read_bytes(), f"{name}Response")
    assert len(found) > 0


def test_a_reply_that_is_not_well_formed_is_an_error_in_words() -> None:
    with pytest.raises(InvalidError, match="is no XML"):
        soap.answer((REPLIES / "Error.xml").read_bytes(), "GetProfilesResponse")


@pytest.mark.parametrize(
    ("data", "kind", "says"),
    [
        (fault("ter:NotAuthorized", "Sender not authorized"), ForbiddenError, "refuses the user name or password"),
        (fault("wsse:FailedAuthentication", "no"), ForbiddenError, "refuses the user name or password"),
        (fault("ter:ActionNotSupported", "not here"), soap.NotAnsweredError, "does not know the question"),
        (fault("ter:Action", "the encoder is busy"), UnavailableError, "the encoder is busy"),
        (enveloped("<s:Fault><faultstring>old</faultstring></s:Fault>"), UnavailableError, "fault: old"),
        (enveloped("<other/>"), InvalidError, "does not hold <GetProfilesResponse>"),
        (b"<html><body>Web Service</body></html>", InvalidError, "no SOAP envelope but <html>"),
        (b"", InvalidError, "no XML"),
        (b"\x1f\x8b\x08" + bytes(50), InvalidError, "no XML"),
    ],
)
def test_faults_and_other_answers_are_told(data: bytes, kind: type[OvertError], says: str) -> None:
    with pytest.raises(kind, match=says):
        soap.answer(data, "GetProfilesResponse")


def test_a_bomb_of_entities_is_refused() -> None:
    bomb = '<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;">]>'
    with pytest.raises(InvalidError, match="document type or entities"):
        soap.answer(enveloped("<GetProfilesResponse>&c;</GetProfilesResponse>", bomb), "GetProfilesResponse")


def test_an_entity_that_names_a_file_is_refused() -> None:
    entity = '<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
    with pytest.raises(InvalidError, match="document type or entities"):
        soap.answer(enveloped("<GetProfilesResponse>&a;</GetProfilesResponse>", entity), "GetProfilesResponse")


def test_an_answer_without_end_is_refused() -> None:
    with pytest.raises(InvalidError, match="longer than"):
        soap.answer(b" " * (soap.MAX_ANSWER + 1), "GetProfilesResponse")


@pytest.mark.parametrize("content", ["<a>" * 50_000, "<a/>" * 50_000], ids=["deep", "many"])
def test_an_answer_of_too_many_elements_is_refused(content: str) -> None:
    with pytest.raises(InvalidError, match="nested deeper"):
        soap.answer(enveloped(content), "GetProfilesResponse")


@given(st.binary(max_size=200))
def test_any_bytes_are_an_answer_or_an_error_in_words(data: bytes) -> None:
    for each in (data, enveloped("<X>").replace(b"<X>", data)):
        with pytest.raises(OvertError) as refusal:
            soap.answer(each, "GetProfilesResponse")
        assert str(refusal.value).isprintable()


@given(st.recursive(st.text(max_size=20), lambda inner: st.lists(inner, max_size=3), max_leaves=8))
def test_any_tree_is_read_without_a_defect(tree: object) -> None:
    def written(value: object) -> str:
        if isinstance(value, list):
            return "".join(f"<e{number}>{written(each)}</e{number}>" for number, each in enumerate(value))
        text = ET.Element("x")
        text.text = "".join(each for each in str(value) if each.isprintable())
        return ET.tostring(text, encoding="unicode")

    found = soap.answer(enveloped(f"<R>{written(tree)}</R>"), "R")
    assert all(soap.clean(each.text or "").isprintable() for each in found.iter())


def test_a_token_proves_the_password_at_the_devices_time_and_does_not_hold_it() -> None:
    asked = soap.question("http://www.onvif.org/ver10/device/wsdl", "GetDeviceInformation")
    at = datetime(2014, 12, 24, 16, 29, 56, 117_000, tzinfo=UTC)
    data = soap.envelope(asked, Credentials("admin", "hush-hush"), at)
    assert b"hush-hush" not in data
    root = ET.fromstring(data)
    found = {soap.local(each): each.text or "" for each in root.iter()}
    assert (found["Username"], found["Created"]) == ("admin", "2014-12-24T16:29:56.117Z")
    proof = hashlib.sha1(base64.b64decode(found["Nonce"]) + found["Created"].encode() + b"hush-hush").digest()
    assert base64.b64decode(found["Password"]) == proof
    body = soap.child(root, "Body")
    assert body is not None
    assert body[0].tag == "{http://www.onvif.org/ver10/device/wsdl}GetDeviceInformation"


def test_without_credentials_there_is_no_token() -> None:
    asked = soap.question("urn:x", "Ask", {"A": {"B": "1"}})
    assert b"Security" not in soap.envelope(asked, None, datetime.now(UTC))


@pytest.mark.parametrize(
    ("given_url", "expected"),
    [
        ("rtsp://192.168.1.64:554/Streaming/Channels/101?a=1", "rtsp://cam.lan:554/Streaming/Channels/101?a=1"),
        ("rtsp://admin:12345@10.0.0.1/h264", "rtsp://cam.lan/h264"),
        ("RTSPS://[fd00::1]:322/x", "rtsps://cam.lan:322/x"),
        ("rtsp://169.254.169.254/latest", "rtsp://cam.lan/latest"),
    ],
)
def test_stream_addresses_are_moved_to_the_host_that_was_asked(given_url: str, expected: str) -> None:
    assert at_host(given_url, "cam.lan") == expected


@pytest.mark.parametrize(
    "given_url", ["", "http://cam/x", "rtsp:///x", "rtsp://cam:99999/x", "rtsp://cam/\nx", "rtsp://cam/" + "x" * 2000]
)
def test_what_is_no_stream_address_is_refused(given_url: str) -> None:
    with pytest.raises(InvalidError):
        at_host(given_url, "cam.lan")


@given(st.text(max_size=60))
def test_any_address_is_moved_or_refused(given_url: str) -> None:
    for each in (given_url, f"rtsp://{given_url}", f"rtsp://cam/{given_url}"):
        try:
            moved = at_host(each, "cam.lan")
        except InvalidError:
            continue
        assert moved.startswith(("rtsp://cam.lan", "rtsps://cam.lan"))
        assert "@" not in moved.split("/")[2]


@pytest.mark.parametrize(
    ("value", "expected"),
    [("25", 25), (" 12.5 ", 12), ("1e9", None), ("-3", None), ("", None), (None, None), ("9999999", None), ("٣", None)],
)
def test_numbers_of_devices(value: str | None, expected: int | None) -> None:
    assert soap.whole(value, 100_000) == expected


def test_texts_of_devices_become_one_line_without_tricks() -> None:
    assert soap.clean("  A\x00B\n\u202eC  \ufeff") == "A B C"
    assert len(soap.clean("x" * 5000)) == soap.MAX_TEXT
