"""Writing an exported clip: the stored fragments unchanged, in as many parts as the camera changed its codec, and a
manifest that lists each of them with its hash.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO, Final, TextIO

from overt.cli.opened import Why, Written
from overt.cli.spans import part_to_dict
from overt.clock import SECOND
from overt.contract.instant import to_iso
from overt.errors import ConflictError, CorruptError, InvalidError, MissingError, UnavailableError
from overt.footage.opening import Damage, OpenedFragment, OpenPeriod
from overt.footage.reading import FootageReader
from overt.ids import StreamKey
from overt.media.clip import ClipWriter, part_name
from overt.media.initialisation import read_initialisation

FORMAT: Final = "overt export manifest"
VERSION: Final = 1
MAX_PARTS: Final = 1000
"""Parts of one export; a camera that changes its codec more often is exported in shorter spans."""
MAX_DAMAGE: Final = 10_000
"""Damaged places that a manifest lists; more are counted."""
CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be exported."""

    key: StreamKey
    start_ns: int
    end_ns: int
    out: Path
    now_ns: int
    written: Written | None = None
    """The leaf about it."""
    why: Why | None = None


@dataclass(slots=True)
class Exported:
    """What was exported."""

    manifest: Path
    files: list[dict[str, Any]] = field(default_factory=list)
    """One entry a part: name, SHA-256, bytes, ..."""
    fragments: int = 0
    frames: int = 0
    bytes: int = 0
    start_ns: int = 0
    end_ns: int = 0
    gaps: list[dict[str, Any]] = field(default_factory=list)
    damage: list[dict[str, Any]] = field(default_factory=list)
    damage_count: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "manifest": str(self.manifest),
            "files": self.files,
            "fragments": self.fragments,
            "frames": self.frames,
            "bytes": self.bytes,
            "from": to_iso(self.start_ns),
            "to": to_iso(self.end_ns),
            "gaps": self.gaps,
            "damage": self.damage,
            "damage_count": self.damage_count,
        }


def export_clip(
    reader: FootageReader, request: Request, open_period: OpenPeriod, progress: Callable[[float], None]
) -> Exported:
    """Write the clip and its manifest; `progress` is told the share that is done.

    The clip begins at the keyframe before the span, since nothing can be shown without it. Files appear under their
    names only when all is written; with mode 0600, since they hold what was sealed.

    Raises:
        ConflictError: if a file of that name exists.
        MissingError: if nothing is recorded in the span.
        CorruptError: if what is recorded there cannot be opened at all.
        ForbiddenError: if the keys do not open it.
        UnavailableError: if the disk refuses.
    """
    manifest = request.out.with_suffix(".manifest.json")
    for path in (request.out, manifest):
        if path.exists():
            msg = f"{path} exists already and is not overwritten: choose another name, or move it away"
            raise ConflictError(msg)
    drafts: dict[Path, Path] = {}
    try:
        exported = _Export(reader, request, open_period, progress, drafts=drafts, manifest=manifest).run()
        for draft, path in drafts.items():
            if path.exists():
                msg = f"{path} exists already and is not overwritten: choose another name, or move it away"
                raise ConflictError(msg)
            draft.rename(path)
    except OSError as error:
        msg = f"{error.filename or request.out}: cannot be written: {error.strerror or error}"
        raise UnavailableError(msg) from error
    finally:
        for draft in drafts:
            draft.unlink(missing_ok=True)
    return exported


class _Export:
    """One export under way."""

    def __init__(
        self,
        reader: FootageReader,
        request: Request,
        open_period: OpenPeriod,
        progress: Callable[[float], None],
        *,
        drafts: dict[Path, Path],
        manifest: Path,
    ) -> None:
        self._reader, self._request, self._open_period, self._progress = reader, request, open_period, progress
        self._drafts = drafts
        self._result = Exported(manifest)
        self._begin_ns = reader.keyframe_before(request.key, request.start_ns)
        self._part: BinaryIO | None = None
        self._clip: ClipWriter | None = None
        self._initialisation = b""

    def run(self) -> Exported:
        """Write everything under draft names."""
        with self._open_text(self._result.manifest) as listing:
            listing.write('{"fragments": [')
            try:
                self._write_fragments(listing)
                self._finish_part()
            finally:
                if self._part is not None:
                    self._part.close()
            if not self._result.fragments:
                raise self._nothing()
            listing.write("\n],\n")
            listing.write(json.dumps(self._about(), ensure_ascii=False, indent=1)[1:].lstrip())
            listing.write("\n")
            listing.flush()
            os.fsync(listing.fileno())
        return self._result

    def _write_fragments(self, listing: TextIO) -> None:
        """Copy the fragments and list them."""
        request, result = self._request, self._result
        length = max(1, request.end_ns - self._begin_ns)
        for item in self._reader.fragments(request.key, self._begin_ns, request.end_ns, self._open_period):
            if isinstance(item, Damage):
                self._note_damage(item)
                continue
            offset = self._append(item)
            info = item.info
            entry = {
                "file": self._name(len(result.files) + 1),
                "offset": offset,
                "bytes": len(item.payload),
                "sha256": hashlib.sha256(item.payload).hexdigest(),
                "from": to_iso(info.start_ns),
                "duration_ns": info.duration_ns,
                "frames": info.samples,
                "keyframe": info.keyframe,
                "discontinuity": info.discontinuity,
                "damaged": info.damaged,
                "segment": str(info.segment_id),
            }
            listing.write(("," if result.fragments else "") + "\n" + json.dumps(entry))
            result.start_ns = result.start_ns or info.start_ns
            result.end_ns = max(result.end_ns, info.end_ns)
            result.fragments += 1
            result.frames += info.samples
            result.bytes += len(item.payload)
            self._progress(min(1.0, (info.end_ns - self._begin_ns) / length))

    def _append(self, item: OpenedFragment) -> int:
        """Append a fragment to the part it fits, or to a new one; return its offset there."""
        if self._clip is None or item.initialisation != self._initialisation:
            self._begin_part(item)
        if self._clip is None or self._part is None:
            msg = "no part is open"
            raise CorruptError(msg)
        try:
            self._clip.add(item.payload)
        except ConflictError:
            # It begins before the end of the one before it: its place is a file of its own.
            self._begin_part(item)
            self._clip.add(item.payload)
        return self._part.tell() - len(item.payload)

    def _begin_part(self, item: OpenedFragment) -> None:
        """Finish the part before, and begin another."""
        self._finish_part()
        number = len(self._result.files) + 1
        if number > MAX_PARTS:
            msg = f"the span needs more than {MAX_PARTS} files: export it in shorter spans"
            raise InvalidError(msg)
        path = self._request.out.with_name(self._name(number))
        draft = path.with_name(f".{path.name}.part")
        self._drafts[draft] = path
        self._part = os.fdopen(_new_file(draft), "w+b")
        self._initialisation = item.initialisation
        self._clip = ClipWriter(self._part, read_initialisation(item.initialisation))

    def _finish_part(self) -> None:
        """Complete the part under way and describe it."""
        if self._clip is None or self._part is None:
            return
        summary = self._clip.finish()
        self._part.flush()
        os.fsync(self._part.fileno())
        tracks = read_initialisation(self._initialisation)
        self._part.seek(0)
        digest = hashlib.sha256()
        while chunk := self._part.read(CHUNK):
            digest.update(chunk)
        self._part.close()
        self._clip = self._part = None
        self._result.files.append(
            {
                "name": self._name(len(self._result.files) + 1),
                "sha256": digest.hexdigest(),
                "bytes": summary.size,
                "fragments": summary.fragments,
                "frames": summary.samples[0],
                "from": to_iso(summary.start_ns),
                "duration_ns": summary.duration_ns,
                "initialisation_sha256": hashlib.sha256(self._initialisation).hexdigest(),
                "tracks": [
                    {"codec": track.rfc6381, "kind": track.kind, "width": track.width, "height": track.height}
                    for track in tracks
                ],
            }
        )

    def _name(self, part: int) -> str:
        """Return the file name of a part."""
        return part_name(self._request.out.name, part)

    def _note_damage(self, damage: Damage) -> None:
        """List a place that cannot be opened."""
        self._result.damage_count += 1
        if len(self._result.damage) < MAX_DAMAGE:
            self._result.damage.append(
                {
                    "from": to_iso(damage.start_ns),
                    "to": to_iso(damage.end_ns),
                    "file": damage.path.name,
                    "detail": damage.detail,
                }
            )

    def _about(self) -> dict[str, Any]:
        """Return what the manifest says besides the fragments."""
        request, result = self._request, self._result
        parts = self._reader.spans(request.key, result.start_ns, result.end_ns, now_ns=request.now_ns)
        spans = [part_to_dict(part) for part in parts]
        result.gaps = [part for part in spans if part["what"] == "gap"]
        segments = self._reader.segments(request.key, self._begin_ns, request.end_ns)
        return {
            "format": FORMAT,
            "version": VERSION,
            "tool": {"name": "overt", "version": version("overt")},
            "created": to_iso(request.now_ns),
            "written_down": None if request.written is None else request.written.to_json(),
            "purpose": request.why.purpose if request.why else "",
            "reference": request.why.reference if request.why else "",
            "camera": request.key.camera,
            "stream": request.key.stream,
            "requested": {"from": to_iso(request.start_ns), "to": to_iso(request.end_ns)},
            "exported": {"from": to_iso(result.start_ns), "to": to_iso(result.end_ns)},
            "files": result.files,
            "spans": spans,
            "damage": result.damage,
            "damage_count": result.damage_count,
            "segments": [
                {
                    "segment": str(row.segment_id),
                    "file": row.name,
                    "merkle_root": row.merkle_root.hex(),
                    "from": to_iso(row.start_ns),
                    "to": to_iso(row.end_ns),
                    "recorder_clock_offset_s": row.clock_offset_ns / SECOND,
                    "camera_clock_offset_s": None if row.camera_offset_ns is None else row.camera_offset_ns / SECOND,
                    "lost_packets": row.lost_packets,
                }
                for row in segments
            ],
        }

    def _nothing(self) -> MissingError | CorruptError:
        """Return the error that says why there is nothing to export."""
        request = self._request
        where = f"{request.key} between {to_iso(request.start_ns)} and {to_iso(request.end_ns)}"
        if self._result.damage:
            first = self._result.damage[0]["detail"]
            return CorruptError(f"nothing of {where} can be opened: {first}")
        gaps = self._reader.spans(request.key, request.start_ns, request.end_ns, now_ns=request.now_ns)
        why = f": {part_to_dict(gaps[0])['cause']}, {part_to_dict(gaps[0])['detail']}" if gaps else ""
        return MissingError(f"nothing is recorded of {where}{why}; `overt spans` shows what is")

    @contextmanager
    def _open_text(self, path: Path) -> Iterator[TextIO]:
        """Open the draft of a text file."""
        draft = path.with_name(f".{path.name}.part")
        self._drafts[draft] = path
        with open(_new_file(draft), "w", encoding="utf-8") as file:
            yield file


def _new_file(path: Path) -> int:
    """Return a descriptor of an empty file that only its owner may read."""
    path.unlink(missing_ok=True)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
