"""The whole recorder under test: `overt record` in processes of its own, on simulated cameras, with real files.

Ground truth is what the simulator says it sent, frame by frame; what counts as recorded is what a reader with the
site's key gets back from the files.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Self
from unittest import mock

from overt.cli.main import main
from overt.contract import local_socket
from overt.contract.instant import from_iso
from overt.footage.opening import Damage, StoredPeriods
from overt.footage.reading import FootageReader
from overt.ids import StreamKey
from overt.media.boxes import read_fragment
from overt.sealing.custody import create_key_file, open_with_passphrase
from overt.sealing.recipients_file import write_recipients
from overt.sealing.roles import Recipients, RoleKey
from overt.simulator.marks import frame_number
from overt.simulator.persona import Persona
from overt.simulator.record import SentFrame
from overt.simulator.simulator import Simulator

FOOTAGE = Path(__file__).parents[1] / "footage"
SECOND = 1_000_000_000
PASSPHRASE = "a passphrase for tests alone"
ALWAYS = 2**62
BUSY_S = 0.0 if "OVERT_CALM" in os.environ else 2.0
"""What may come on top of every time that a recorder is given: other tests run beside it. `OVERT_CALM` takes it away,
for a machine that does nothing else."""
LOG_FRAMES = 200_000
OVERT = shutil.which("overt", path=str(Path(sys.executable).parent)) or "overt"


@dataclass(frozen=True)
class Site:
    """A site's keys; its footage directory need not exist yet."""

    folder: Path
    role: RoleKey
    footage: Path

    @property
    def key(self) -> Path:
        return self.folder / "site.key"

    @property
    def recipients(self) -> Path:
        return self.folder / "recipients.json"

    @property
    def index(self) -> Path:
        return self.footage / "index.sqlite"

    def files(self) -> list[Path]:
        """All segment files, oldest first."""
        return sorted(self.footage.glob("segments/*/*/*/*.ovs"), key=lambda path: path.name)


@functools.cache
def _made(name: str) -> tuple[bytes, bytes, RoleKey]:
    """Key file, public keys and opened key of a site. Made once: passphrases are slow on purpose."""
    with tempfile.TemporaryDirectory() as folder:
        key, recipients = Path(folder, "site.key"), Path(folder, "recipients.json")
        made = create_key_file(key, name, PASSPHRASE).key_file
        write_recipients(recipients, Recipients(made.site_id, made.site, (made.recipient,)))
        return key.read_bytes(), recipients.read_bytes(), open_with_passphrase(made, PASSPHRASE)


def make_site(folder: Path, name: str = "Town Hall", footage: Path | None = None) -> Site:
    """A site with its files in `folder`; those of one name share their keys. Footage goes there too if not said."""
    key, recipients, role = _made(name)
    folder.mkdir(parents=True, exist_ok=True)
    site = Site(folder, role, footage or folder / "footage")
    site.key.write_bytes(key)
    site.key.chmod(0o600)
    site.recipients.write_bytes(recipients)
    return site


@contextlib.contextmanager
def cameras(*described: dict[str, Any] | str, source: str = "axis_test_h264.mp4") -> Iterator[Simulator]:
    """Simulated cameras that remember every frame they sent; a name alone stands for a plain camera."""
    rows = [{"path": each} if isinstance(each, str) else each for each in described]
    persona = Persona.model_validate({"cameras": [{"source": str(FOOTAGE / source), **row} for row in rows]})
    with Simulator(persona, log_frames=LOG_FRAMES) as simulator:
        yield simulator


def addresses(simulator: Simulator) -> dict[str, str]:
    """The cameras' names and URLs."""
    return {camera.path: simulator.url(camera.path, credentials=True) for camera in simulator}


def toml_of(cameras: Mapping[str, str], *, more: str = "", recorder: str = "") -> str:
    """A configuration that records these cameras."""
    tables = "".join(f'[cameras.{name}]\nurl = "{url}"\n' for name, url in cameras.items())
    return f"[recorder]\n{recorder}\n{more}\n{tables}"


class Recorder:
    """One `overt record`, with everything it starts in a session of its own."""

    def __init__(
        self,
        site: Site,
        cameras: Mapping[str, str] | Path,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        prefix: Sequence[str] = (),
        workers: int = 2,
        socket_path: Path | None = None,
    ) -> None:
        """Start it on cameras, or on a configuration file. `socket_path`: where its socket is seen from outside."""
        command = [*prefix, OVERT, "record", "--json", "--footage", str(site.footage)]
        command += ["--recipients", str(site.recipients), "--listen", "off", "--workers", str(workers)]
        command += ["--seconds", "1800"]  # so that none outlives a test run that was itself killed
        if isinstance(cameras, Path):
            command += ["--config", str(cameras)]
        else:
            command += [part for name, url in cameras.items() for part in ("--camera", f"{name}={url}")]
        self.site = site
        self.socket_path = socket_path or site.footage / "recorder.sock"
        self.facts: list[dict[str, Any]] = []
        self.stopped: dict[str, Any] | None = None
        self._changed = threading.Condition()
        site.folder.mkdir(parents=True, exist_ok=True)
        self._errors = (site.folder / "stderr.txt").open("ab")
        self.started_s = time.monotonic()
        self.process = subprocess.Popen(
            [*command, *arguments],
            stdout=subprocess.PIPE,
            stderr=self._errors,
            start_new_session=True,
            env={**os.environ, **(environment or {})},
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.kill()
        self._tidy()

    # --- what it says ------------------------------------------------------------------------------------------------

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            try:
                value = json.loads(line)
            except ValueError:
                continue  # the last line of a killed recorder may be half a line
            with self._changed:
                if "fact" in value:
                    self.facts.append({**value["fact"], "heard_s": time.monotonic()})
                elif "stopped" in value:
                    self.stopped = value["stopped"]
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    def errors(self) -> str:
        """Everything it has written on standard error."""
        return (self.site.folder / "stderr.txt").read_text(errors="replace")

    def of(self, kind: str, camera: str | None = None) -> list[dict[str, Any]]:
        """Facts of a kind."""
        with self._changed:
            return [fact for fact in self.facts if fact["kind"] == kind and camera in (None, fact["camera"])]

    def wait_fact(
        self,
        kind: str,
        match: Callable[[dict[str, Any]], bool] = lambda _: True,
        seconds: float = 60,
        camera: str | None = None,
    ) -> dict[str, Any]:
        """The first fact of a kind whose data match."""

        def found() -> dict[str, Any] | None:
            return next((fact for fact in self.of(kind, camera) if match(fact["data"])), None)

        with self._changed:
            fact = self._changed.wait_for(found, seconds)
        assert fact, f"no {kind} within {seconds} s; said {self.facts[-10:]}\n{self.errors()[-3000:]}"
        return fact

    def health(self) -> dict[str, Any]:
        """What it says of itself now."""
        value: dict[str, Any] = json.loads(over_unix_socket(self.socket_path, "GET", "/health"))
        return value

    def stream(self, camera: str) -> dict[str, Any]:
        """Health of one camera's main stream."""
        return next(each for each in self.health()["streams"] if each["camera"] == camera)

    def signal_media_process(self, number: signal.Signals) -> None:
        """Stop it, as on a machine that hangs (SIGSTOP), or end it, as a crash would (SIGKILL)."""
        os.kill(self.health()["media"]["pid"], number)

    def wait_health(self, predicate: Callable[[dict[str, Any]], bool], seconds: float = 60) -> dict[str, Any]:
        """Ask until health satisfies a predicate."""
        deadline = time.monotonic() + seconds
        health: dict[str, Any] | None = None
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.errors()[-3000:]
            try:
                health = self.health()
            except (OSError, HTTPException):
                health = None
            if health is not None and predicate(health):
                return health
            time.sleep(0.05)
        msg = f"not within {seconds} s; health was {health}\n{self.errors()[-3000:]}"
        raise AssertionError(msg)

    def wait_recording(self, *cameras: str, seconds: float = 60) -> dict[str, Any]:
        """Wait until these cameras (or all) are recorded, and something of each is on disk."""

        def recorded(health: dict[str, Any]) -> bool:
            chosen = [each for each in health["streams"] if not cameras or each["camera"] in cameras]
            return bool(chosen) and all(
                each["state"] == "recording" and each["recorded_through"] and each["frames"] for each in chosen
            )

        return self.wait_health(recorded, seconds)

    def wait_sessions(self, simulator: Simulator, more_than: Mapping[str, int], seconds: float = 60) -> None:
        """Wait until each of these cameras has begun more sessions than it had."""
        deadline = time.monotonic() + seconds
        for name, before in more_than.items():
            while simulator.camera(name).statistics().sessions <= before:
                code = self.process.poll()
                assert code is None, f"the recorder ended with {code}, saying {self.stopped}\n{self.errors()[-3000:]}"
                assert time.monotonic() < deadline, f"{name} was not connected to within {seconds} s"
                time.sleep(0.01)

    def workers(self) -> dict[int, int]:
        """Process ids of the workers by their number."""
        return {each["worker"]: each["pid"] for each in self.health()["workers"]}

    # --- its end -----------------------------------------------------------------------------------------------------

    def kill(self) -> int:
        """Kill -9 supervisor and workers at once; return when, on the monotonic clock."""
        os.killpg(self.process.pid, signal.SIGKILL)
        at = time.monotonic_ns()
        self.process.wait(60)
        self._tidy()
        return at

    def stop(self, seconds: float = 60) -> int:
        """SIGTERM; return the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(seconds)
        self._tidy()
        return code

    def _tidy(self) -> None:
        self._reader.join(60)
        if self.process.stdout is not None:
            self.process.stdout.close()
        self._errors.close()


def over_unix_socket(path: Path, method: str, target: str, body: bytes | None = None) -> bytes:
    """The answer to one HTTP request."""
    connection = HTTPConnection("recorder")
    with local_socket.connect(path, 10) as channel:
        connection.sock = channel
        connection.request(method, target, body, {"Connection": "close"})
        with connection.getresponse() as answer:
            return answer.read()


@dataclass(frozen=True)
class Done:
    """A command that has run to its end."""

    code: int
    out: str
    err: str


def overt(*arguments: str | Path, passphrase: str = PASSPHRASE) -> Done:
    """Run a command to its end: the real one, in this process, since starting Python takes longer than most of them."""
    out, err = io.StringIO(), io.StringIO()
    mask = os.umask(0)
    os.umask(mask)
    with (
        mock.patch.dict(os.environ, {"OVERT_PASSPHRASE": passphrase}),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            code = main([str(each) for each in arguments])
        finally:
            os.umask(mask)  # some commands let nobody else read what they write
    return Done(code, out.getvalue(), err.getvalue())


def overt_json(*arguments: str | Path, code: int = 0) -> Any:
    """Run a command with --json; return what it printed."""
    done = overt(*arguments, "--json")
    assert done.code == code, done
    return json.loads(done.out)


def reconciled(site: Site) -> None:
    """Index and files agree in every byte; only spare keys may be left, which killed runs made for their next hour."""
    found = overt("reconcile", site.footage, "--deep", "--json")
    differences = json.loads(found.out)["differences"]
    assert [each for each in differences if each["kind"] != "orphan-key"] == [], found.out
    if differences:
        overt_json("reconcile", site.footage, "--repair")
        assert overt_json("reconcile", site.footage, "--deep")["differences"] == []


# --- what is recorded ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class StoredFrame:
    """A frame as it came back from the footage."""

    number: int
    sha256: bytes
    at_ns: int
    """Decode time on the recorder's line."""


@dataclass
class Stored:
    """What a reader with the site's key gets of one camera."""

    frames: dict[int, StoredFrame] = field(default_factory=dict)
    damage: list[Damage] = field(default_factory=list)
    order: list[int] = field(default_factory=list)
    """Frame numbers in the order in which they lie on the time axis."""

    @property
    def numbers(self) -> set[int]:
        return set(self.frames)


def stored(site: Site, camera: str, codec: str = "h264", keys: Sequence[RoleKey] = ()) -> Stored:
    """Read everything of a camera, with the site's key and these."""
    found = Stored()
    with FootageReader(site.footage) as reader:
        for item in reader.fragments(StreamKey(camera), 0, ALWAYS, StoredPeriods(site.footage, [site.role, *keys])):
            if isinstance(item, Damage):
                found.damage.append(item)
                continue
            run = read_fragment(item.payload).track(1)
            assert run is not None
            for row in run.samples:
                unit = item.payload[row.offset : row.offset + row.size]
                number = frame_number(unit, codec)
                assert number is not None, "a frame without its mark"
                assert number not in found.frames, f"frame {number} is stored twice"
                found.frames[number] = StoredFrame(number, hashlib.sha256(unit).digest(), item.info.start_ns)
                found.order.append(number)
    return found


@dataclass(frozen=True)
class Part:
    """A span or a gap, as `overt spans --json` prints it."""

    what: str
    start_ns: int
    end_ns: int
    cause: str
    detail: str

    @property
    def seconds(self) -> float:
        return (self.end_ns - self.start_ns) / SECOND


def parts_of(site: Site, camera: str) -> list[Part]:
    """What `overt spans --json` says of a camera."""
    said = overt_json("spans", site.footage, "--camera", camera)
    rows = next(stream["parts"] for stream in said["streams"] if stream["stream"] == "main")
    return [
        Part(row["what"], from_iso(row["from"]), from_iso(row["to"]), row.get("cause", ""), row.get("detail", ""))
        for row in rows
    ]


def gaps_of(site: Site, camera: str) -> list[Part]:
    """Gaps between footage: without the one that lasts since the recorder was stopped."""
    parts = parts_of(site, camera)
    while parts and parts[-1].what == "gap":
        parts.pop()
    return [part for part in parts if part.what == "gap"]


@dataclass(frozen=True)
class Hole:
    """Frames that the camera filmed and that are not stored, between two that are."""

    before: SentFrame
    after: SentFrame

    @property
    def start_ns(self) -> int:
        """Where the gap must begin: at the end of the frame before, by the camera's clock."""
        return self.before.wall_ns + frame_ns(self.before)

    @property
    def end_ns(self) -> int:
        return self.after.wall_ns


def frame_ns(_: SentFrame) -> int:
    """Length of a frame of the footage that is simulated here: 25 a second unless a test says otherwise."""
    return SECOND // 25


def holes(sent: Iterable[SentFrame], numbers: Iterable[int]) -> list[Hole]:
    """Where stored frame numbers are not consecutive, by the frames that were sent."""
    by_number = {frame.number: frame for frame in sent}
    ordered = sorted(numbers)
    return [
        Hole(by_number[before], by_number[after])
        for before, after in itertools.pairwise(ordered)
        if after != before + 1
    ]


def faithful(found: Stored, sent: Iterable[SentFrame]) -> None:
    """Every stored frame is, byte for byte, one that was sent, in the order in which they were filmed."""
    truth = {frame.number: frame.sha256 for frame in sent}
    assert found.damage == []
    assert found.order == sorted(found.order), "frames out of order"
    wrong = [number for number, frame in found.frames.items() if truth.get(number) != frame.sha256]
    assert wrong == [], f"frames {wrong[:10]} are not what was sent"


def unstored(found: Stored, sent: Iterable[SentFrame], until_ns: int) -> list[int]:
    """Numbers of the frames that were sent until a moment of the monotonic clock and cannot be read."""
    return [frame.number for frame in sent if frame.monotonic_ns <= until_ns and frame.number not in found.frames]


def whole(gaps: Iterable[Part]) -> list[Part]:
    """Gaps that touch each other, taken as one."""
    joined: list[Part] = []
    for gap in gaps:
        if joined and joined[-1].end_ns == gap.start_ns:
            joined[-1] = replace(joined[-1], end_ns=gap.end_ns)
        else:
            joined.append(gap)
    return joined


def bound_errors_s(gaps: Sequence[Part], missing: Sequence[Hole]) -> list[float]:
    """By how much the bounds of gaps differ from where frames are missing; there are as many of one as of the other."""
    joined = whole(gaps)
    assert len(joined) == len(missing), (joined, missing)
    return [
        abs(error) / SECOND
        for gap, hole in zip(joined, missing, strict=True)
        for error in (gap.start_ns - hole.start_ns, gap.end_ns - hole.end_ns)
    ]
