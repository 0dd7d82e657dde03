"""Where a camera may be, in every spelling that somebody may try."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overt.control.estate.addresses import METADATA, checked_host, checked_url, refusal, written
from overt.errors import InvalidError, MissingError

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
FOUR = st.integers(0, 2**32 - 1).map(ipaddress.IPv4Address)


def nobody(name: str) -> list[str]:
    raise MissingError(f"the name {name} is not known")


def leads_to(*addresses: str) -> object:
    return lambda name: addresses


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.8.9.10",
        "::1",
        "[::1]",
        "0.0.0.0",
        "0.1.2.3",
        "::",
        "169.254.169.254",
        "169.254.1.1",
        "fd00:ec2::254",
        "100.100.100.200",
        "fe80::1",
        "224.0.0.1",
        "ff02::1",
        "255.255.255.255",
        "::ffff:127.0.0.1",
        "::ffff:192.0.2.7",
        "::ffff:7f00:1",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
    ],
)
def test_attack_an_address_of_this_machine_or_its_cloud_is_refused(host: str) -> None:
    with pytest.raises(InvalidError):
        checked_host(host, (), nobody)
    in_url = host if host.startswith("[") or ":" not in host else f"[{host}]"
    with pytest.raises(InvalidError):
        checked_url(f"rtsp://{in_url}/stream", (), nobody)


@pytest.mark.parametrize(
    "host",
    [
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "017700000001",
        "0177.0.0.1",
        "127.1",
        "127.0.1",
        "0x7f.0x0.0x0.0x1",
        "127.0.0.01",
        "127.0.0.1.",
        "1.2.3.4.5",
        "١٢٧.0.0.1",
        "127。0。0。1",
        "fe80::1%eth0",
        "::1%1",
        "a b",
        "",
        ".",
        "-a.example",
        "a" * 64 + ".example",
        "user@127.0.0.1",
        "good.example@127.0.0.1",
        "good.example#@127.0.0.1",
        "good.example\\@127.0.0.1",
        "good.example/../127.0.0.1",
        "good.example:554",
        "http://good.example",
        "good.example\n",
        "good\x00.example",
        "[good.example]",
    ],
)
def test_attack_another_spelling_is_refused_and_never_looked_up(host: str) -> None:
    if host.strip() != host:
        host = f"x{host}x"
    with pytest.raises(InvalidError):
        checked_host(host, LOOPBACK, nobody)


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://admin:secret@192.0.2.7/stream",
        "rtsp://192.0.2.7@127.0.0.1/stream",
        "rtsp://192.0.2.7:554@127.0.0.1/stream",
        "rtsp://127.0.0.1\\@192.0.2.7/stream",
        "rtsp://192.0.2.7\\@127.0.0.1/",
        "rtsp://127.0.0.1#@192.0.2.7/",
        "rtsp://127.0.0.1?@192.0.2.7/",
        "http://192.0.2.7/stream",
        "file:///etc/passwd",
        "gopher://192.0.2.7/",
        "rtsp:///stream",
        "rtsp://192.0.2.7:0/",
        "rtsp://192.0.2.7:99999/",
        "rtsp://192.0.2.7/a b",
        "rtsp://192.0.2.7/a\r\nX: y",
        "rtsp://2130706433/",
        "rtsp://[::ffff:127.0.0.1]/",
        "rtsp://127.0.0.1/",
        "//192.0.2.7/",
        "",
    ],
)
def test_attack_an_address_of_a_stream_leads_where_it_says(url: str) -> None:
    with pytest.raises(InvalidError) as refused:
        checked_url(url, (), nobody)
    assert "secret" not in str(refused.value)


def test_attack_a_name_that_leads_to_two_addresses_needs_both_allowed() -> None:
    assert checked_host("cam.example", (), leads_to("192.0.2.7", "2001:db8::7")) == "cam.example"
    for second in ("127.0.0.1", "169.254.169.254", "::1", "::ffff:10.0.0.1", "fe80::1%eth0"):
        with pytest.raises(InvalidError, match="leads to"):
            checked_host("cam.example", (), leads_to("192.0.2.7", second))


def test_localhost_is_a_name_like_others() -> None:
    with pytest.raises(InvalidError, match="this machine itself"):
        checked_host("localhost", (), leads_to("127.0.0.1", "::1"))
    with pytest.raises(InvalidError, match="outside the networks"):
        checked_host("localhost", LOOPBACK, leads_to("127.0.0.1", "::1"))
    assert checked_host("Localhost.", LOOPBACK, leads_to("127.0.0.1")) == "localhost"


def test_ranges_are_what_is_allowed_and_nothing_else() -> None:
    ranges = (ipaddress.ip_network("10.20.0.0/16"), ipaddress.ip_network("2001:db8::/32"), *LOOPBACK)
    assert checked_host("10.20.3.4", ranges, nobody) == "10.20.3.4"
    assert checked_host("[2001:DB8::7]", ranges, nobody) == "2001:db8::7"
    assert checked_url("rtsp://127.0.0.1:8554/a?b=1", ranges, nobody) == "rtsp://127.0.0.1:8554/a?b=1"
    with pytest.raises(InvalidError, match=r"10\.20\.0\.0/16"):
        checked_host("10.21.0.1", ranges, nobody)


def test_a_name_that_nobody_knows_is_said_to_be_unknown() -> None:
    with pytest.raises(MissingError):
        checked_host("no-such-camera.invalid", (), nobody)


@given(FOUR)
def test_an_ordinary_address_is_allowed_and_a_special_one_is_not(address: ipaddress.IPv4Address) -> None:
    special = (
        address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address in ipaddress.ip_network("0.0.0.0/8")
        or address in METADATA
        or int(address) == 2**32 - 1
    )
    assert (refusal(address, ()) is not None) == special


@given(FOUR)
def test_no_range_lets_a_mapped_or_metadata_address_in(address: ipaddress.IPv4Address) -> None:
    everything = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))
    mapped = ipaddress.IPv6Address(f"::ffff:{address}")
    assert refusal(mapped, everything) is not None
    assert all(refusal(each, everything) for each in METADATA)


@given(FOUR, st.sampled_from(["{:d}", "0x{:x}", "0{:o}"]))
def test_no_number_alone_is_an_address(address: ipaddress.IPv4Address, spelling: str) -> None:
    with pytest.raises(InvalidError):
        written(spelling.format(int(address)))


@given(st.text(alphabet="0123456789abcdefx.:[]@%#/\\-_ \t\u3002\uff11"))
def test_what_is_read_is_an_address_or_a_plain_name(text: str) -> None:
    try:
        host = written(text)
    except InvalidError:
        return
    assert set(str(host)) <= set("0123456789abcdefghijklmnopqrstuvwxyz.:-_")
    if isinstance(host, str):
        assert not host.rpartition(".")[2].isdigit()


@given(st.integers(0x2003 << 112, (0x4000 << 112) - 1).map(ipaddress.IPv6Address))
def test_an_address_comes_back_as_it_is_kept(address: ipaddress.IPv6Address) -> None:
    assert checked_host(f"[{address}]", (), nobody) == str(address)
