"""What a capture does after a session has ended: engine, transport, address, audio; and cameras that are replaced."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from capture_rig import KeepingEvents, KeepingStore
from overt.clock import SystemClock
from overt.contract.assignment import CameraAssignment
from overt.errors import ForbiddenError, InvalidError, MissingError, OvertError, UnavailableError
from overt.media import reactor as reactor_module
from overt.media.feed import RedirectedError
from overt.media.interleaved import FeedCounters
from overt.media.link import Endpoint
from overt.media.resolve import Resolver
from overt.media.rtsp.transport import UnsupportedTransportError
from overt.media.rtsp.urls import parse_camera_url
from overt.media.samples import CodecConfiguration, Fragment
from overt.recorder import capture as capture_module
from overt.recorder import capturing as capturing_module
from overt.recorder.capturing import Capturing
from overt.recorder.retries import Pace, Verdict

VIDEO = CodecConfiguration("video", "h264", "avc1.42000a", 90000, b"entry", 128, 96)
Ending = Callable[["FakeFeed"], OvertError | None]


def fragment() -> Fragment:
    now = time.time_ns()
    return Fragment((VIDEO,), b"moof", now, 1000, 1, True, True, 0, 0, None, 0)


@dataclass
class Play:
    """What the fake sessions do, one after the other, and what they were asked to be."""

    endings: list[Ending] = field(default_factory=list)
    made: list[FakeFeed] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def wait(self, count: int) -> list[FakeFeed]:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.made) >= count, 10), f"{len(self.made)} sessions"
        return self.made[:count]


class FakeFeed:
    """A session that ends as the play says, at the first housekeeping; or stays, where the play is over."""

    play: ClassVar[Play]
    engine: ClassVar[str] = "native"

    def __init__(self, reactor: Any, clock: Any, source: Any, options: Any = None, **more: Any) -> None:
        self.counters, self.reception, self.playing_since_ns = FeedCounters(), None, 0
        self.dialogue = SimpleNamespace(notes=["it is odd"])
        self.audio_at_fault = False
        self.url = (source.url if options is not None else source.place).request_url
        self.transport = (options if options is not None else source).transport
        self.audio = options.audio if options is not None else False
        self.endpoint = source.endpoint.address[0] if options is not None else ""
        self.closing: Callable[[], None] | None = None
        self.keep_closing = False
        self._reactor, self._more = reactor, more
        with self.play.changed:
            number = len(self.play.made)
            self._ending = self.play.endings[number] if number < len(self.play.endings) else None
            self.play.made.append(self)
            self.play.changed.notify_all()
        reactor.add(self)

    def deliver(self) -> None:
        self._more["deliver"]([fragment()])

    def ready(self, descriptor: int, events: int, now_ns: int) -> None:
        """Nothing is watched."""

    def housekeeping(self, now_ns: int) -> None:
        error = self._ending(self) if self._ending else None
        if error is not None:
            self._reactor.remove(self)
            self._more["ended"](error)

    def failed(self, error: Exception) -> None:
        raise error

    def shift(self, step_ns: int) -> None:
        """There is nothing in hand."""

    def close(self, done: Callable[[], None]) -> None:
        self._ending = None
        if self.keep_closing:
            self.closing = done
            return
        self._reactor.remove(self)
        done()

    def finish_closing(self) -> None:
        assert self.closing is not None
        self._reactor.remove(self)
        self.closing()


class FakeForeignFeed(FakeFeed):
    engine: ClassVar[str] = "pyav"


def ends(error: OvertError) -> Ending:
    return lambda feed: error


def delivers_then(error: OvertError) -> Ending:
    def ending(feed: FakeFeed) -> OvertError:
        feed.deliver()
        return error

    return ending


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Play:
    made = FakeFeed.play = Play()
    monkeypatch.setattr(capture_module, "Feed", FakeFeed)
    monkeypatch.setattr(capture_module, "ForeignFeed", FakeForeignFeed)
    monkeypatch.setattr(reactor_module, "HOUSEKEEPING_NS", 5_000_000)
    monkeypatch.setattr(
        capture_module, "verdict", lambda error, played: Verdict("camera", "refused", Pace(1_000_000, 1_000_000))
    )
    return made


def camera(*urls: str, name: str = "cam", streams: tuple[str, ...] = ("main",), **more: Any) -> CameraAssignment:
    engine = {key: more.pop(key) for key in ("engine", "transport") if key in more}
    rows = [{"name": stream, "urls": list(urls or ("rtsp://127.0.0.1/a",)), **engine} for stream in streams]
    return CameraAssignment.model_validate({"name": name, "streams": rows, **more})


@contextmanager
def capturing(*cameras: CameraAssignment) -> Iterator[tuple[Capturing, KeepingStore]]:
    store = KeepingStore()
    made = Capturing(SystemClock(), store, KeepingEvents(), tick_ns=2_000_000)
    made.start()
    try:
        made.apply(cameras)
        yield made, store
    finally:
        assert made.stop(10)
        if made.failure is not None:
            raise made.failure


NONSENSE = InvalidError("nonsense")
AWAY = UnavailableError("away")


@pytest.mark.parametrize(
    ("endings", "engines"),
    [
        ([ends(NONSENSE)] * 3 + [ends(AWAY)], "native native native pyav native"),
        ([ends(NONSENSE)] * 3 + [ends(NONSENSE)] * 4, "native native native pyav native native native pyav"),
        ([ends(NONSENSE), ends(NONSENSE), ends(AWAY)] + [ends(NONSENSE)] * 3, "native " * 6 + "pyav"),
        ([delivers_then(NONSENSE)] * 4, "native native native native native"),
        ([ends(NONSENSE)] * 3 + [delivers_then(AWAY)] * 2, "native native native pyav pyav pyav"),
        ([ends(AWAY)] * 5, "native native native native native native"),
    ],
)
def test_pyav_is_tried_after_three_sessions_that_made_no_sense_and_kept_only_if_it_delivers(
    play: Play, endings: list[Ending], engines: str
) -> None:
    play.endings = endings
    with capturing(camera()):
        assert [each.engine for each in play.wait(len(endings) + 1)] == engines.split()


def test_only_the_engine_that_is_assigned_is_used(play: Play) -> None:
    play.endings = [ends(NONSENSE)] * 5
    with capturing(camera(engine="native")):
        assert {each.engine for each in play.wait(6)} == {"native"}
    play.made.clear()
    with capturing(camera(engine="pyav")):
        assert {each.engine for each in play.wait(6)} == {"pyav"}


def test_rtsps_is_never_left_to_pyav_which_checks_no_certificate(play: Play) -> None:
    play.endings = [ends(NONSENSE)] * 5
    with capturing(camera("rtsps://127.0.0.1/a")):
        assert {each.engine for each in play.wait(6)} == {"native"}
    play.made.clear()
    with capturing(camera("rtsps://127.0.0.1/a?token=x", engine="pyav")) as (made, store):
        store.wait("cam", lambda kept: bool(kept.interruptions))
        assert "PyAV does not check certificates" in made.health(5)[0].reason
        assert "=x" not in made.health(5)[0].reason
        assert play.made == []


def test_the_transport_changes_only_where_the_assignment_leaves_it_open(play: Play) -> None:
    other = UnsupportedTransportError("the other one")
    play.endings = [ends(other), ends(other), delivers_then(other)]
    with capturing(camera()):
        assert [each.transport for each in play.wait(4)] == ["tcp", "udp", "tcp", "tcp"]
    play.made.clear()
    with capturing(camera(transport="udp")):
        assert [each.transport for each in play.wait(4)] == ["udp"] * 4


def test_audio_that_fails_is_left_out_from_then_on(play: Play, caplog: pytest.LogCaptureFixture) -> None:
    def audio_fails(feed: FakeFeed) -> OvertError:
        feed.audio_at_fault = True
        return NONSENSE

    play.endings = [audio_fails, delivers_then(AWAY)]
    with caplog.at_level(logging.WARNING), capturing(camera(audio=True)):
        assert [each.audio for each in play.wait(3)] == [True, False, False]
    assert [record.getMessage() for record in caplog.records] == [
        "cam/main: recorded without audio from now on: nonsense"
    ]


def test_addresses_take_turns_until_one_delivers(play: Play) -> None:
    play.endings = [ends(AWAY), ends(AWAY), ends(AWAY), delivers_then(AWAY), delivers_then(AWAY)]
    with capturing(camera("rtsp://127.0.0.1/a", "rtsp://127.0.0.1/b")):
        assert [each.url[-1] for each in play.wait(6)] == list("ababbb")


def test_addresses_take_turns_where_the_name_of_one_is_lost_after_it_delivered(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up: list[str] = []

    def resolve(self: Resolver, host: str, port: int) -> Future[tuple[Endpoint, ...]]:
        looked_up.append(host)
        done: Future[tuple[Endpoint, ...]] = Future()
        if host == "first" and len(looked_up) > 1:
            done.set_exception(MissingError("the name is not known"))
        else:
            done.set_result((Endpoint(2, ("127.0.0.1", port), host),))
        return done

    monkeypatch.setattr(Resolver, "resolve", resolve)
    play.endings = [delivers_then(AWAY)]
    with capturing(camera("rtsp://first/a", "rtsp://second/b")):
        assert [each.url for each in play.wait(2)] == ["rtsp://first/a", "rtsp://second/b"]
    assert looked_up[:3] == ["first", "first", "second"]


def names(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> None:
    """Let each look-up give the next of these answers, and the last one from then on."""
    left = list(answers)

    def resolve(self: Resolver, host: str, port: int) -> Future[tuple[Endpoint, ...]]:
        done: Future[tuple[Endpoint, ...]] = Future()
        answer = left.pop(0) if len(left) > 1 else left[0]
        done.set_result(tuple(Endpoint(2, (each, port), host) for each in answer))
        return done

    monkeypatch.setattr(Resolver, "resolve", resolve)


@pytest.mark.parametrize(
    ("answers", "endings", "tried"),
    [
        ([["a", "b", "c"]], [ends(AWAY)] * 4, "abcab"),
        # A DNS server that shuffles must not bring us to the dead one again and again.
        ([["a", "b"], ["b", "a"], ["b", "a"], ["a", "b"]], [ends(AWAY)] * 3, "abba"),
        # What delivered is kept, though the first is preferred.
        ([["a", "b"]], [ends(AWAY), delivers_then(AWAY), delivers_then(AWAY)], "abbb"),
        # An address that answers is the camera's, even where it refuses us: a password is not shown more often.
        ([["a", "b"]], [ends(AWAY), ends(ForbiddenError("no")), ends(ForbiddenError("no"))], "abbb"),
        # The camera has moved: what is not its address any more is forgotten.
        ([["a", "b"], ["c"], ["a", "c"]], [ends(AWAY), ends(AWAY)], "aca"),
    ],
)
def test_addresses_of_a_name_take_turns_until_one_answers(
    play: Play, monkeypatch: pytest.MonkeyPatch, answers: list[list[str]], endings: list[Ending], tried: str
) -> None:
    names(monkeypatch, *answers)
    play.endings = endings
    with capturing(camera("rtsp://camera.example/a")):
        assert "".join(each.endpoint for each in play.wait(len(tried))) == tried


def test_the_tick_is_short_again_when_cameras_were_taken_out(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capturing_module, "CROWD", 2)
    monkeypatch.setattr(capturing_module, "UNWATCHED_TICK_NS", 9_000_000)
    crowd = [camera(name=f"cam-{number}") for number in range(3)]
    with capturing(*crowd) as (made, _):
        settled(made)
        assert made._reactor.tick_ns == 9_000_000
        made.apply(tuple(crowd[:2]))
        settled(made)
        assert made._reactor.tick_ns == 2_000_000


def test_a_crowd_that_is_watched_or_holds_little_has_a_shorter_tick(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capturing_module, "CROWD", 2)
    monkeypatch.setattr(capturing_module, "CROWDED_TICK_NS", 5_000_000)
    monkeypatch.setattr(capturing_module, "UNWATCHED_TICK_NS", 9_000_000)
    monkeypatch.setattr(capturing_module, "HOUSEKEEPING_NS", 0)
    with capturing(*(camera(name=f"cam-{number}") for number in range(3))) as (made, _):
        settled(made)
        reactor = made._reactor
        someone: Any = object()
        assert reactor.tick_ns == 9_000_000
        reactor.call(lambda: reactor.hasten(someone))
        settled(made)
        assert reactor.tick_ns == 5_000_000
        reactor.call(lambda: reactor.remove(someone))
        settled(made)
        assert reactor.tick_ns == 9_000_000


@pytest.mark.parametrize("steady", [True, False])
def test_redirects_are_counted_unless_the_session_between_them_lasted(
    play: Play, monkeypatch: pytest.MonkeyPatch, steady: bool
) -> None:
    monkeypatch.setattr(capture_module, "STEADY_NS", 0 if steady else 10**12)
    counted: list[int] = []

    def elsewhere(feed: FakeFeed) -> OvertError:
        feed.playing_since_ns = time.monotonic_ns()
        feed.deliver()
        place, _ = parse_camera_url(f"rtsp://127.0.0.1/{len(counted)}")
        counted.append(3)
        follow = SimpleNamespace(url=place, credentials=None, redirects=3)
        return RedirectedError(SimpleNamespace(redirected=lambda: follow))  # type: ignore[arg-type]

    redirects: list[int] = []
    init = FakeFeed.__init__

    def remember(self: FakeFeed, reactor: Any, clock: Any, source: Any, *rest: Any, **more: Any) -> None:
        redirects.append(source.redirects)
        init(self, reactor, clock, source, *rest, **more)

    monkeypatch.setattr(FakeFeed, "__init__", remember)
    play.endings = [elsewhere, elsewhere, ends(AWAY)]
    with capturing(camera()):
        play.wait(4)
    assert redirects == [0, *([1, 1] if steady else [3, 3]), 0]


# Cameras that are replaced


def held(play: Play, count: int) -> list[FakeFeed]:
    """Wait for so many sessions, all of which will take their time to say goodbye."""
    feeds = play.wait(count)
    for each in feeds:
        each.keep_closing = True
    return feeds


def saying_goodbye(feeds: list[FakeFeed]) -> None:
    deadline = time.monotonic() + 60
    while not all(each.closing for each in feeds):
        assert time.monotonic() < deadline
        time.sleep(0.002)


def settled(made: Capturing) -> None:
    """All calls until now have been done."""
    made.health(5)
    made.health(5)


def test_a_camera_that_changes_twice_while_it_says_goodbye_begins_once_as_it_is_wanted_last(play: Play) -> None:
    with capturing(camera("rtsp://127.0.0.1/1")) as (made, _):
        (first,) = held(play, 1)
        made.apply((camera("rtsp://127.0.0.1/2"),))
        saying_goodbye([first])
        made.apply((camera("rtsp://127.0.0.1/3"),))
        made.apply((camera("rtsp://127.0.0.1/4"),))
        settled(made)
        assert len(play.made) == 1, "a second session began beside the old one"
        made._reactor.call(first.finish_closing)
        assert [each.url[-1] for each in play.wait(2)] == ["1", "4"]
        settled(made)
        assert len(play.made) == 2
        assert [each.streams[0].urls for each in made.cameras] == [("rtsp://127.0.0.1/4",)]


def test_a_camera_that_changes_and_is_taken_out_while_it_says_goodbye_does_not_begin_again(play: Play) -> None:
    with capturing(camera("rtsp://127.0.0.1/1")) as (made, _):
        (first,) = held(play, 1)
        made.apply((camera("rtsp://127.0.0.1/2"),))
        saying_goodbye([first])
        made.apply(())
        settled(made)
        made._reactor.call(first.finish_closing)
        settled(made)
        assert len(play.made) == 1
        assert made.cameras == ()


def test_a_recorder_that_stops_while_a_camera_changes_begins_nothing(play: Play) -> None:
    with capturing(camera("rtsp://127.0.0.1/1")) as (made, _):
        (first,) = held(play, 1)
        made.apply((camera("rtsp://127.0.0.1/2"),))
        saying_goodbye([first])
        stopper = threading.Thread(target=made.stop, args=(5,))
        stopper.start()
        made._reactor.call(first.finish_closing)
        stopper.join(60)
        assert not made.running
        assert len(play.made) == 1


def test_a_camera_comes_back_only_after_all_its_streams_have_ended_and_been_closed_in_the_store(play: Play) -> None:
    both = ("main", "sub")
    with capturing(camera("rtsp://127.0.0.1/1", streams=both)) as (made, store):
        feeds = held(play, 2)
        made.apply((camera("rtsp://127.0.0.1/2", streams=both),))
        saying_goodbye(feeds)
        made._reactor.call(feeds[1].finish_closing)
        settled(made)
        assert len(play.made) == 2
        feeds[0]._reactor.call(feeds[0].deliver)
        made._reactor.call(feeds[0].finish_closing)
        play.wait(4)
        assert store.of("cam").interruptions == [("stopped", "its assignment was changed")] * 2
        assert len(store.of("cam").fragments) == 1


def test_a_change_of_retention_alone_interrupts_nothing(play: Play) -> None:
    with capturing(camera()) as (made, store):
        play.wait(1)
        made.apply((camera(retention={"days": 3}),))
        settled(made)
        assert len(play.made) == 1
        assert store.of("cam").interruptions == []
        assert made.cameras[0].retention.days == 3
