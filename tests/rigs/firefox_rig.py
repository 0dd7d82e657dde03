"""Firefox under test, driven by WebDriver BiDi over its own remote port: as much of it as the tests need."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from websockets.sync.client import ClientConnection, connect

from browser_rig import program

STARTS_S: Final = 60.0
PREFERENCES: Final = {
    "app.normandy.enabled": False,
    "app.update.enabled": False,
    "browser.safebrowsing.downloads.remote.enabled": False,
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.healthreport.uploadEnabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.systemAddon.update.enabled": False,
    "media.autoplay.default": 0,
    "media.gmp-manager.updateEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "http://127.0.0.1:1/",
    "toolkit.telemetry.server": "",
}
"""Nothing is asked of the internet, and video may play."""


class FirefoxPage:
    """One tab. Commands wait for their answer; what the page writes to the console is kept."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket, self._numbers = socket, itertools.count(1)
        self.complaints: list[str] = []
        self.command("session.new", capabilities={})
        self.command("session.subscribe", events=["log.entryAdded"])
        self._tab = self.command("browsingContext.getTree")["contexts"][0]["context"]

    def command(self, method: str, **parameters: Any) -> Any:
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._socket.recv(timeout=60))
            if answer.get("method") == "log.entryAdded" and answer["params"]["level"] == "error":
                self.complaints.append(str(answer["params"]["text"]))
            if answer.get("id") == number:
                assert answer["type"] == "success", answer
                return answer["result"]

    def open(self, url: str) -> None:
        self.command("browsingContext.navigate", context=self._tab, url=url, wait="complete")

    def evaluate(self, expression: str) -> Any:
        """The value of an expression that gives something JSON knows, or a promise of it."""
        script = f"Promise.resolve({expression}).then((value) => JSON.stringify(value ?? null))"
        result = self.command("script.evaluate", expression=script, target={"context": self._tab}, awaitPromise=True)
        assert result["type"] == "success", result
        return json.loads(result["result"]["value"])

    def until(self, expression: str, seconds: float = 40) -> Any:
        deadline = time.monotonic() + seconds
        while not (value := self.evaluate(expression)):
            assert time.monotonic() < deadline, (expression, self.complaints)
            time.sleep(0.1)
        return value


@contextlib.contextmanager
def firefox(profile: Path) -> Iterator[FirefoxPage]:
    """Firefox without a window, with a profile of its own."""
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in PREFERENCES.items()]
    (profile / "user.js").write_text("\n".join(lines))
    command = [program("firefox-esr"), "--headless", "--no-remote", "--profile", str(profile)]
    with (profile / "log.txt").open("w+") as log:
        process = subprocess.Popen(
            [*command, "--remote-debugging-port", "0", "about:blank"], stdout=log, stderr=subprocess.STDOUT
        )
        try:
            address = _address(process, profile / "log.txt")
            with connect(f"{address}/session", proxy=None, max_size=None) as socket:
                yield FirefoxPage(socket)
        finally:
            process.terminate()
            process.wait(30)


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + STARTS_S
    while time.monotonic() < deadline and process.poll() is None:
        if found := re.search(r"WebDriver BiDi listening on (ws://\S+)", log.read_text(errors="replace")):
            return found[1]
        time.sleep(0.1)
    raise AssertionError(f"Firefox did not open its port: {log.read_text(errors='replace')[-2000:]}")
