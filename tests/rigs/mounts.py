"""Small disks of their own, mounted in a user and mount namespace that only the recorder under test lives in.

Needs no privilege where unprivileged user namespaces are allowed. What happens in the namespace is seen from outside
through /proc/PID/root.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_HOLD = 'mount -t tmpfs -o "size=$2" tmpfs "$1" && echo ready && exec sleep 1000'


@dataclass(frozen=True)
class Mounted:
    """A tmpfs at `path` inside the namespace."""

    path: Path
    pid: int
    """Of the process that keeps the namespace."""

    @property
    def prefix(self) -> tuple[str, ...]:
        """Put before a command, runs it in the namespace."""
        return ("nsenter", "-t", str(self.pid), "-U", "-m", "--preserve-credentials", "--")

    def seen(self, path: Path) -> Path:
        """Where something inside is found from outside."""
        return Path(f"/proc/{self.pid}/root{path}")

    def remount(self, how: str) -> None:
        """Mount it again as `ro` or `rw`."""
        subprocess.run([*self.prefix, "mount", "-o", f"remount,{how}", str(self.path)], check=True, timeout=20)

    @property
    def free(self) -> int:
        """Bytes that are free."""
        space = os.statvfs(self.seen(self.path))
        return space.f_bavail * space.f_frsize

    def fill(self, leaving: int = 0) -> Path:
        """Write a file until only so much is free; return where it is seen."""
        ballast = self.seen(self.path) / "ballast"
        with ballast.open("wb", buffering=0) as file:
            try:
                while (size := min(1 << 16, self.free - leaving)) > 0:
                    file.write(bytes(size))
            except OSError:
                return ballast
        return ballast


@contextmanager
def mounted(path: Path, size: str) -> Iterator[Mounted]:
    """A tmpfs of a size such as `32m` at a directory."""
    path.mkdir(parents=True, exist_ok=True)
    command = ["unshare", "-rm", "--propagation", "private", "sh", "-c", _HOLD, "sh", str(path), size]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stderr is not None
            said = holder.stdout.readline()
            assert said == b"ready\n", f"no mount namespace: {holder.stderr.read().decode()}"
            yield Mounted(path, holder.pid)
        finally:
            holder.kill()
