"""On the path of a recorder under test: its wall clock is wrong by the seconds that the file OVERT_TEST_CLOCK holds.

The monotonic clock goes on, as in a machine whose clock is set.
"""

import os
import time
from pathlib import Path

_file, _time_ns = Path(os.environ.get("OVERT_TEST_CLOCK", "/dev/null")), time.time_ns
_read = {"wrong_ns": 0}


def _wrong_ns() -> int:
    text = _file.read_text()
    if text:
        _read["wrong_ns"] = int(text) * 1_000_000_000
    return _read["wrong_ns"]


time.time_ns = lambda: _time_ns() + _wrong_ns()
time.time = lambda: time.time_ns() / 1e9
