"""`overt serve` as its user runs it: a process of its own, with a data directory and ports of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx

from overt.sealing.custody import create_key_file
from overt.sealing.recipients_file import write_recipients
from overt.sealing.roles import Recipients
from ports import free_port
from recorder_rig import OVERT

PATIENCE_S = 60.0
CONTROL = "overt.control.project.server"
RECORDER = "overt.cli.serving.recorder_process"


def eventually(condition: Callable[[], Any], seconds: float = PATIENCE_S) -> Any:
    """Wait until a condition gives something true; return that."""
    deadline = time.monotonic() + seconds
    while True:
        if found := condition():
            return found
        assert time.monotonic() < deadline, "this did not happen in time"
        time.sleep(0.1)


def make_site_key(data: Path, passphrase: str = "a passphrase for tests alone") -> None:
    """Put the site's key where the control room keeps it, as its set-up does."""
    data.mkdir(parents=True, exist_ok=True)
    made = create_key_file(data / "custodian.key", "Northshire", passphrase).key_file
    write_recipients(data / "recipients.json", Recipients(made.site_id, made.site, (made.recipient,)))


class Served:
    """A running `overt serve`."""

    def __init__(self, data: Path, *options: str, plain: bool = True, config: Path | None = None) -> None:
        self.data, self.port, self.media_port = data, free_port(), free_port()
        self.scheme = "http" if plain else "https"
        address = f"127.0.0.1:{self.port}"
        command = [OVERT, "serve", "--data", str(data), "--listen", address, "--json", *options]
        if config is None:
            config = data.parent / "overt.toml"
            config.write_text('[recorder]\nworkers = 1\nlisten = "off"\n')
        command += ["--config", str(config), "--media-port", str(self.media_port)]
        command += ["--plain-http"] if plain else []
        self.said: list[dict[str, Any]] = []
        self._errors = (data.parent / "serve-errors.txt").open("w+")
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=self._errors, text=True, start_new_session=True
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with contextlib.suppress(ValueError):
                self.said.append(json.loads(line))

    @property
    def address(self) -> str:
        return f"{self.scheme}://localhost:{self.port}"

    def told(self, key: str) -> Any:
        """Wait until it has printed an object with this key; return the value."""
        return eventually(lambda: next((each[key] for each in self.said if key in each), None))

    def pids(self, module: str) -> list[int]:
        """Process ids of its children that run a module."""
        return [pid for pid in children(self.process.pid) if module in command_line(pid)]

    def pid(self, module: str) -> int:
        """Wait until it has exactly one such child."""
        return int(eventually(lambda: self.pids(module) if len(self.pids(module)) == 1 else None)[0])

    def answers(self, path: str = "/sign-in") -> int:
        """Return the status with which a page is answered now; 0 if nobody does."""
        try:
            return httpx.get(self.address + path, timeout=10).status_code
        except httpx.HTTPError:
            return 0

    def errors(self) -> str:
        self._errors.seek(0)
        return self._errors.read()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        for pid in children(self.process.pid):
            os.kill(pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
        self._errors.close()


@contextlib.contextmanager
def serving(data: Path, *options: str, plain: bool = True, config: Path | None = None) -> Iterator[Served]:
    served = Served(data, *options, plain=plain, config=config)
    try:
        yield served
    finally:
        served.close()


def children(pid: int) -> Sequence[int]:
    """Direct children of a process (proc(5))."""
    try:
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def status(url: str, context: ssl.SSLContext) -> int:
    """Return the status with which an address is answered; 0 if it is not."""
    try:
        return httpx.get(url, verify=context, timeout=10).status_code
    except httpx.HTTPError:
        return 0
