"""Makes docs/formats/vectors/media-records.json: run as a program to write it anew.

`python tests/media_records/make_record_vectors.py`
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

from overt.errors import UnavailableError
from overt.media.boxes import box
from overt.media.initialisation import initialisation_segment
from overt.media.records import (
    MAX_HEADER,
    MAX_RECORD,
    RecordParser,
    configuration_record,
    damage_record,
    dropped_record,
    end_record,
    error_record,
    fragment_record,
    gap_record,
    record,
    sample_record,
    state_record,
)
from overt.media.sample_entries import g711
from overt.media.samples import CodecConfiguration

VECTORS = Path(__file__).resolve().parents[2] / "docs" / "formats" / "vectors" / "media-records.json"
START = 1_774_742_399_123_456_789
"""28 March 2026, 23:59:59 UTC and some nanoseconds."""
SECOND = 1_000_000_000

VIDEO = CodecConfiguration("video", "h264", "avc1.4d002a", 90000, box(b"avc1", bytes(78)), 1920, 1080)
AUDIO = CodecConfiguration("audio", "pcma", "alaw", 8000, g711(b"alaw", 8000, 1), channels=1)
UNKNOWN_KIND = 200


def _half_second(payload: bytes, **more: Any) -> bytes:
    return fragment_record(
        1,
        start_ns=START,
        duration_ns=SECOND // 2,
        samples=12,
        keyframe=True,
        discontinuity=False,
        damaged=False,
        payload=payload,
        **more,
    )


def built() -> dict[str, bytes]:
    """Return a record of each form, by name."""
    return {
        "configuration": configuration_record(1, initialisation_segment([VIDEO, AUDIO])),
        "fragment": _half_second(b"moof mdat"),
        "live fragment, not recorded": _half_second(b"moof mdat", recorded=False),
        "sample": sample_record(
            1,
            time_ns=START + 80_000_000,
            decode_ns=START,
            keyframe=False,
            damaged=True,
            payload=bytes.fromhex("0000000241e0"),
        ),
        "state": state_record("recording", "", START),
        "damage": damage_record(START, START + SECOND // 2, "its AES-GCM tag does not fit"),
        "gap": gap_record(START, START + SECOND, "network", "caméra n° 4"),
        "gap that lasts": gap_record(START, None, "camera", ""),
        "end": end_record(),
        "end with more to come": end_record(START),
        "dropped": dropped_record(fragments=3),
        "error": error_record(UnavailableError("the disk hangs")),
        "of a kind that is not known yet": record(UNKNOWN_KIND, {"new": 1}, b"passed over"),
        "without a header field": record(UNKNOWN_KIND, {}),
    }


def refused() -> dict[str, bytes]:
    """Return what no reader takes, by name."""
    return {
        "size beyond the limit": struct.pack(">II", MAX_RECORD + 1, 2 << 24),
        "header beyond the limit": struct.pack(">II", MAX_RECORD, 2 << 24 | MAX_HEADER + 1),
        "header larger than the record": struct.pack(">II", 4, 2 << 24 | 1),
        "size that does not cover kind and header size": struct.pack(">II", 3, 2 << 24),
        "header that is no JSON": struct.pack(">II", 6, 7 << 24 | 2) + b"{,",
        "header that is no object": struct.pack(">II", 6, 7 << 24 | 2) + b"[]",
        "header that is not UTF-8": struct.pack(">II", 12, 7 << 24 | 8) + b'{"a":"\xff"',
    }


def vectors() -> dict[str, Any]:
    """Return the document."""
    records = []
    for name, data in built().items():
        (found,) = RecordParser().feed(data)
        records.append(
            {
                "name": name,
                "kind": found.kind,
                "header": found.header,
                "payload": found.payload.hex(),
                "record": data.hex(),
            }
        )
    return {"records": records, "refused": [{"name": name, "bytes": data.hex()} for name, data in refused().items()]}


def text() -> str:
    """Return the file's content."""
    return json.dumps(vectors(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    VECTORS.write_text(text(), encoding="utf-8")
