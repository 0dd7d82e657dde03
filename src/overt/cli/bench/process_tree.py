"""What a process and its descendants cost, read from Linux's /proc: processor time and proportional memory."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Cost:
    """Of a whole process tree: `cpu_s` user and system seconds since each began, `pss_bytes` its fair share of memory.

    Processes that have ended and were waited for by a member of the tree are in `cpu_s`. The fair share grows when a
    stranger ends that used the same libraries; `private_bytes`, which nobody shares, does not: it tells a leak.
    """

    cpu_s: float
    pss_bytes: int
    processes: int
    private_bytes: int


def descendants(pid: int) -> list[int]:
    """Return `pid` and every process below it that is alive."""
    children: dict[int, list[int]] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            fields = _stat(int(entry.name))
            if fields is not None:
                children.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [pid]
    for each in found:
        found.extend(children.get(each, ()))
    return found


def cost(pids: list[int]) -> Cost:
    """Add up what the trees below `pids` have cost so far."""
    cpu = 0
    pss = 0
    private = 0
    alive = 0
    for pid in {member for root in pids for member in descendants(root)}:
        fields = _stat(pid)
        if fields is None:
            continue
        alive += 1
        cpu += sum(int(field) for field in fields[11:15])
        memory = _memory(pid)
        pss += memory.get("Pss", 0)
        private += memory.get("Private_Clean", 0) + memory.get("Private_Dirty", 0)
    return Cost(cpu / _TICKS, pss, alive, private)


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat after the command name (proc(5)): state is field 0, ppid field 1."""
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(")")[2].split()


def _memory(pid: int) -> dict[str, int]:
    """The fields of /proc/PID/smaps_rollup (proc(5)), in bytes; none if the process is gone or not ours."""
    try:
        lines = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()[1:]
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return {}
    fields = (line.split() for line in lines)
    return {name.removesuffix(":"): int(kilobytes) * 1024 for name, kilobytes, _ in fields}
