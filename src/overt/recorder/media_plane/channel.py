"""One stream in one form, as all who watch it get it: first the group of pictures that runs, then what comes.

    worker ──▶ Channel ──▶ group (since the last keyframe), for the next viewer
                      └──▶ every viewer's queue

Belongs to the event loop. A channel exists from its first viewer until some seconds after its last.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol

from overt.errors import OvertError
from overt.footage.opening import OpenedFragment, OpenPeriod
from overt.ids import StreamKey
from overt.media.records import configuration_record, fragment_record, sample_record
from overt.recorder.live_wire import Mode
from overt.recorder.media_plane.viewer import Configuration, Item, Viewer

LEAD_S: Final = 1.5
"""How long the footage since the last keyframe may take to be read; then viewers wait for the next keyframe."""
LEAD_AGAIN_S: Final = 0.015
"""A fragment reaches the disk some tens of milliseconds after it was handed over."""
GROUP_BYTES: Final = 16 << 20
"""A group of pictures larger than this is not kept: the next viewer waits for a keyframe."""
CONFIGURATIONS: Final = 8
"""Configurations of a stream that are remembered by their bytes."""
_LOG: Final = logging.getLogger(__name__)


class RecentFootage(Protocol):
    """Replay, as far as a channel needs it."""

    async def recent(
        self, key: StreamKey, open_period: OpenPeriod, after_ns: int | None = None
    ) -> list[OpenedFragment]:
        """Return the newest fragments: from the last keyframe on, or those that begin at `after_ns` or later."""
        ...


class Configurations:
    """The configurations of one stream, numbered: the same bytes have the same number for as long as they are known."""

    def __init__(self) -> None:
        """Begin with none."""
        self._by_bytes: dict[bytes, Configuration] = {}
        self._last = 0

    def of(self, initialisation: bytes) -> Configuration:
        """Return the configuration of these bytes.

        Raises:
            InvalidError: if they are not an initialisation segment.
        """
        found = self._by_bytes.get(initialisation)
        if found is None:
            self._last += 1
            found = Configuration(self._last, configuration_record(self._last, initialisation))
            self._by_bytes[initialisation] = found
            if len(self._by_bytes) > CONFIGURATIONS:
                del self._by_bytes[next(iter(self._by_bytes))]
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Fresh:
    """What came from the worker, and where it lies in decoding time."""

    item: Item
    start_ns: int
    end_ns: int


def fresh_fragment(header: dict[str, object], payload: memoryview, configuration: Configuration) -> Fresh:
    """Return a worker's fragment as viewers get it.

    Raises:
        KeyError, TypeError, ValueError: if the worker says something else than `overt.recorder.live_wire` has.
    """
    start_ns, duration_ns = _whole(header["start_ns"]), _whole(header["duration_ns"])
    keyframe = bool(header["keyframe"])
    made = fragment_record(
        configuration.number,
        start_ns=start_ns,
        duration_ns=duration_ns,
        samples=_whole(header["samples"]),
        keyframe=keyframe,
        discontinuity=bool(header["discontinuity"]),
        damaged=bool(header["damaged"]),
        payload=payload,
        recorded=bool(header["recorded"]),
    )
    return Fresh(Item(made, configuration, keyframe, fragments=1), start_ns, start_ns + duration_ns)


def fresh_sample(header: dict[str, object], payload: memoryview, configuration: Configuration) -> Fresh:
    """Return a worker's frame as viewers get it; raises as `fresh_fragment` does."""
    decode_ns, keyframe = _whole(header["decode_ns"]), bool(header["keyframe"])
    made = sample_record(
        configuration.number,
        time_ns=_whole(header["time_ns"]),
        decode_ns=decode_ns,
        keyframe=keyframe,
        damaged=bool(header["damaged"]),
        payload=payload,
    )
    return Fresh(Item(made, configuration, keyframe, samples=1), decode_ns, decode_ns)


def _whole(value: object) -> int:
    if not isinstance(value, int):
        msg = f"{value!r} is not a whole number"
        raise TypeError(msg)
    return value


class Channel:
    """A stream in one form, with its viewers."""

    def __init__(
        self,
        key: StreamKey,
        mode: Mode,
        configurations: Configurations,
        replay: RecentFootage,
        ring: Callable[[], Awaitable[OpenPeriod]],
    ) -> None:
        """Begin without viewers.

        Args:
            key: the stream.
            mode: the form.
            configurations: of the stream, in all its forms.
            replay: reads what is on disk.
            ring: asks the worker for what opens the last minutes.
        """
        self.key: Final = key
        self.mode: Final = mode
        self.viewers: set[Viewer] = set()
        self.linger: asyncio.TimerHandle | None = None
        """Ends the channel some time after its last viewer has left."""
        self._configurations, self._replay, self._ring = configurations, replay, ring
        self._group: list[Item] | None = None
        self._group_bytes = 0
        self._end_ns = 0
        """End of what was shown last."""
        self._through: asyncio.Future[int] | None = None
        self._pending: list[Fresh] = []
        """What comes while the lead is being read."""
        self._pending_bytes = 0
        self._overtaken = asyncio.Event()
        """The lead is not needed any more: a keyframe has come meanwhile, or more than may wait."""
        self._lead: asyncio.Task[None] | None = None

    @property
    def shown_through(self) -> tuple[list[Item], int] | None:
        """The group of pictures that runs, and where it ends; None if there is none, or it is being read."""
        return None if self._group is None or self._lead is not None else (self._group, self._end_ns)

    def begin(self, beside: Channel | None, *, lead: bool) -> None:
        """The worker is being asked for the stream; show what came since the last keyframe, or begin with the next.

        Args:
            beside: another form of the stream, whose fragments may serve.
            lead: whether there is anything to be looked for.
        """
        self.stop()
        self.skip()
        if lead:
            self._through = asyncio.get_running_loop().create_future()
            self._overtaken.clear()
            self._lead = asyncio.create_task(self._read_lead(self._through, beside), name=f"lead of {self.key}")

    def stop(self) -> None:
        """Read no lead any more."""
        if self._lead is not None:
            self._lead.cancel()
        self._lead = self._through = None
        self._pending, self._pending_bytes = [], 0

    def join(self, viewer: Viewer) -> None:
        """Add a viewer; it begins with the group that runs."""
        if self.linger is not None:
            self.linger.cancel()
            self.linger = None
        self.viewers.add(viewer)
        viewer.begin(self._group or ())

    def watching(self, through_ns: int) -> None:
        """The worker passes on what begins at `through_ns` or later; the rest must be looked for on disk."""
        if self._through is not None and not self._through.done():
            self._through.set_result(through_ns)

    def take(self, fresh: Fresh) -> None:
        """Take what the worker sends."""
        if self._lead is None:
            self._show(fresh.item, fresh.end_ns)
            return
        self._pending.append(fresh)
        self._pending_bytes += len(fresh.item.record)
        if fresh.item.keyframe or self._pending_bytes > GROUP_BYTES:
            self._overtaken.set()

    def skip(self, count: int = 0) -> None:
        """Something is missing: go on with the next keyframe."""
        self._group, self._group_bytes = None, 0
        for viewer in self.viewers:
            viewer.skip(**{self.mode: count})

    def _show(self, item: Item, end_ns: int, *, lead: bool = False) -> None:
        """Give it to all viewers, and keep it for those who come before the next keyframe."""
        self._end_ns = end_ns
        if item.keyframe:
            self._group, self._group_bytes = [], 0
        if self._group is not None:
            self._group.append(item)
            self._group_bytes += len(item.record)
            if self._group_bytes > GROUP_BYTES:
                self._group = None
        for viewer in self.viewers:
            viewer.offer(item, lead=lead)

    # The lead

    async def _read_lead(self, through: asyncio.Future[int], beside: Channel | None) -> None:
        """Show what lies between the last keyframe and the first thing that the worker sends, then what came since."""
        whole = False
        try:
            async with asyncio.timeout(LEAD_S):
                overtaken = asyncio.create_task(self._overtaken.wait())
                reading = asyncio.create_task(self._lead_from(through, beside))
                try:
                    await asyncio.wait([overtaken, reading], return_when=asyncio.FIRST_COMPLETED)
                    whole = reading.done() and reading.result()
                finally:
                    overtaken.cancel()
                    reading.cancel()
        except TimeoutError:
            _LOG.info("%s: the footage since the last keyframe was not read within %g s", self.key, LEAD_S)
        except OvertError as error:
            _LOG.info("%s: viewers begin with the next keyframe: %s", self.key, error)
        except Exception:  # noqa: BLE001 - a defect: logged, and viewers begin with the next keyframe
            _LOG.exception("%s: the footage since the last keyframe cannot be shown", self.key)
        self._lead = None
        if not whole:
            self.skip()
        pending, self._pending, self._pending_bytes = self._pending, [], 0
        reached = self._end_ns if whole else 0
        for fresh in pending:
            if fresh.start_ns >= reached:
                self._show(fresh.item, fresh.end_ns)

    async def _lead_from(self, through: asyncio.Future[int], beside: Channel | None) -> bool:
        """Show the lead; True if nothing is missing between it and what the worker sends."""
        if beside is not None:
            through_ns = await through
            shown = beside.shown_through
            if shown is not None and shown[1] >= through_ns:
                for item in list(shown[0]):
                    self._show(item, shown[1], lead=True)
                return True
        open_period = await self._ring()
        after_ns: int | None = None
        while True:
            for each in await self._replay.recent(self.key, open_period, after_ns):
                after_ns = each.info.end_ns
                self._show(self._item(each), after_ns, lead=True)
            through_ns = await through
            if after_ns is not None and after_ns >= through_ns:
                return True
            if not through_ns:
                return False
            await asyncio.sleep(LEAD_AGAIN_S)

    def _item(self, each: OpenedFragment) -> Item:
        info = each.info
        configuration = self._configurations.of(each.initialisation)
        made = fragment_record(
            configuration.number,
            start_ns=info.start_ns,
            duration_ns=info.duration_ns,
            samples=info.samples,
            keyframe=info.keyframe,
            discontinuity=info.discontinuity,
            damaged=info.damaged,
            payload=each.payload,
            recorded=True,
        )
        return Item(made, configuration, info.keyframe, fragments=1)
