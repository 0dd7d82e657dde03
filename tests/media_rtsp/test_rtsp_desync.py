"""Finding the feet again after garbage."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from overt.media.rtsp.desync import MAX_FRAME_BYTES, Resume, find_resume

CHANNELS = {0, 1, 2, 3}


def frame(channel: int, length: int = 40) -> bytes:
    return bytes((0x24, channel, length >> 8, length & 255, 0x80)) + b"\x24" * (length - 1)


def test_a_chain_of_two_frames_is_confirmed() -> None:
    garbage = b"\x24\x00\x00\x24$$\x24\x01"
    data = garbage + frame(0) + frame(2)
    assert find_resume(data, CHANNELS) == Resume(len(garbage), confirmed=True)
    assert find_resume(memoryview(bytearray(data)), CHANNELS) == Resume(len(garbage), confirmed=True)


def test_a_frame_whose_successor_is_not_there_yet_waits() -> None:
    for data in (frame(0), frame(0)[:30], frame(0)[:2], frame(0) + b"$", frame(0) + b"R", frame(0) + b"RTSP/1.0"):
        assert find_resume(b"xx" + data, CHANNELS) == Resume(2, confirmed=False)


def test_implausible_headers_are_passed_over() -> None:
    for bad in (
        frame(9) * 2,
        frame(0, 7) * 2,
        frame(0).replace(b"\x80", b"\x40") * 2,
        frame(0) + b"x",
    ):
        data = bad.replace(b"\x24" * 3, b"   ") + b"."
        assert find_resume(data + frame(1) + frame(0), CHANNELS) == Resume(len(data), confirmed=True)


def test_a_confirmed_chain_beats_an_earlier_unconfirmed_frame() -> None:
    false_start = b"\x24\x00\xff\xff\x80"
    data = false_start + b"....." + frame(1) + frame(0)
    assert find_resume(data, CHANNELS) == Resume(10, confirmed=True)


def test_text_is_found_alone_and_after_a_frame() -> None:
    assert find_resume(b"garbage RTSP/1.0 200 OK\r\n", CHANNELS) == Resume(8, confirmed=True)
    assert find_resume(b"RTSP/x RTSP/1.0 200 OK\r\n", CHANNELS) == Resume(7, confirmed=True)
    assert find_resume(frame(0) + b"RTSP/1.0 200 OK\r\n", CHANNELS) == Resume(0, confirmed=True)
    assert find_resume(b"garbage RTSP/1.", CHANNELS) == Resume(8, confirmed=False)


def test_nothing_found_drops_all() -> None:
    assert find_resume(b"nothing here", CHANNELS) == Resume(12, confirmed=False)
    assert find_resume(b"", CHANNELS) == Resume(0, confirmed=False)
    assert find_resume(frame(0) + frame(0) + b".", set()) == Resume(89, confirmed=False)


def test_search_begins_at_start() -> None:
    data = frame(0) * 3
    assert find_resume(data, CHANNELS, 1) == Resume(44, confirmed=True)


@settings(max_examples=150)
@given(st.binary(max_size=60), st.lists(st.tuples(st.sampled_from(sorted(CHANNELS)), st.integers(8, 90)), min_size=2))
def test_reading_resumes_in_step_with_the_frames(garbage: bytes, frames: list[tuple[int, int]]) -> None:
    garbage = garbage.replace(b"$", b".").replace(b"R", b".")
    data = garbage + b"".join(frame(*f) for f in frames)
    assert find_resume(data, CHANNELS) == Resume(len(garbage), confirmed=True)


@settings(max_examples=150)
@given(st.binary(max_size=200) | st.text("$R\x00\x80TSP/1.0 2", max_size=200).map(lambda t: t.encode("latin-1")))
def test_any_data(data: bytes) -> None:
    resume = find_resume(data, CHANNELS)
    assert 0 <= resume.offset <= len(data)
    if not resume.confirmed:
        assert len(data) - resume.offset <= MAX_FRAME_BYTES + 14
        assert find_resume(data[resume.offset :], CHANNELS).offset == 0 or resume.offset == len(data)
