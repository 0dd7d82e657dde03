"""Media records: what is written is read again, in whatever pieces it comes; lies are refused early."""

from __future__ import annotations

import importlib.util
import json
import struct
import tracemalloc
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overt.errors import InvalidError
from overt.media.records import (
    MAX_HEADER,
    MAX_RECORD,
    RecordKind,
    RecordParser,
    configuration_record,
    end_record,
    fragment_record,
    record,
)


def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "make_record_vectors", Path(__file__).with_name("make_record_vectors.py")
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


HEADERS = st.dictionaries(
    st.text(max_size=12), st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=40), max_size=6
)
RECORDS = st.lists(st.tuples(st.integers(0, 255), HEADERS, st.binary(max_size=300)), max_size=8)


def fragment(start_ns: int, duration_ns: int) -> dict[str, Any]:
    (found,) = RecordParser().feed(
        fragment_record(
            1,
            start_ns=start_ns,
            duration_ns=duration_ns,
            samples=1,
            keyframe=True,
            discontinuity=False,
            damaged=False,
            payload=b"",
        )
    )
    return found.header


@given(RECORDS, st.data())
def test_records_are_read_as_they_were_written_in_whatever_pieces(
    written: list[tuple[int, dict[str, Any], bytes]], data: st.DataObject
) -> None:
    stream = b"".join(record(*each) for each in written)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    parser, found = RecordParser(), []
    for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += parser.feed(stream[begin:end])
    assert [(each.kind, each.header, bytes(each.payload)) for each in found] == written
    assert b"".join(each.data for each in found) == stream
    assert parser.pending == 0


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    parser = RecordParser()
    try:
        found = parser.feed(data)
    except InvalidError:
        with pytest.raises(InvalidError, match="offset"):
            parser.feed(b"")
    else:
        assert sum(len(each.data) for each in found) + parser.pending == len(data)


@given(RECORDS.filter(bool), st.data())
def test_a_stream_that_is_cut_off_is_told_from_one_that_ends(
    written: list[tuple[int, dict[str, Any], bytes]], data: st.DataObject
) -> None:
    stream = b"".join(record(*each) for each in written)
    parser = RecordParser()
    parser.feed(stream[: data.draw(st.integers(len(stream) - len(record(*written[-1])) + 1, len(stream) - 1))])
    assert parser.pending


def test_a_size_beyond_its_limit_is_refused_before_anything_is_gathered() -> None:
    good = record(RecordKind.END, {"complete": True})
    tracemalloc.start()
    try:
        with pytest.raises(InvalidError, match=f"offset {len(good)}:"):
            RecordParser().feed(good + struct.pack(">II", 0xFFFFFFFF, 2 << 24) + bytes(1000))
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_the_offset_of_a_lie_counts_from_the_beginning_of_the_stream() -> None:
    parser, good = RecordParser(), record(RecordKind.END, {"complete": True})
    assert len(parser.feed(good * 3)) == 3
    with pytest.raises(InvalidError, match=f"offset {3 * len(good)}:"):
        parser.feed(struct.pack(">II", 3, 0))


def test_the_largest_records_are_written_and_larger_ones_refused() -> None:
    payload = bytes(MAX_RECORD - 4 - len(b"{}"))
    (found,) = RecordParser().feed(record(2, {}, payload))
    assert len(found.payload) == len(payload)
    with pytest.raises(InvalidError, match="allowed"):
        record(2, {}, payload + b"x")
    with pytest.raises(InvalidError, match="allowed"):
        record(2, {"text": "x" * MAX_HEADER})


def test_headers_in_other_encodings_of_json_are_refused() -> None:
    header = '{"a":1}'.encode("utf-16")
    with pytest.raises(InvalidError, match="not JSON"):
        RecordParser().feed(struct.pack(">II", 4 + len(header), 7 << 24 | len(header)) + header)


def test_a_path_that_is_no_text_can_be_told() -> None:
    (found,) = RecordParser().feed(record(RecordKind.ERROR, {"message": "caf\udce9"}))
    assert found.header == {"message": "caf\udce9"}


@given(st.integers(0, 2**62), st.integers(0, 10**10), st.integers(0, 10**10))
def test_what_joins_in_nanoseconds_joins_in_microseconds(start_ns: int, first_ns: int, second_ns: int) -> None:
    one, two = fragment(start_ns, first_ns), fragment(start_ns + first_ns, second_ns)
    assert one["start_us"] + one["duration_us"] == two["start_us"]


@given(st.integers(0, 2**62))
def test_asking_on_never_begins_in_the_fragment_before(reached_ns: int) -> None:
    (found,) = RecordParser().feed(end_record(reached_ns))
    assert 0 <= found.header["next_us"] * 1000 - reached_ns < 1000


def test_what_a_configuration_says_of_its_tracks_is_read_from_it() -> None:
    vectors = maker()
    (found,) = RecordParser().feed(vectors.built()["configuration"])
    assert found.header["codecs"] == "avc1.4d002a,alaw"
    assert [(each["kind"], each["codec"], each["timescale"]) for each in found.header["tracks"]] == [
        ("video", "h264", 90000),
        ("audio", "pcma", 8000),
    ]
    assert (found.header["tracks"][0]["width"], found.header["tracks"][0]["height"]) == (1920, 1080)
    assert found.payload[4:8] == b"ftyp"
    with pytest.raises(InvalidError):
        configuration_record(1, b"no initialisation segment")


def test_the_vectors_are_those_that_this_program_writes() -> None:
    vectors = maker()
    assert vectors.VECTORS.read_text(encoding="utf-8") == vectors.text(), (
        "run tests/media_records/make_record_vectors.py"
    )


def test_the_vectors_are_read_and_their_lies_refused() -> None:
    document = json.loads(maker().VECTORS.read_text(encoding="utf-8"))
    for each in document["records"]:
        (found,) = RecordParser().feed(bytes.fromhex(each["record"]))
        assert (found.kind, found.header, found.payload.hex()) == (each["kind"], each["header"], each["payload"])
    for each in document["refused"]:
        with pytest.raises(InvalidError):
            RecordParser().feed(bytes.fromhex(each["bytes"]))
