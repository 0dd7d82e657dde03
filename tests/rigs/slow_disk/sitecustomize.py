"""On the path of a recorder under test: writes to segment files hang while the file named by OVERT_TEST_STALL exists.

Stands where the kernel would hold a process whose disk does not answer: in write(2). OVERT_TEST_QUEUE makes the queue
before the disk as small, in bytes, as a test has patience to fill.
"""

import os
import time
from pathlib import Path

_write, _stall = os.write, Path(os.environ.get("OVERT_TEST_STALL", "."))


def _held(fd: int, data: bytes) -> int:
    if _stall.exists() and Path(f"/proc/self/fd/{fd}").readlink().suffix == ".ovs":
        while _stall.exists():
            time.sleep(0.01)
    return _write(fd, data)


if "OVERT_TEST_STALL" in os.environ:
    os.write = _held
if "OVERT_TEST_QUEUE" in os.environ:
    from overt.footage.options import StoreOptions

    defaults = StoreOptions.__init__.__defaults__ or ()
    StoreOptions.__init__.__defaults__ = (int(os.environ["OVERT_TEST_QUEUE"]), *defaults[1:])
