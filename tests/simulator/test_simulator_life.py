"""Starting, stopping, ports, threads, descriptors; and the command."""

from __future__ import annotations

import json
import select
import shutil
import signal
import subprocess
import sys
import threading
from itertools import pairwise
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from overt.cli.simulate import simulate as simulate_command
from overt.errors import ConflictError, InvalidError, MissingError, UnavailableError
from overt.simulator import CameraPersona, Persona, Simulator, demo_persona, frame_number
from overt.simulator.nal import split_annex_b

COMMAND = "import sys; from overt.cli.simulate import simulate; import typer; typer.run(simulate)"


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_nothing_is_left_behind(clips, raw):
    persona = Persona(
        cameras=(
            CameraPersona(path="hall", source=clips.h264, speed=10, count=5, faults=({"kind": "stall", "at_s": 99},)),
        )
    )

    def round_trip() -> None:
        with Simulator(persona) as simulator:
            clients = [raw(simulator.url(camera.path)) for camera in simulator]
            clients[0].play()
            clients[0].frames(2)
            setup = clients[1].set_up(transport="RTP/AVP;unicast;client_port=9-10")
            clients[1].ask("PLAY", None, f"Session: {setup['Session'].partition(';')[0]}")
            simulator.camera("hall-3").fault("black_hole")
            simulator.camera("hall-4").fault("endless_headers")
            clients[3].send("OPTIONS")
            simulator.camera("hall-5").stop_listening()
        for client in clients:
            client.socket.close()

    round_trip()
    before, threads = descriptors(), threading.active_count()
    for _ in range(3):
        round_trip()
    assert descriptors() == before
    assert threading.active_count() == threads
    assert not [thread for thread in threading.enumerate() if "simulator" in thread.name]


def test_counters_can_be_read_after_the_end(clips, raw):
    persona = Persona(cameras=(CameraPersona(path="hall", source=clips.h264, speed=10),))
    with Simulator(persona, log_frames=10) as simulator:
        client = raw(simulator.url("hall"))
        client.play()
        client.frames(15)
        camera = simulator.camera("hall")
    assert camera.statistics().frames_sent >= 15
    assert len(camera.frames()) == 10
    with pytest.raises(UnavailableError, match="not running"):
        camera.fault("stall")
    simulator.close()


def test_a_port_that_is_taken_is_an_error_that_names_it(simulate, clips):
    taken = simulate().camera("hall").port
    persona = Persona(port=taken, cameras=(CameraPersona(path="other", source=clips.h264),))
    simulator = Simulator(persona)
    with pytest.raises(UnavailableError, match=rf"camera other: cannot listen on 127\.0\.0\.1 port {taken}"):
        simulator.start()


def test_wrong_uses_are_refused(simulate, clips):
    simulator = simulate()
    with pytest.raises(ConflictError, match="started only once"):
        simulator.start()
    with pytest.raises(MissingError, match="no camera 'cellar'; there are hall"):
        simulator.camera("cellar")
    with pytest.raises(UnavailableError, match="has not been started"):
        Simulator(Persona(cameras=(CameraPersona(path="hall", source=clips.h264),))).url("hall")
    with pytest.raises(UnavailableError, match="camera hall: not within"):
        simulator.camera("hall").wait_until(lambda counters: counters.frames_sent > 0, timeout_s=0.05)


def started(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", COMMAND, *arguments], stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_runs_until_it_is_told_to_stop(tmp_path, clips, raw, number):
    login = "auth: basic, user: viewer, password: hunter2"
    (tmp_path / "persona.yaml").write_text(f"cameras: [{{path: hall, source: {clips.h264}, {login}}}]")
    with started(str(tmp_path / "persona.yaml"), "--json") as process:
        assert select.select([process.stdout], [], [], 20)[0]
        camera = json.loads(process.stdout.readline())
        assert {"path": "hall", "codec": "h264", "maker": "plain"}.items() <= camera.items()
        assert "hunter2" not in camera["url"]
        assert raw(camera["url"]).ask("DESCRIBE").status == 401
        process.send_signal(number)
        assert json.loads(process.stdout.readline())["stopped"]["hall"]["sessions"] == 0
        assert process.wait(60) == 0


def test_the_command_stops_by_itself_and_shows_passwords_only_when_asked(tmp_path, clips):
    login = "auth: basic, user: viewer, password: hunter2"
    (tmp_path / "persona.yaml").write_text(f"cameras: [{{path: hall, source: {clips.h264}, {login}}}]")
    app = typer.Typer()
    app.command()(simulate_command)
    result = CliRunner().invoke(app, [str(tmp_path / "persona.yaml"), "--seconds", "0", "--show-passwords"])
    shown = result.stdout
    assert result.exit_code == 0
    assert "rtsp://viewer:hunter2@127.0.0.1:" in shown
    assert "stopped; 0 frames sent in 0 sessions" in shown


def test_a_simulator_of_a_file_reports_its_mistakes(tmp_path):
    (tmp_path / "bad.yaml").write_text("cameras: 3")
    with pytest.raises(InvalidError, match=r"bad\.yaml: line 1: cameras"):
        Simulator(tmp_path / "bad.yaml")


@pytest.mark.peer
@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_ffmpeg_records_the_demo_without_losing_a_frame(tmp_path: Path, transport):
    ffmpeg = shutil.which("ffmpeg")
    assert ffmpeg, "this test needs ffmpeg"
    with Simulator(demo_persona()) as simulator:
        running = []
        for camera in simulator:
            out = tmp_path / f"{camera.path.replace('/', '-')}.{camera.codec}"
            form = ["-f", "hevc" if camera.codec == "h265" else "h264", str(out)]
            url = simulator.url(camera.path, credentials=True)
            command = [ffmpeg, "-v", "error", "-rtsp_transport", transport, "-i", url, "-t", "4"]
            command += ["-map", "0:v", "-c", "copy", *form]
            running.append((camera, out, subprocess.Popen(command, stdin=subprocess.DEVNULL)))
        for camera, out, process in running:
            assert process.wait(60) == 0
            marks = [frame_number(unit, camera.codec) for unit in split_annex_b(out.read_bytes())]
            numbers = [number for number in marks if number is not None]
            assert len(numbers) > 30
            assert {later - earlier for earlier, later in pairwise(numbers)} == {1}
            assert camera.statistics().packets_lost == 0
