"""Recorded footage as media records (docs/formats/media-records.md): what one question is answered with.

Everything here runs in a reading thread, on that thread's `FootageReader`. The generators yield whole records; a
record that can still become an error is not yielded before it is known that it does not.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import replace
from typing import Any, Final

from overt.errors import CorruptError, InvalidError, MissingError
from overt.footage.gaps import Gap
from overt.footage.opening import Damage, OpenedFragment, OpenPeriod, Refusal
from overt.footage.options import SECOND
from overt.footage.reading import FAR_NS, FootageReader
from overt.footage.spans import JOIN_NS
from overt.ids import StreamKey
from overt.media.keyframe_track import KeyframeTrack
from overt.media.records import (
    MICROSECOND,
    configuration_record,
    damage_record,
    end_record,
    fragment_record,
    gap_record,
)

MAX_SPAN_NS: Final = 3600 * SECOND
"""Time whose fragments one answer holds."""
MAX_BYTES: Final = 64 << 20
"""Bytes of one answer."""
MAX_KEYFRAMES: Final = 2_000
RECENT_NS: Final = 10 * SECOND
"""What a live viewer is given of the past reaches no further back."""


def span_facts(reader: FootageReader, key: StreamKey, start_ns: int, end_ns: int, now_ns: int) -> dict[str, Any]:
    """Return what is recorded in a span and what is not, as the JSON of the media plane has it.

    `first_us`: before this moment nothing was ever recorded, and nothing is known.
    """
    spans: list[dict[str, int]] = []
    gaps: list[dict[str, Any]] = []
    until_ns = min(end_ns, now_ns)
    lasting = {each.gap_id for each in reader.index.gaps(key, start_ns, until_ns) if each.end_ns is None}
    for each in reader.spans(key, start_ns, end_ns, now_ns=now_ns):
        start_us, last_ns = each.start_ns // MICROSECOND, each.end_ns or until_ns
        if isinstance(each, Gap):
            lasts = each.gap_id in lasting and last_ns >= until_ns
            end_us = None if lasts else last_ns // MICROSECOND
            gaps.append({"start_us": start_us, "end_us": end_us, "cause": each.cause.value, "detail": each.detail})
        else:
            spans.append({"start_us": start_us, "end_us": last_ns // MICROSECOND})
    first_ns = reader.index.begins(key)
    # Of what lies outside the span nothing is told: it need not be open to whoever asks.
    first_us = None if first_ns is None or first_ns >= until_ns else max(first_ns, start_ns) // MICROSECOND
    return {"spans": spans, "gaps": gaps, "first_us": first_us, "now_us": now_ns // MICROSECOND}


class _Refusals:
    """What the keys did not open, gathered until it is known whether anything opens at all."""

    def __init__(self) -> None:
        """Begin with none."""
        self._held: list[Refusal] = []
        self._opened = False

    def add(self, refusal: Refusal) -> None:
        """Take one; those that touch become one."""
        last = self._held[-1] if self._held else None
        if last is not None and last.early == refusal.early and refusal.start_ns - last.end_ns <= SECOND:
            self._held[-1] = replace(last, end_ns=max(last.end_ns, refusal.end_ns))
        else:
            self._held.append(refusal)

    def before_footage(self) -> list[Refusal]:
        """Return those to be told now that something follows: all but what lies before the beginning of a ring."""
        held, self._held = self._held, []
        first = not self._opened
        self._opened = True
        return [each for number, each in enumerate(held) if not (first and number == 0 and each.early)]

    def at_end(self) -> list[Refusal]:
        """Return those to be told at the end.

        Raises:
            ForbiddenError: nothing was opened, and these are why.
        """
        if self._held and not self._opened:
            raise replace(self._held[0], end_ns=self._held[-1].end_ns).error()
        return self._held


class _Configurations:
    """Numbers the configurations of one answer."""

    def __init__(self) -> None:
        """Begin with none."""
        self.number = 0
        self._current: bytes | None = None

    def announce(self, initialisation: bytes) -> bytes:
        """Return the record that goes before a fragment: empty where the configuration is the one announced last.

        Raises:
            InvalidError: it cannot be understood.
        """
        if initialisation == self._current:
            return b""
        announced = configuration_record(self.number + 1, initialisation)
        self.number += 1
        self._current = initialisation
        return announced


def fragment_records(
    reader: FootageReader, key: StreamKey, start_ns: int, end_ns: int, open_period: OpenPeriod, *, lead: bool
) -> Generator[bytes, None, None]:
    """Yield what overlaps a span, with its gaps, up to `MAX_SPAN_NS` or `MAX_BYTES`; `lead`: from the keyframe before.

    Raises:
        ForbiddenError: the keys open nothing of it.
    """
    limit_ns = min(end_ns, start_ns + MAX_SPAN_NS)
    reached = reader.keyframe_before(key, start_ns) if lead else start_ns
    refusals, configurations, sent, frame_ns = _Refusals(), _Configurations(), 0, 0
    for item in reader.fragments(key, reached, limit_ns, open_period, refusals.add):
        for refusal in refusals.before_footage():
            yield from _gaps(reader, key, reached, refusal.start_ns, frame_ns)
            yield damage_record(refusal.start_ns, refusal.end_ns, refusal.detail)
            reached = max(reached, refusal.end_ns)
        records = _fragment(item, configurations)
        if sent and sent + len(records) > MAX_BYTES:
            yield end_record(reached)
            return
        first_ns, last_ns = _extent(item)
        yield from _gaps(reader, key, reached, first_ns, frame_ns)
        yield records
        sent += len(records)
        reached = max(reached, last_ns)
        frame_ns = item.info.duration_ns // max(1, item.info.samples) if isinstance(item, OpenedFragment) else 0
    for refusal in refusals.at_end():
        yield damage_record(refusal.start_ns, refusal.end_ns, refusal.detail)
        reached = max(reached, refusal.end_ns)
    yield from _gaps(reader, key, reached, limit_ns, frame_ns)
    yield end_record(max(limit_ns, reached) if max(limit_ns, reached) < end_ns else None)


def _extent(item: OpenedFragment | Damage) -> tuple[int, int]:
    """Return start and end."""
    return (item.info.start_ns, item.info.end_ns) if isinstance(item, OpenedFragment) else (item.start_ns, item.end_ns)


def _fragment(item: OpenedFragment | Damage, configurations: _Configurations) -> bytes:
    """Return a fragment's record, behind its configuration's where that is new; or the record of its damage."""
    if isinstance(item, Damage):
        return _damage(item)
    info = item.info
    try:
        announced = configurations.announce(item.initialisation)
        fragment = fragment_record(
            configurations.number,
            start_ns=info.start_ns,
            duration_ns=info.duration_ns,
            samples=info.samples,
            keyframe=info.keyframe,
            discontinuity=info.discontinuity,
            damaged=info.damaged,
            payload=item.payload,
        )
    except InvalidError as error:
        return damage_record(info.start_ns, info.end_ns, str(error))
    return announced + fragment if announced else fragment


def _damage(item: Damage) -> bytes:
    """Return the record of damage; where on the recorder's disks the file lies is not the viewer's business."""
    return damage_record(item.start_ns, item.end_ns, item.detail.replace(f"{item.path.parent}/", ""))


def _gaps(reader: FootageReader, key: StreamKey, start_ns: int, end_ns: int, frame_ns: int) -> Iterator[bytes]:
    """Yield what is known of a hole, if it is one and not the usual space between two fragments."""
    if end_ns - start_ns <= max(JOIN_NS, frame_ns * 3 // 2):
        return
    # Asked with a little of what lies around it: a hole between two stretches of footage needs no row to be one.
    for each in reader.spans(key, start_ns - JOIN_NS, end_ns + JOIN_NS):
        if isinstance(each, Gap) and each.start_ns < end_ns and (each.end_ns or end_ns) > start_ns:
            begin, stop = max(start_ns, each.start_ns), min(end_ns, each.end_ns or end_ns)
            yield gap_record(begin, stop, each.cause.value, each.detail)


def keyframe_records(
    reader: FootageReader, key: StreamKey, start_ns: int, end_ns: int, open_period: OpenPeriod, *, every_ns: int
) -> Generator[bytes, None, None]:
    """Yield the keyframe track of the keyframes that begin in a span, up to `MAX_KEYFRAMES` or `MAX_BYTES`.

    Raises:
        ForbiddenError: the keys open nothing of it.
    """
    refusals, track, sent = _Refusals(), _Track(), 0
    items = reader.keyframes(key, start_ns, end_ns, open_period, every_ns=every_ns, on_refusal=refusals.add)
    for count, item in enumerate(items):
        for refusal in refusals.before_footage():
            yield damage_record(refusal.start_ns, refusal.end_ns, refusal.detail)
        records = track.records(item)
        if count == MAX_KEYFRAMES or (sent and sent + len(records) > MAX_BYTES):
            # Rounded down: a keyframe belongs to the span in which it begins.
            yield end_record(_extent(item)[0] // MICROSECOND * MICROSECOND)
            return
        yield records
        sent += len(records)
    for refusal in refusals.at_end():
        yield damage_record(refusal.start_ns, refusal.end_ns, refusal.detail)
    yield end_record()


class _Track:
    """The keyframe track of one answer, over all its configurations."""

    def __init__(self) -> None:
        """Begin with no configuration."""
        self._configurations = _Configurations()
        self._initialisation: bytes | None = None
        self._track: KeyframeTrack | None = None

    def records(self, item: OpenedFragment | Damage) -> bytes:
        """Return the record of one keyframe, behind its configuration's where that is new; or of its damage."""
        if isinstance(item, Damage):
            return _damage(item)
        info = item.info
        try:
            if self._track is None or item.initialisation != self._initialisation:
                self._track, self._initialisation = KeyframeTrack(item.initialisation), item.initialisation
            keyframe = self._track.fragment(item.payload, info.start_ns, info.end_ns)
            announced = self._configurations.announce(self._track.initialisation)
        except InvalidError as error:
            return damage_record(info.start_ns, info.end_ns, str(error))
        fragment = fragment_record(
            self._configurations.number,
            start_ns=keyframe.start_ns,
            duration_ns=keyframe.duration_ns,
            samples=1,
            keyframe=True,
            discontinuity=info.discontinuity,
            damaged=info.damaged,
            payload=keyframe.payload,
        )
        return announced + fragment


def still_records(reader: FootageReader, key: StreamKey, at_ns: int, open_period: OpenPeriod) -> bytes:
    """Return configuration and keyframe of the frame at or before a moment; the frame is shown until that moment.

    Raises:
        MissingError: nothing is recorded at that moment, or no keyframe lies before it in the same run of footage.
        ForbiddenError: the keys do not open it.
        CorruptError: it cannot be given back.
    """
    start_ns = reader.lead_keyframe(key, at_ns)
    if start_ns is None:
        msg = f"{key}: no keyframe lies at or before that moment in its run of footage"
        raise MissingError(msg)
    for item in reader.fragments(key, start_ns, start_ns + 1, open_period):
        if isinstance(item, Damage):
            raise CorruptError(item.detail.replace(f"{item.path.parent}/", ""))
        if item.info.start_ns == start_ns and item.info.keyframe:
            until_ns = max(item.info.end_ns, at_ns + MICROSECOND)
            return _Track().records(replace(item, info=replace(item.info, duration_ns=until_ns - start_ns)))
    msg = f"{key}: the footage of that moment was deleted while it was read"
    raise MissingError(msg)


def recent_fragments(
    reader: FootageReader, key: StreamKey, open_period: OpenPeriod, after_ns: int | None
) -> list[OpenedFragment]:
    """Return the newest fragments on disk: those that begin at or after a moment, or from the last keyframe on.

    Nothing is older than `RECENT_NS` before the newest end: a moment further back is as None, and where no keyframe
    lies within that time there is nothing. Behind what cannot be given back, or opened, the next is a keyframe.

    Raises:
        ForbiddenError: the keys open nothing of it.
    """
    newest = reader.newest(key, RECENT_NS)
    if newest is None:
        return []
    end_ns, keyframe_ns = newest
    begin_ns = keyframe_ns if after_ns is None or after_ns < end_ns - RECENT_NS else after_ns
    if begin_ns is None:
        return []
    refusals: list[Refusal] = []
    found: list[OpenedFragment] = []
    broken, told = False, 0
    for item in reader.fragments(key, begin_ns, FAR_NS, open_period, refusals.append):
        if isinstance(item, Damage) or len(refusals) > told:
            broken, told = True, len(refusals)
        if isinstance(item, OpenedFragment) and item.info.start_ns >= begin_ns and (not broken or item.info.keyframe):
            found.append(item)
            broken = False
    if refusals and not found:
        raise refusals[0].error()
    return found
