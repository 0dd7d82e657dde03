"""`overt serve` in processes of its own: what it starts, what it starts again, how it ends."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
from pathlib import Path

import httpx

from overt.contract.socket_client import SocketClient
from recorder_rig import OVERT
from serve_rig import CONTROL, RECORDER, alive, eventually, make_site_key, serving, status


def test_what_dies_is_started_again_and_nothing_else_is_disturbed(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as served:
        link = served.told("setup_link")
        assert httpx.get(link, follow_redirects=True, timeout=30).status_code == 200
        assert served.pids(RECORDER) == [], "there is nothing yet that footage could be sealed to"
        make_site_key(served.data)
        eventually((served.data / "footage" / "recorder.sock").exists)
        assert SocketClient(served.data / "footage" / "recorder.sock").get("/health")["streams"] == []

        recorder, control = served.pid(RECORDER), served.pid(CONTROL)
        os.kill(control, signal.SIGKILL)
        # The address stays bound: who asks meanwhile waits, and is answered.
        eventually(lambda: served.answers() == 200)
        assert served.pid(CONTROL) != control
        assert served.pid(RECORDER) == recorder

        control = served.pid(CONTROL)
        os.kill(recorder, signal.SIGKILL)
        assert eventually(lambda: served.pids(RECORDER) not in ([], [recorder]))
        assert served.pid(CONTROL) == control
        assert served.answers() == 200
        assert served.stop() == 0
        assert "Traceback" not in served.errors()


def test_pages_and_pictures_are_encrypted_and_all_ends_with_it_however_it_ends(tmp_path: Path) -> None:
    make_site_key(tmp_path / "data")
    with serving(tmp_path / "data", plain=False) as served:
        context = ssl.create_default_context(cafile=served.told("authority"))
        for port, path in ((served.port, "/sign-in"), (served.media_port, "/")):
            assert eventually(lambda url=f"https://localhost:{port}{path}": status(url, context) == 200)
            assert status(f"http://localhost:{port}{path}", context) == 0
        pids = [served.pid(RECORDER), served.pid(CONTROL)]
        served.process.kill()
        eventually(lambda: not any(alive(pid) for pid in pids))


def test_an_address_in_use_is_refused_with_words(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        command = [OVERT, "serve", "--data", str(tmp_path / "d"), "--plain-http", "--listen"]
        done = subprocess.run(
            [*command, f"127.0.0.1:{taken.getsockname()[1]}"], capture_output=True, text=True, check=False
        )
    assert done.returncode == 6
    assert "another program uses it; choose another with 'listen' in [control]" in done.stderr


def test_a_database_that_does_not_answer_is_waited_for(tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound, and nobody accepts
        url = f"postgresql://overt@127.0.0.1:{nobody.getsockname()[1]}/overt"
        make_site_key(tmp_path / "data")
        with serving(tmp_path / "data", "--database", url) as served:
            eventually(lambda: "the database does not answer" in served.errors())
            eventually(lambda: "is started again" in served.errors())
            assert alive(served.pid(RECORDER)), "recording goes on without it"
            assert served.stop() == 0
