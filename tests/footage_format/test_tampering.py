"""Every way to tamper with a segment, and who notices: the walk (no keys), opening (keys), or the reported root."""

from __future__ import annotations

import hashlib
import itertools
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from overt.errors import CorruptError, InvalidError, OvertError
from overt.footage import segment_walk
from overt.footage.format import (
    DIGEST_SIZE,
    FRAME_SIZE,
    RECORD_HEADER_SIZE,
    EndRecord,
    RecordHeader,
    RecordType,
    TableRow,
    decode_record_header,
    decode_table,
)
from overt.footage.segment_reader import SegmentReader, open_records
from overt.footage.segment_walk import outline, walk
from overt.footage.segment_writer import SegmentSummary
from overt.ids import StreamKey
from overt.ledger.merkle import MerkleRange, leaf_hash

PAYLOADS = [b"one", b"two", b"three"]


def rows(summary: SegmentSummary) -> list[TableRow]:
    return decode_table(summary.table, "here")


def parts(summary: SegmentSummary) -> list[bytes]:
    """Header, records, end record."""
    data = summary.path.read_bytes()
    cuts = [0, *(row.offset for row in rows(summary))]
    last = rows(summary)[-1]
    cuts += [last.offset + FRAME_SIZE + last.payload_length, len(data)]
    return [data[a:b] for a, b in itertools.pairwise(cuts)]


def kinds(path: Path) -> list[str]:
    return [finding.kind for finding in walk(path).findings]


def opened(path: Path, studio: Any, **options: Any) -> list[bytes]:
    return [record.payload for record in open_records(path, studio.keys, **options)]


def open_and_confirm(path: Path, studio: Any) -> None:
    """Open all there is, record by record, and hold the end record against the keys."""
    found = walk(path)
    opened(path, studio)
    with SegmentReader(path, studio.keys) as reader:
        for record in found.records:
            reader.open(record.row)
        reader.confirm_end(found)


def reforged(record: bytes, header_digest: bytes, payload: bytes | None = None, **changes: int) -> bytes:
    """What someone without keys can do: change a header, and make CRC and digest fit."""
    header = decode_record_header(record)
    assert header is not None
    payload = record[RECORD_HEADER_SIZE:-DIGEST_SIZE] if payload is None else payload
    changed = header._replace(**{"payload_length": len(payload)} | changes).encode()
    return changed + payload + hashlib.sha256(header_digest + changed + payload).digest()


def rebuilt(summary: SegmentSummary, honest: list[bytes], records: list[bytes]) -> bytes:
    """Join records behind the header with an end record that fits them, as someone without keys can."""
    head, end = honest[0], honest[-1]
    table, tree, offset, end_ns = b"", MerkleRange(), len(head), 0
    for record in records:
        header = decode_record_header(record)
        assert header is not None
        table += segment_walk.Record(offset, header, None, intact=True).row.encode()
        tree.append(leaf_hash(record[-DIGEST_SIZE:]))
        offset += len(record)
        end_ns = max(end_ns, header.start_ns + header.duration_ns)
    tag = end[-DIGEST_SIZE - 16 : -DIGEST_SIZE]
    payload = EndRecord(table, tree.root(), end_ns, len(records)).encode() + tag
    forged = reforged(end, summary.header_digest, payload, position=len(records), start_ns=end_ns)
    return head + b"".join(records) + forged


def test_every_flipped_byte_is_found_by_the_walk(studio: Any) -> None:
    summary = studio.segment()
    data = summary.path.read_bytes()
    for at in range(len(data)):
        for flip in (0x01, 0x80, 0xFF):
            altered = bytearray(data)
            altered[at] ^= flip
            summary.path.write_bytes(altered)
            try:
                found = walk(summary.path)
            except InvalidError:
                assert at < 10  # magic or version: no segment of this kind
                continue
            assert found.findings, f"byte {at} flipped by {flip:#x} was not found"
            assert all(0 <= finding.offset <= len(data) for finding in found.findings)
            intact = [record for record in found.records if record.intact]
            assert len(intact) >= len(PAYLOADS), f"byte {at}: more than one record was given up"


def test_every_flipped_bit_of_what_is_opened_is_found_by_opening(studio: Any) -> None:
    """All but the record digests, which only the walk reads."""
    summary = studio.segment()
    data = summary.path.read_bytes()
    digests = {
        row.offset + FRAME_SIZE + row.payload_length - 1 - n for row in rows(summary) for n in range(DIGEST_SIZE)
    }
    digests |= {len(data) - 1 - n for n in range(DIGEST_SIZE)}
    for at in set(range(len(data))) - digests:
        altered = bytearray(data)
        altered[at] ^= 1 << at % 8
        summary.path.write_bytes(altered)
        with pytest.raises(OvertError):
            open_and_confirm(summary.path, studio)


def test_truncated_anywhere_all_earlier_records_stay(studio: Any) -> None:
    summary = studio.segment()
    data = summary.path.read_bytes()
    ends = [row.offset + FRAME_SIZE + row.payload_length for row in rows(summary)]
    for size in range(len(data)):
        summary.path.write_bytes(data[:size])
        found = walk(summary.path)
        whole = sum(end <= size for end in ends)
        assert [record.row for record in found.records] == rows(summary)[:whole]
        boundaries = {rows(summary)[0].offset, *ends}
        torn = "header" if size < min(boundaries) else "torn"
        assert [each.kind for each in found.findings] == ([] if size in boundaries else [torn]) + ["unended"]
        assert walk(summary.path, hashing=False).findings == found.findings
        if whole:
            assert found.sound_size == ends[whole - 1]
            assert opened(summary.path, studio) == ([] if whole == 1 else [b"configuration", *PAYLOADS[: whole - 1]])
        try:
            assert outline(summary.path).end is None
        except CorruptError:
            assert size < min(boundaries)


def test_a_damaged_record_costs_only_itself(studio: Any) -> None:
    summary = studio.segment()
    data = bytearray(summary.path.read_bytes())
    second = rows(summary)[2]
    for at in (second.offset, second.offset + 20, second.offset + 90):
        altered = bytearray(data)
        altered[at] ^= 0xFF
        summary.path.write_bytes(altered)
        told: list[CorruptError] = []
        assert opened(summary.path, studio, on_damage=told.append) == [b"configuration", b"one", b"three"]
        assert str(second.offset) in str(told[0])
        assert "yard/main" in str(told[0])
        assert any(str(second.offset) in finding.message for finding in walk(summary.path).findings)
        with pytest.raises(CorruptError, match=str(second.offset)):
            opened(summary.path, studio)


def test_a_tag_failure_names_everything(studio: Any) -> None:
    summary = studio.segment()
    data = bytearray(summary.path.read_bytes())
    row = rows(summary)[1]
    data[row.offset + RECORD_HEADER_SIZE] ^= 1
    summary.path.write_bytes(data)
    with SegmentReader(summary.path, studio.keys) as reader, pytest.raises(CorruptError) as caught:
        reader.open(row)
    for word in ("yard/main", str(summary.header.segment_id), "record 1", f"offset {row.offset}", "tag"):
        assert word in str(caught.value)


def test_swapped_records(studio: Any) -> None:
    summary = studio.segment()
    honest = parts(summary)
    head, config, one, two, three, end = honest
    summary.path.write_bytes(head + config + two + one + three + end)
    assert "order" in kinds(summary.path)
    head_digest = summary.header_digest
    forged = [config, reforged(two, head_digest, position=1), reforged(one, head_digest, position=2), three]
    summary.path.write_bytes(rebuilt(summary, honest, forged))
    assert "order" in kinds(summary.path)
    messages = [decode_record_header(each).message for each in (one, two)]  # type: ignore[union-attr]  # valid
    forged[1] = reforged(two, head_digest, position=1, message=messages[0])
    forged[2] = reforged(one, head_digest, position=2, message=messages[1])
    summary.path.write_bytes(rebuilt(summary, honest, forged))
    assert kinds(summary.path) == []
    assert walk(summary.path).merkle_root != summary.merkle_root
    with pytest.raises(CorruptError):
        opened(summary.path, studio)


def test_a_duplicated_record(studio: Any) -> None:
    summary = studio.segment()
    head, config, one, two, three, end = parts(summary)
    summary.path.write_bytes(head + config + one + one + two + three + end)
    found = walk(summary.path)
    assert "order" in [finding.kind for finding in found.findings]
    assert len(found.records) == 4
    told: list[CorruptError] = []
    assert opened(summary.path, studio, on_damage=told.append) == [b"configuration", *PAYLOADS]
    assert told


def test_a_removed_record(studio: Any) -> None:
    summary = studio.segment()
    honest = parts(summary)
    head, config, one, _, three, end = honest
    summary.path.write_bytes(head + config + one + three + end)
    assert any("records 2 to 2 are missing" in finding.message for finding in walk(summary.path).findings)
    with pytest.raises(CorruptError, match="missing"):
        opened(summary.path, studio)
    forged = rebuilt(summary, honest, [config, one, reforged(three, summary.header_digest, position=2)])
    summary.path.write_bytes(forged)
    assert kinds(summary.path) == []
    with pytest.raises(CorruptError):
        opened(summary.path, studio)


def test_the_last_records_removed_with_a_new_end_record(studio: Any) -> None:
    """Everything that is left opens; only the end record's tag, made with the period's next key, tells."""
    summary = studio.segment()
    honest = parts(summary)
    config, one = honest[1:3]
    summary.path.write_bytes(rebuilt(summary, honest, [config, one]))
    found = walk(summary.path)
    assert found.intact
    assert opened(summary.path, studio) == [b"configuration", b"one"]
    with SegmentReader(summary.path, studio.keys) as reader, pytest.raises(CorruptError, match="tag"):
        reader.confirm_end(found)


@pytest.mark.parametrize(
    "change",
    [
        {"start_ns": 0},
        {"duration_ns": 1},
        {"flags": 4},
        {"samples": 1},
        {"camera_offset_ns": 0},
        {"lost_packets": 9},
        {"damaged_samples": 9},
        {"type": 1},
        {"message": 17},
    ],
)
def test_a_re_dated_or_relabelled_record(studio: Any, change: dict[str, int]) -> None:
    summary = studio.segment()
    honest = parts(summary)
    config, one, two, three = honest[1:5]
    plain = reforged(two, b"", **change)[:-DIGEST_SIZE]
    data = summary.path.read_bytes().replace(two, plain + two[-DIGEST_SIZE:])
    summary.path.write_bytes(data)
    assert "damaged" in kinds(summary.path)
    summary.path.write_bytes(
        rebuilt(summary, honest, [config, one, reforged(two, summary.header_digest, **change), three])
    )
    assert walk(summary.path).merkle_root != summary.merkle_root
    with pytest.raises(CorruptError):
        open_and_confirm(summary.path, studio)


def test_a_record_of_another_segment_or_camera(studio: Any, make_studio: Callable[..., Any]) -> None:
    summary = studio.segment()
    sibling = studio.segment([b"four", b"five", b"six"])
    other = make_studio(key=StreamKey("gate"))
    elsewhere = other.segment()
    honest = parts(summary)
    config, one, three = honest[1], honest[2], honest[4]
    for source in (sibling, elsewhere):
        guest = parts(source)[3]
        summary.path.write_bytes(rebuilt(summary, honest, [config, one, guest, three]))
        assert "damaged" in kinds(summary.path)
        fitted = reforged(guest, summary.header_digest, position=2, message=summary.header.first_message + 2)
        summary.path.write_bytes(rebuilt(summary, honest, [config, one, fitted, three]))
        assert kinds(summary.path) == []
        with pytest.raises(CorruptError):
            opened(summary.path, studio)


def test_a_whole_segment_under_another_name_and_time(studio: Any, make_studio: Callable[..., Any]) -> None:
    """Records keep the header they were made under, even when the other camera's keys are at hand."""
    summary = studio.segment()
    gate = make_studio(key=StreamKey("gate"))
    gate.period = type(gate.period)(studio.period.period_id, gate.root)
    foreign = gate.segment()
    records, honest = parts(summary)[1:-1], parts(foreign)
    foreign.path.write_bytes(rebuilt(foreign, honest, [reforged(each, foreign.header_digest) for each in records]))
    assert kinds(foreign.path) == []
    with pytest.raises(CorruptError, match="tag"):
        opened(foreign.path, studio)


def test_an_altered_header_does_not_hide_the_records(studio: Any) -> None:
    summary = studio.segment()
    data = bytearray(summary.path.read_bytes())
    data[100] ^= 1
    summary.path.write_bytes(data)
    found = walk(summary.path)
    assert [each.kind for each in found.findings] == ["header"]
    assert found.header is None
    assert found.header_digest == summary.header_digest
    assert all(record.intact for record in found.records)
    assert found.merkle_root == summary.merkle_root
    with pytest.raises(CorruptError, match="SHA-256"):
        opened(summary.path, studio)


def test_a_forged_length_hides_nothing(studio: Any) -> None:
    summary = studio.segment()
    head, config, one, two, three, end = parts(summary)
    header = decode_record_header(one)
    assert header is not None
    for length in (len(one) + len(two) - FRAME_SIZE, 50_000, 1 << 26):
        forged = header._replace(payload_length=length).encode() + one[RECORD_HEADER_SIZE:]
        summary.path.write_bytes(head + config + forged + two + three + end)
        found = walk(summary.path)
        assert found.findings
        positions = [record.header.position for record in found.records if record.intact]
        assert positions[-1] == 3
        assert 0 in positions


def test_trailing_bytes_and_a_second_end(studio: Any) -> None:
    summary = studio.segment()
    data = summary.path.read_bytes()
    for tail in (b"\0", parts(summary)[-1], parts(summary)[1]):
        summary.path.write_bytes(data + tail)
        assert kinds(summary.path) == ["trailing"]
        with pytest.raises(CorruptError):
            opened(summary.path, studio)


@pytest.mark.parametrize("change", ["count", "root", "table", "short", "position", "message"])
def test_an_end_record_that_contradicts_the_records(studio: Any, change: str) -> None:
    summary = studio.segment()
    *front, end = parts(summary)
    payload = bytearray(end[RECORD_HEADER_SIZE:-DIGEST_SIZE])
    fields: dict[str, int] = {}
    if change == "count":
        payload[-17] ^= 1
    elif change == "root":
        payload[-60] ^= 1
    elif change == "table":
        payload[3] ^= 1
    elif change == "short":
        del payload[:1]
    else:
        fields[change] = {"position": 9, "message": 0}[change]
    forged = reforged(end, summary.header_digest, bytes(payload), **fields)
    summary.path.write_bytes(b"".join(front) + forged)
    assert "end" in kinds(summary.path)


def test_a_walk_through_rubble_is_bounded(studio: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment_walk, "MAX_FINDINGS", 20)
    summary = studio.segment()
    head, config, one, *_ = parts(summary)
    summary.path.write_bytes(head + config + (one + b"x") * 300)
    found = walk(summary.path)
    assert len(found.findings) <= 23
    assert "too-many" in [each.kind for each in found.findings]
    assert len(found.records) == 2


def test_headers_that_claim_more_than_there_is_cost_no_quadratic_time(studio: Any) -> None:
    summary = studio.segment()
    head, config, one, *_ = parts(summary)
    header = decode_record_header(one)
    assert header is not None
    liar = header._replace(payload_length=1 << 25).encode()
    summary.path.write_bytes(head + config + liar * 30_000)
    found = walk(summary.path)
    assert len(found.records) == 1
    assert len(found.findings) <= segment_walk.MAX_FINDINGS + 2


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_random_vandalism_is_named_and_never_read(studio: Any, data: st.DataObject) -> None:
    summary = studio.segment([b"OVRF" * 30, b"two" * 50, b"", b"four" * 9])
    honest = summary.path.read_bytes()
    altered = bytearray(honest)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(altered) - 1))
        length = data.draw(st.integers(0, 150))
        altered[at : at + length] = data.draw(st.binary(max_size=150))
    summary.path.write_bytes(altered)
    expected = [b"configuration", b"OVRF" * 30, b"two" * 50, b"", b"four" * 9]
    try:
        found = walk(summary.path)
    except InvalidError:
        return
    assert found.findings or bytes(altered) == honest
    try:
        got = opened(summary.path, studio, on_damage=lambda error: None)
    except OvertError:
        return
    assert [payload for payload in got if payload not in expected] == []


def test_headers_are_plain_values() -> None:
    header = RecordHeader(RecordType.FRAGMENT, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 16, bytes(32))
    encoded = header.encode()
    assert decode_record_header(encoded) == header
    for bad in ({"type": 4}, {"flags": 8}, {"reserved": 1}, {"payload_length": 15}, {"position": 65_537}):
        assert decode_record_header(header._replace(**bad).encode()) is None
    assert decode_record_header(header._replace(message=1 << 18).encode()) is None
    assert decode_record_header(header._replace(payload_length=(1 << 26) + 1).encode()) is None
    assert int.from_bytes(encoded[-4:], "big") == zlib.crc32(encoded[:-4])
