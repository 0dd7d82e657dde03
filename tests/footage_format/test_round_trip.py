"""What is appended is what is read: through the walk, with keys, by time, and while the segment is still open."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from overt.errors import ConflictError, CorruptError, ForbiddenError, InvalidError, MissingError, UnavailableError
from overt.footage import segment_writer
from overt.footage.format import (
    DAMAGED,
    DISCONTINUITY,
    KEYFRAME,
    UNKNOWN,
    RecordType,
    TableRow,
    decode_record_header,
    decode_segment_header,
    decode_table,
)
from overt.footage.segment_reader import SegmentReader, open_records
from overt.footage.segment_walk import outline, walk
from overt.footage.segment_writer import SegmentWriter
from overt.media.samples import Fragment
from overt.sealing.ratchet import PeriodKeys

START = 1_767_225_600_000_000_000
HALF = 500_000_000
MakeFragment = Callable[..., Fragment]


def plaintexts(path: Path, keys: PeriodKeys, **options: Any) -> list[bytes]:
    return [opened.payload for opened in open_records(path, keys, **options)]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.one_of(st.binary(max_size=300), st.sampled_from([b"OVRF" * 40, b""])), max_size=8),
    st.lists(st.booleans(), min_size=8, max_size=8),
    st.booleans(),
)
def test_any_payloads_come_back(studio: Any, payloads: list[bytes], changes: list[bool], end: bool) -> None:
    writer = studio.writer()
    expected = [b"configuration 0"]
    writer.configure(b"configuration 0", START)
    for number, (payload, changed) in enumerate(zip(payloads, changes, strict=False)):
        if changed:
            expected.append(f"configuration {number}".encode())
            writer.configure(expected[-1], START + number * HALF)
        writer.append(Fragment((), payload, START + number * HALF, HALF, 3, changed, False, 0, 0, None, 0))
        expected.append(payload)
    summary = writer.close(end=end, sync=False)
    found = walk(summary.path)
    assert [finding.kind for finding in found.findings] == ([] if end else ["unended"])
    assert (found.header, found.header_digest) == (summary.header, summary.header_digest)
    assert (found.merkle_root, found.table) == (summary.merkle_root, summary.table)
    assert found.sound_size == summary.size == summary.path.stat().st_size
    with SegmentReader(summary.path, studio.keys) as reader:
        assert [reader.open(record.row) for record in found.records] == expected
        if end:
            reader.confirm_end(found)
    fragments = [opened for opened in open_records(summary.path, studio.keys) if opened.row.type == RecordType.FRAGMENT]
    assert [opened.payload for opened in fragments] == payloads


def test_every_field_of_a_fragment_is_kept(studio: Any, fragment: MakeFragment) -> None:
    writer = studio.writer()
    writer.configure(b"c", START)
    row = writer.append(
        fragment(0, samples=70_000, damaged_samples=66_000, lost_packets=1 << 33, camera_offset_ns=-5, keyframe=True)
    )
    writer.append(fragment(1))
    summary = writer.close(sync=False)
    config, first, second = (record.header for record in walk(summary.path).records)
    assert (config.type, config.start_ns, config.camera_offset_ns) == (RecordType.CONFIGURATION, START, UNKNOWN)
    assert first.flags == KEYFRAME | DISCONTINUITY | DAMAGED
    assert (first.samples, first.damaged_samples, first.lost_packets) == (65_535, 65_535, (1 << 32) - 1)
    assert (first.camera_offset_ns, first.start_ns, first.duration_ns) == (-5, START, HALF)
    assert (second.flags, second.camera_offset_ns, second.position, second.message) == (0, UNKNOWN, 2, 2)
    assert decode_table(summary.table, "here")[1] == row
    assert (summary.fragments, summary.samples, summary.lost_packets) == (2, 70_012, 1 << 33)
    assert (summary.start_ns, summary.end_ns, summary.ended) == (START, START + 2 * HALF, True)


def test_a_span_is_read_with_the_configuration_in_force(studio: Any, fragment: MakeFragment) -> None:
    writer = studio.writer()
    writer.configure(b"c0", START)
    for number in range(6):
        if number == 3:
            writer.configure(b"c1", START + 3 * HALF)
        writer.append(fragment(number))
    path, table = writer.path, decode_table(writer.table, "open segment")
    for rows in (None, table):
        span = {"from_ns": START + 2 * HALF, "to_ns": START + 4 * HALF, "table": rows}
        assert plaintexts(path, studio.keys, **span) == [b"c0", b"picture 2", b"c1", b"picture 3"]
        span = {"from_ns": START + 4 * HALF, "to_ns": START + 4 * HALF + 1, "table": rows}
        assert plaintexts(path, studio.keys, **span) == [b"c1", b"picture 4"]
        assert plaintexts(path, studio.keys, from_ns=START + 6 * HALF, table=rows) == []
    writer.close(sync=False)


def test_segments_of_a_period_go_on_where_the_last_one_ended(studio: Any) -> None:
    first, second = studio.segment(), studio.segment([b"later"])
    assert second.header.first_message == first.records + 1
    assert plaintexts(second.path, studio.keys) == [b"configuration", b"later"]
    assert plaintexts(first.path, studio.keys)[1:] == [b"one", b"two", b"three"]


def test_the_two_ends_tell_what_a_walk_tells(studio: Any) -> None:
    summary = studio.segment()
    ends, found = outline(summary.path), walk(summary.path)
    assert ends.end == found.end
    assert ends.end is not None
    assert (ends.end.table, ends.end.merkle_root) == (summary.table, summary.merkle_root)
    assert (ends.header, ends.header_digest, ends.size) == (summary.header, summary.header_digest, summary.size)
    with SegmentReader(summary.path, studio.keys) as reader:
        reader.confirm_end(ends)
    unended = studio.segment(end=False)
    assert outline(unended.path).end is None
    with SegmentReader(unended.path, studio.keys) as reader, pytest.raises(MissingError, match="no end record"):
        reader.confirm_end(outline(unended.path))


def test_an_empty_segment_is_whole(studio: Any) -> None:
    writer = studio.writer()
    summary = writer.close()
    assert walk(summary.path).intact
    assert (summary.records, summary.start_ns, summary.end_ns) == (0, None, None)
    assert plaintexts(summary.path, studio.keys) == []


def test_plaintext_never_touches_the_disk(studio: Any) -> None:
    marker = b"a face in the crowd "
    summary = studio.segment([marker * 50])
    assert marker not in summary.path.read_bytes()
    assert plaintexts(summary.path, studio.keys)[1] == marker * 50


def test_buffers_other_than_bytes_are_sealed(studio: Any, fragment: MakeFragment) -> None:
    writer = studio.writer()
    writer.configure(memoryview(b"xx configuration")[3:], START)
    writer.append(fragment(0, bytearray(b"picture")))
    summary = writer.close(sync=False)
    assert plaintexts(summary.path, studio.keys) == [b"configuration", b"picture"]


def test_the_file_is_private_and_written_once(studio: Any) -> None:
    summary = studio.segment()
    assert summary.path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(ConflictError, match="exists already"):
        SegmentWriter(summary.path, studio.header(), studio.period, studio.buffer)
    assert walk(summary.path).intact


def test_a_header_must_be_of_its_period(studio: Any, make_studio: Callable[..., Any], tmp_path: Path) -> None:
    other = make_studio(root=bytes(32))
    with pytest.raises(ConflictError, match="not its own"):
        SegmentWriter(tmp_path / "x.ovs", studio.header(), other.period, studio.buffer)
    header = studio.header()
    studio.period.next_key()
    with pytest.raises(ConflictError, match="stands at 1"):
        SegmentWriter(tmp_path / "x.ovs", header, studio.period, studio.buffer)
    assert list(tmp_path.iterdir()) == []


def test_a_closed_or_unconfigured_segment_takes_nothing(studio: Any, fragment: MakeFragment) -> None:
    writer = studio.writer()
    with pytest.raises(InvalidError, match="begins with a configuration"):
        writer.append(fragment(0))
    writer.configure(b"c", START)
    writer.close(sync=False)
    for attempt in (lambda: writer.append(fragment(0)), writer.close, lambda: writer.configure(b"c", START)):
        with pytest.raises(ConflictError, match="closed"):
            attempt()


@pytest.mark.parametrize("changes", [{"duration_ns": -1}, {"start_ns": 1 << 64}, {"camera_offset_ns": 1 << 63}])
def test_times_without_a_place_are_refused(studio: Any, fragment: MakeFragment, changes: dict[str, int]) -> None:
    writer = studio.writer()
    writer.configure(b"c", START)
    with pytest.raises(InvalidError, match="no place in the format"):
        writer.append(fragment(0, **changes))
    writer.append(fragment(1))
    assert walk(writer.close(sync=False).path).intact


def test_limits_are_kept(studio: Any, fragment: MakeFragment, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = studio.writer()
    writer.configure(b"c", START)
    monkeypatch.setattr(segment_writer, "MAX_PAYLOAD", 1000)
    with pytest.raises(InvalidError, match="exceeds"):
        writer.append(fragment(0, bytes(985)))
    writer.append(fragment(0, bytes(984)))
    spent = studio.period.next_index
    monkeypatch.setattr(segment_writer, "MAX_SEGMENT", writer.size + 500)
    assert not writer.fits(100)
    with pytest.raises(ConflictError, match="full"):
        writer.append(fragment(1, bytes(100)))
    assert studio.period.next_index == spent
    summary = writer.close(sync=False)
    assert summary.ended
    assert walk(summary.path).intact
    assert summary.size <= segment_writer.MAX_SEGMENT


class TestDisk:
    """A disk that refuses leaves whole records, and a writer that can go on."""

    def test_short_writes_are_continued(
        self, studio: Any, fragment: MakeFragment, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write = os.write
        writer = studio.writer()
        monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[: max(1, len(data) // 2)]))
        writer.configure(b"c", START)
        writer.append(fragment(0))
        monkeypatch.undo()
        assert walk(writer.close(sync=False).path).intact

    @pytest.mark.parametrize("after", [0, 1, 50, 130])
    def test_a_full_disk_leaves_whole_records(
        self, studio: Any, fragment: MakeFragment, monkeypatch: pytest.MonkeyPatch, after: int
    ) -> None:
        write = os.write
        writer = studio.writer()
        writer.configure(b"c", START)
        writer.append(fragment(0))
        size = writer.size

        def full(fd: int, data: memoryview) -> int:
            if after and os.fstat(fd).st_size == size:
                return write(fd, data[:after])
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "write", full)
        with pytest.raises(UnavailableError, match=r"yard/main.*ENOSPC"):
            writer.append(fragment(1))
        assert writer.path.stat().st_size == size == writer.size
        assert not writer.broken
        monkeypatch.undo()
        row = writer.append(fragment(2))
        assert row.flags & DISCONTINUITY
        assert row.message == 3
        assert not writer.append(fragment(3)).flags & DISCONTINUITY
        summary = writer.close(sync=False)
        assert walk(summary.path).intact
        assert plaintexts(summary.path, studio.keys)[1:] == [b"picture 0", b"picture 2", b"picture 3"]

    def test_when_even_cutting_back_fails_the_tail_is_torn(
        self, studio: Any, fragment: MakeFragment, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write = os.write
        writer = studio.writer()
        writer.configure(b"c", START)
        size = writer.size

        def refuse(fd: int, *rest: object) -> int:
            if rest and isinstance(rest[0], memoryview) and os.fstat(fd).st_size == size:
                return write(fd, rest[0][:100])
            raise OSError(5, "Input/output error")

        monkeypatch.setattr(os, "write", refuse)
        monkeypatch.setattr(os, "ftruncate", refuse)
        with pytest.raises(UnavailableError, match="EIO"):
            writer.append(fragment(0))
        assert writer.broken
        with pytest.raises(ConflictError):
            writer.append(fragment(1))
        monkeypatch.undo()
        summary = writer.close(sync=False)
        assert not summary.ended
        found = walk(summary.path)
        assert [finding.kind for finding in found.findings] == ["torn", "unended"]
        assert found.sound_size == size

    def test_a_disk_that_refuses_the_header_leaves_no_file(
        self, studio: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        def refuse(fd: int, data: memoryview) -> int:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "write", refuse)
        with pytest.raises(UnavailableError):
            studio.writer()
        assert list(tmp_path.iterdir()) == []

    def test_no_directory(self, studio: Any, tmp_path: Path) -> None:
        with pytest.raises(UnavailableError, match="ENOENT"):
            SegmentWriter(tmp_path / "gone" / "x.ovs", studio.header(), studio.period, studio.buffer)

    def test_a_full_disk_at_the_end_closes_without_end_record(
        self, studio: Any, fragment: MakeFragment, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        writer = studio.writer()
        writer.configure(b"c", START)
        writer.append(fragment(0))

        def refuse(fd: int, data: memoryview) -> int:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "write", refuse)
        summary = writer.close()
        monkeypatch.undo()
        assert not summary.ended
        assert [finding.kind for finding in walk(summary.path).findings] == ["unended"]

    def test_a_flush_that_fails_is_told_and_the_file_closed(
        self, studio: Any, fragment: MakeFragment, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        writer = studio.writer()
        writer.configure(b"c", START)
        writer.sync()

        def refuse(fd: int) -> None:
            raise OSError(5, "Input/output error")

        monkeypatch.setattr(os, "fdatasync", refuse)
        with pytest.raises(UnavailableError, match="flush"):
            writer.close()
        assert writer.summary().ended
        assert walk(writer.path).intact


class TestRefused:
    """What a reader must refuse."""

    def test_the_root_of_another_period(self, studio: Any) -> None:
        summary = studio.segment()
        with pytest.raises(ForbiddenError, match="of another one"):
            SegmentReader(summary.path, PeriodKeys(bytes(32)))

    def test_a_file_that_is_not_there(self, studio: Any, tmp_path: Path) -> None:
        for attempt in (walk, outline):
            with pytest.raises(MissingError):
                attempt(tmp_path / "none.ovs")
        with pytest.raises(UnavailableError):
            walk(tmp_path)

    def test_a_file_of_another_kind_or_version(self, studio: Any, tmp_path: Path) -> None:
        other = tmp_path / "other.ovs"
        other.write_bytes(b"RIFF" + bytes(500))
        with pytest.raises(InvalidError, match="not a footage segment"):
            walk(other)
        with pytest.raises(InvalidError, match="not a footage segment"):
            SegmentReader(other, studio.keys)

    def test_a_table_that_names_another_record(self, studio: Any) -> None:
        summary = studio.segment()
        rows = decode_table(summary.table, "here")
        with SegmentReader(summary.path, studio.keys) as reader:
            for wrong in (
                rows[1]._replace(offset=rows[2].offset),
                rows[1]._replace(start_ns=rows[1].start_ns + 1),
                rows[1]._replace(payload_length=rows[1].payload_length + 1),
                rows[1]._replace(offset=summary.size),
            ):
                with pytest.raises(CorruptError, match="yard/main"):
                    reader.open(wrong)
            assert reader.open(rows[1]) == b"one"


@settings(max_examples=150)
@given(st.binary(max_size=400), st.sampled_from([b"", b"OVERTSEG", b"OVERTSEG\0\1\0\0\0\0\0\xb8"]))
def test_any_bytes_as_segment_header(data: bytes, begin: bytes) -> None:
    with pytest.raises((InvalidError, CorruptError)):
        decode_segment_header(begin + data, "test")


@settings(max_examples=150)
@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_as_record_header(data: bytes, begun: bool) -> None:
    assert decode_record_header(b"OVRF" + data if begun else data) is None


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=400), st.integers(0, 3))
def test_any_bytes_after_a_header_are_walked(studio: Any, tail: bytes, kept: int) -> None:
    summary = studio.segment()
    rows = decode_table(summary.table, "here")
    data = summary.path.read_bytes()[: rows[kept].offset] + tail
    summary.path.write_bytes(data)
    found = walk(summary.path)
    assert len(found.records) == kept
    assert found.findings
    assert walk(summary.path, hashing=False).findings == found.findings


def test_a_row_knows_its_end() -> None:
    assert TableRow(0, 16, 5, 7, 0, 2, 0, 0).end_ns == 12
