"""`overt demo`: the council that it runs, seen by somebody who signs in with what it prints."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx

from overt.contract.socket_client import SocketClient
from recorder_rig import OVERT
from serve_rig import eventually


def test_the_demo_records_its_council_and_lets_its_manager_in(tmp_path: Path) -> None:
    data = tmp_path / "demo"
    command = [OVERT, "demo", "--seconds", "600", "--data", str(data), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = next(value for value in map(json.loads, process.stdout) if "address" in value)
        with httpx.Client(base_url=told["address"], timeout=60, follow_redirects=True) as browser:
            signed_in(browser, told["email"], told["password"])
            page = browser.get("/cameras").text
            assert [name for name in ("High Street, north", "Library foyer") if name not in page] == []
            recorder = SocketClient(data / "footage" / "recorder.sock")
            streams: list[dict[str, Any]] = eventually(
                lambda: [each for each in recorder.get("/health")["streams"] if each["state"] == "recording"]
            )
            deadline = time.monotonic() + 60
            while len(streams) < 6:
                assert time.monotonic() < deadline, streams
                time.sleep(0.2)
                streams = [each for each in recorder.get("/health")["streams"] if each["state"] == "recording"]
            assert {each["camera"] for each in streams} == {
                "back-stairs",
                "high-street",
                "library-foyer",
                "market-square",
            }
            # A passphrase, a camera's password: on no page.
            for path in ("/cameras", "/health", "/wall"):
                assert "four cameras" not in browser.get(path).text
        process.send_signal(signal.SIGINT)
        process.stdout.read()
    assert process.returncode == 0


def signed_in(browser: httpx.Client, email: str, password: str) -> None:
    """Sign in as a form does."""
    form = browser.get("/sign-in").text
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)
    assert found is not None
    answer = browser.post("/sign-in", data={"csrfmiddlewaretoken": found[1], "login": email, "password": password})
    assert answer.status_code == 200
    assert "Sign out" in answer.text
