"""The recorder to be measured: `overt record` as anyone runs it, in a process of its own, on keys made for the run."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from overt.contract.socket_client import SocketClient
from overt.errors import UnavailableError
from overt.footage.opening import OpenPeriod, StoredPeriods
from overt.ids import new_id
from overt.sealing.custody import CUSTODIAN
from overt.sealing.recipients_file import write_recipients
from overt.sealing.roles import Recipients, RoleKey

SITE: Final = "Overt bench"
START_S: Final = 90.0
STOP_S: Final = 60.0
ENTRY: Final = "from overt.cli.main import run; run()"
"""What the `overt` script does, run by the Python that runs now."""


@dataclass(frozen=True, slots=True)
class Bench:
    """Where a measured recorder keeps its things, and how to open what it seals."""

    folder: Path
    open_period: OpenPeriod

    @property
    def footage(self) -> Path:
        """The footage directory."""
        return self.folder / "footage"

    @property
    def recipients(self) -> Path:
        """The public keys."""
        return self.folder / "recipients.json"

    @property
    def log(self) -> Path:
        """What the recorder said on standard error."""
        return self.folder / "recorder.log"


def make_bench(folder: Path) -> Bench:
    """Make a key pair, and the file that the recorder is given. The private key stays in memory, and ends with it.

    Raises:
        OvertError: as `write_recipients` does: the folder has one already, or the disk refuses.
    """
    folder.mkdir(parents=True, exist_ok=True)
    key = RoleKey(new_id(), SITE, CUSTODIAN, datetime.now(UTC), X25519PrivateKey.generate())
    bench = Bench(folder, StoredPeriods(folder / "footage", [key]))
    write_recipients(bench.recipients, Recipients(key.site_id, SITE, (key.recipient,)))
    return bench


class RecorderProcess:
    """A running `overt record`."""

    def __init__(self, process: subprocess.Popen[bytes], bench: Bench) -> None:
        """Watch a process that was started for `bench`."""
        self._process = process
        self._bench = bench

    @property
    def pid(self) -> int:
        """Its process, the root of the recorder's process tree."""
        return self._process.pid

    def health(self) -> dict[str, Any]:
        """Return what its /health says now (docs/reference/recorder-http.md).

        Raises:
            UnavailableError: it does not answer, or has ended.
        """
        if self._process.poll() is not None:
            raise self._ended()
        told: dict[str, Any] = SocketClient(self._bench.footage / "recorder.sock").get("/health")
        return told

    def wait_until_recording(self, timeout_s: float = START_S) -> dict[str, Any]:
        """Return its health once every stream has footage on disk.

        Raises:
            UnavailableError: that does not happen in time.
        """
        deadline = time.monotonic() + timeout_s
        why = "it does not answer"
        while time.monotonic() < deadline:
            try:
                told = self.health()
            except UnavailableError as error:
                if self._process.poll() is not None:
                    raise
                why = str(error)
            else:
                streams = told["streams"]
                missing = [s["camera"] for s in streams if s["state"] != "recording" or not s["recorded_through"]]
                if streams and not missing:
                    return told
                why = f"not recording: {', '.join(missing[:5])}"
            time.sleep(0.2)
        msg = f"the recorder did not record everything within {timeout_s:g} s: {why}"
        raise UnavailableError(msg)

    def stop(self) -> None:
        """End it by SIGTERM, as a service manager would.

        Raises:
            UnavailableError: it ended otherwise than it should.
        """
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(STOP_S)
        except subprocess.TimeoutExpired as error:
            msg = f"the recorder did not stop within {STOP_S:g} s of SIGTERM; its log: {self._bench.log}"
            raise UnavailableError(msg) from error
        if code:
            raise self._ended()

    def _ended(self) -> UnavailableError:
        said = self._bench.log.read_text(errors="replace").strip().splitlines()
        return UnavailableError(f"the recorder ended with {self._process.returncode}: {' '.join(said[-3:])}")


@contextmanager
def recorder_running(
    bench: Bench, addresses: Sequence[tuple[str, str]], settings: Sequence[str] = (), defaults: Sequence[str] = ()
) -> Iterator[RecorderProcess]:
    """Run `overt record` on these cameras; `settings` and `defaults` are further TOML lines for those tables."""
    lines = [
        "[recorder]",
        f"footage = {json.dumps(str(bench.footage))}",
        f"recipients = {json.dumps(str(bench.recipients))}",
        'listen = "off"',
        *settings,
        "[defaults]",
        *defaults,
    ]
    lines += [f"[cameras.{name}]\nurl = {json.dumps(url)}" for name, url in addresses]
    configuration = bench.folder / "recorder.toml"
    configuration.write_text("\n".join(lines) + "\n")
    command = [sys.executable, "-c", ENTRY, "record", "--config", str(configuration), "--json"]
    with bench.log.open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log)  # noqa: S603
    try:
        yield RecorderProcess(process, bench)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
