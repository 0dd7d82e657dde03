"""What passes through the pipe between the PyAV process and the recorder (`foreign_process` has the layout)."""

from __future__ import annotations

import struct
from typing import Final

RECORD: Final = struct.Struct(">BBHIq")
VIDEO: Final = ord("V")
END: Final = ord("E")
KEYFRAME: Final = 1
CORRUPT: Final = 2
REFUSED: Final = 1
MAX_RECORD: Final = 32 * 1024 * 1024
VIDEO_CLOCK: Final = 90_000
