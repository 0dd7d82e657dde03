"""Which worker captures which camera: a pure function of what is wanted and what was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from overt.contract.assignment import CameraAssignment


def share_out(cameras: Sequence[CameraAssignment], before: Mapping[str, int], workers: Sequence[int]) -> dict[str, int]:
    """Return the worker number of each camera by name.

    A camera keeps the worker it had, so that a change of the assignment interrupts nobody else; a new one goes to the
    worker with the fewest streams. All streams of a camera share a worker.
    """
    streams = {camera.name: len(camera.streams) for camera in cameras}
    load = dict.fromkeys(workers, 0)
    shares: dict[str, int] = {}
    for name, count in streams.items():
        number = before.get(name)
        if number in load:
            shares[name] = number
            load[number] += count
    for name, count in streams.items():
        if name not in shares:
            shares[name] = min(workers, key=lambda number: (load[number], number))
            load[shares[name]] += count
    return shares
