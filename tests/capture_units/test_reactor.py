"""The capture thread's loop: its tick, its participants, its end."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from overt.clock import SECOND, SystemClock
from overt.media import reactor as reactor_module
from overt.media.reactor import Reactor
from stopwatch import Stopwatch

TICK_NS = 2_000_000


@dataclass(eq=False)
class Part:
    """A participant that does what it is told and remembers what it was told."""

    on_ready: Callable[[int], None] = lambda descriptor: None
    on_housekeeping: Callable[[], None] = lambda: None
    on_failed: Callable[[], None] = lambda: None
    readies: list[int] = field(default_factory=list)
    rounds: int = 0
    failures: list[Exception] = field(default_factory=list)

    def ready(self, descriptor: int, events: int, now_ns: int) -> None:
        self.readies.append(descriptor)
        self.on_ready(descriptor)

    def housekeeping(self, now_ns: int) -> None:
        self.rounds += 1
        self.on_housekeeping()

    def failed(self, error: Exception) -> None:
        self.failures.append(error)
        self.on_failed()


@pytest.fixture
def reactor() -> Reactor:
    return Reactor(SystemClock(), lambda: None, TICK_NS)


def run_until(reactor: Reactor, predicate: Callable[[], bool], seconds: float = 60) -> None:
    """Run the reactor on this thread until something holds at the end of a tick."""
    deadline = time.monotonic() + seconds

    def after_tick() -> None:
        if predicate() or time.monotonic() > deadline:
            for participant in tuple(reactor._participants):
                reactor.remove(participant)
            reactor.stop()

    reactor._after_tick = after_tick
    reactor.run()
    assert predicate(), "it did not come to hold"


def test_what_can_be_read_is_told_to_its_owner_until_it_is_unwatched(reactor: Reactor) -> None:
    ours, theirs = socket.socketpair()
    part = Part(on_ready=lambda descriptor: reactor.unwatch(descriptor) if len(part.readies) == 3 else None)
    with ours, theirs:
        reactor.watch(ours.fileno(), part)
        theirs.send(b"x")
        run_until(reactor, lambda: reactor.statistics.ticks >= 10)
        assert part.readies == [ours.fileno()] * 3


def test_an_event_of_a_closed_descriptor_never_reaches_the_next_owner_of_its_number(reactor: Reactor) -> None:
    """Both sockets are ready in one poll; the first closes the second, and a new socket takes its number."""
    pairs = [socket.socketpair() for _ in range(2)]
    newcomers: list[tuple[socket.socket, socket.socket]] = []
    new = Part()

    def replace(_descriptor: int) -> None:
        if newcomers:
            return
        numbers = {ours.fileno() for ours, _ in pairs}
        for ours, _ in pairs:
            reactor.unwatch(ours.fileno())
            ours.close()
        newcomers.extend(socket.socketpair() for _ in range(2))
        taken = [end for pair in newcomers for end in pair if end.fileno() in numbers]
        assert len(taken) == 2, "the numbers were not used again"
        for end in taken:
            reactor.watch(end.fileno(), new)

    old = Part(on_ready=replace)
    for ours, theirs in pairs:
        reactor.watch(ours.fileno(), old)
        theirs.send(b"x")
    run_until(reactor, lambda: bool(newcomers) and reactor.statistics.ticks >= 5)
    assert len(old.readies) == 1
    assert new.readies == []
    for end in [end for pair in newcomers + pairs for end in pair]:
        end.close()


def test_a_reused_descriptor_is_told_what_is_its_own(reactor: Reactor) -> None:
    ours, theirs = socket.socketpair()
    fresh_ours, fresh_theirs = socket.socketpair()
    first, second = Part(), Part()
    number = ours.fileno()
    reactor.watch(number, first)
    reactor.unwatch(number)
    os.dup2(fresh_ours.fileno(), number)
    reactor.watch(number, second)
    fresh_theirs.send(b"x")
    run_until(reactor, lambda: len(second.readies) >= 2)
    assert first.readies == []
    for end in (ours, theirs, fresh_ours, fresh_theirs):
        end.close()


def test_a_removed_participant_is_left_alone_in_the_round_in_which_it_was_removed(reactor: Reactor) -> None:
    second = Part()
    first = Part(on_housekeeping=lambda: reactor.remove(second))
    reactor.add(first)
    reactor.add(second)
    run_until(reactor, lambda: first.rounds >= 1)
    assert second.rounds == 0


def test_late_ticks_are_counted_and_never_made_up_for(reactor: Reactor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reactor_module, "HOUSEKEEPING_NS", SECOND)
    part = Part(on_housekeeping=lambda: time.sleep(0.1))
    reactor.add(part)
    began = time.monotonic()
    run_until(reactor, lambda: part.rounds >= 1 and reactor.statistics.ticks >= 10)
    statistics = reactor.statistics
    assert statistics.longest_tick_ns >= 100_000_000
    assert statistics.late_ticks >= 1
    # Ten ticks of 2 ms after the long one, not fifty at once.
    assert time.monotonic() - began >= 0.1 + 8 * TICK_NS / SECOND


def test_calls_of_other_threads_run_on_the_reactors_thread_in_their_order(reactor: Reactor) -> None:
    ran: list[tuple[int, int]] = []

    def caller() -> None:
        for number in range(100):
            reactor.call(lambda number=number: ran.append((number, threading.get_ident())))  # type: ignore[misc]
        reactor.call(reactor.stop)

    thread = threading.Thread(target=caller)
    thread.start()
    reactor.run()
    thread.join()
    assert ran == [(number, threading.get_ident()) for number in range(100)]


def test_stopping_waits_for_a_participant_that_says_goodbye(reactor: Reactor) -> None:
    part = Part(on_housekeeping=lambda: reactor.remove(part) if part.rounds == 2 else None)
    reactor.add(part)
    reactor.stop()
    watch = Stopwatch()
    reactor.run()
    assert part.rounds == 2
    assert watch.within(0.9)


def test_a_participant_that_never_goes_has_a_last_round_and_what_it_gives_is_handed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reactor_module, "LINGER_NS", SECOND // 10)
    monkeypatch.setattr(reactor_module, "HOUSEKEEPING_NS", 60 * SECOND)
    told: list[str] = []
    reactor = Reactor(SystemClock(), lambda: told.append("after tick"), TICK_NS)
    reactor.add(Part(on_housekeeping=lambda: told.append("round")))
    reactor.stop()
    reactor.run()
    assert told.count("round") == 2
    assert told[-2:] == ["round", "after tick"]


@pytest.mark.parametrize("where", ["ready", "housekeeping"])
def test_an_exception_of_a_participant_is_its_own(reactor: Reactor, where: str) -> None:
    def fail(*_: object) -> None:
        msg = "a defect"
        raise RuntimeError(msg)

    ours, theirs = socket.socketpair()
    with ours, theirs:
        bad = Part(on_ready=fail) if where == "ready" else Part(on_housekeeping=fail)
        good = Part()
        reactor.add(bad)
        reactor.add(good)
        reactor.watch(ours.fileno(), bad)
        theirs.send(b"x")
        run_until(reactor, lambda: bool(bad.failures) and good.rounds >= 1)
    assert {str(error) for error in bad.failures} == {"a defect"}
    assert good.failures == []


@pytest.mark.parametrize("where", ["failed", "call", "after tick"])
def test_an_exception_ends_the_run_loudly(where: str) -> None:
    def fail(*_: object) -> None:
        msg = "a defect"
        raise RuntimeError(msg)

    reactor = Reactor(SystemClock(), fail if where == "after tick" else lambda: None, TICK_NS)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        if where == "failed":
            theirs.send(b"x")
            reactor.watch(ours.fileno(), Part(on_ready=fail, on_failed=fail))
        elif where == "call":
            reactor.call(fail)
        with pytest.raises(RuntimeError, match="a defect"):
            reactor.run()
