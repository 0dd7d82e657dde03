"""What a capture worker and the media process say to each other over `live.sock`.

Media records (docs/formats/media-records.md) of kinds that no viewer ever sees; times are whole nanoseconds. A stream
is known by a number that the worker gives it. The worker says:

    HELLO          version, worker                      first of all
    STREAM         stream, camera, name, state, reason, since_ns, recorded, codecs, width, height
                                                        there it is, or something of this changed
    GONE           stream                               not captured any more
    WATCHING       stream, mode, through_ns             answer to WATCH: what ends at `through_ns` or before went to
                                                        the store alone, what is later follows
    CONFIGURATION  stream, configuration; payload: initialisation segment
    FRAGMENT       stream, configuration, start_ns, duration_ns, samples, keyframe, discontinuity, damaged, recorded;
                   payload: the fragment
    SAMPLE         stream, configuration, time_ns, decode_ns, keyframe, damaged; payload: the frame
    DROPPED        stream, mode, count                  did not fit into the worker's queue; a keyframe follows
    RING           request; payload: states             answer to GET_RING

and the media process says:

    WATCH, UNWATCH stream, mode
    GET_RING       request, stream

The states of the ring open footage. The socket is private to the recorder's user, and they are written nowhere.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from enum import IntEnum
from typing import Final, Literal
from uuid import UUID

from overt.errors import InvalidError
from overt.media.boxes import Buffer
from overt.sealing.ratchet import KEY_SIZE, RingState

SOCKET_NAME: Final = "live.sock"
"""In the footage directory."""
VERSION: Final = 1

Mode = Literal["fragments", "samples"]


class Wire(IntEnum):
    """Kinds of records between worker and media process."""

    HELLO = 128
    STREAM = 129
    GONE = 130
    WATCHING = 131
    CONFIGURATION = 132
    FRAGMENT = 133
    SAMPLE = 134
    DROPPED = 135
    RING = 136
    WATCH = 160
    UNWATCH = 161
    GET_RING = 162


_STATE: Final = struct.Struct(f">16sI{KEY_SIZE}s{KEY_SIZE}sq")
"""Period, first message, state, commitment, start in nanoseconds."""


def pack_states(states: Sequence[RingState]) -> bytes:
    """Return states as the payload of a RING record."""
    return b"".join(
        _STATE.pack(each.period_id.bytes, each.first_index, each.state, each.commitment, each.start_ns)
        for each in states
    )


def unpack_states(payload: Buffer) -> list[RingState]:
    """Return the states of a RING record.

    Raises:
        InvalidError: if they are cut off.
    """
    if len(payload) % _STATE.size:
        msg = f"states of a ring take {_STATE.size} bytes each, and {len(payload)} came"
        raise InvalidError(msg)
    return [
        RingState(UUID(bytes=period), first, state, commitment, start_ns)
        for period, first, state, commitment, start_ns in _STATE.iter_unpack(payload)
    ]
