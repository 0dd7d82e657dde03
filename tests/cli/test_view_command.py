"""`overt view`: what its link opens, for whom, for how long; on a real recorder over real sockets."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from media_rig import records_of
from overt.cli.grant_keys import public_text, read_grant_key
from overt.cli.viewing_link import GrantRefusedError, Sight, ViewingLink
from overt.clock import SystemClock
from overt.contract.grant import to_text
from overt.contract.opened import FOLDER, ledger_of
from overt.contract.socket_client import MediaControl, SocketClient
from overt.errors import ForbiddenError, InvalidError, MissingError, UnavailableError
from overt.footage.opening import StoredPeriods
from overt.footage.reading import FootageReader
from overt.ledger.reader import LedgerReader
from overt.media.records import RecordKind
from overt.recorder.media_plane.process import CONTROL_SOCKET
from ports import free_port
from recorder_rig import OVERT, PASSPHRASE, Recorder, Site, addresses, cameras, make_site, overt, overt_json, toml_of

SECOND = 1_000_000_000
LIMIT_S = 40.0


@pytest.fixture(scope="module", name="site")
def _site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return make_site(tmp_path_factory.mktemp("v"))


@pytest.fixture(scope="module", name="grant_key")
def _grant_key(site: Site) -> Path:
    path = site.folder / "grant.key"
    assert overt("keys", "grant-key", "--out", path).code == 0
    return path


@pytest.fixture(scope="module", name="recorder")
def _recorder(site: Site, grant_key: Path) -> Iterator[Recorder]:
    settings = f'grant_keys = ["{public_text(read_grant_key(grant_key))}"]\nmedia_listen = "127.0.0.1:0"'
    with cameras("yard", "door") as simulator:
        configuration = site.folder / "recorder.toml"
        configuration.write_text(toml_of(addresses(simulator), recorder=settings))
        with Recorder(site, configuration) as recorder:
            recorder.wait_recording("yard", "door")
            recorder.wait_health(lambda health: health["media"]["state"] == "running")
            yield recorder


@contextmanager
def viewing(
    site: Site, grant_key: Path, *arguments: str | Path
) -> Iterator[tuple[dict[str, Any], subprocess.Popen[str]]]:
    """A running `overt view`; what it printed."""
    command = [OVERT, "view", site.footage, "--grant-key", grant_key, "--purpose", "Patrol", "--json", *arguments]
    environment = {**os.environ, "OVERT_PASSPHRASE": PASSPHRASE}
    process = subprocess.Popen(
        [str(each) for each in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        line = process.stdout.readline()
        assert line, process.stderr.read()
        yield json.loads(line), process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(60)
        process.stdout.close()
        process.stderr.close()


class Page:
    """What the page does with its link: a secret of its own, a session."""

    def __init__(self, link: str) -> None:
        parts = urlsplit(link)
        assert parts.fragment.startswith("ticket=")
        self.http = httpx.Client(base_url=f"{parts.scheme}://{parts.netloc}", timeout=60)
        secret = to_text(os.urandom(32))
        self.opening = self.http.post("/session", json={"ticket": parts.fragment[7:], "secret": secret})
        if self.opening.status_code == 201:
            self.session: dict[str, Any] = self.opening.json()
            self.http.headers["authorization"] = f"Bearer {self.session['token']}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def open_again(self) -> None:
        """Begin the session anew, with the same secret, as soon as the recorder takes it."""
        deadline = time.monotonic() + LIMIT_S
        while True:
            assert time.monotonic() < deadline
            time.sleep(0.1)
            try:
                answer = self.http.post("/session", json=json.loads(self.opening.request.content))
            except httpx.TransportError:
                continue
            if answer.status_code == 201:
                self.http.headers["authorization"] = f"Bearer {answer.json()['token']}"
                return

    def fragments(self, camera: str, start_ns: int, end_ns: int) -> httpx.Response:
        return self.http.get(f"/cameras/{camera}/main/fragments", params={"from": start_ns, "to": end_ns})

    def recorded(self, camera: str) -> tuple[int, int]:
        """The span of the newest footage, in nanoseconds."""
        now = self.http.get("/session").json()["now_us"] * 1000
        answer = self.http.get(f"/cameras/{camera}/main/spans", params={"from": now - 3600 * SECOND, "to": now})
        span = answer.json()["spans"][-1]
        return span["start_us"] * 1000, span["end_us"] * 1000


def test_a_link_with_the_sites_key_shows_live_and_recorded_pictures_to_one_page(
    site: Site, grant_key: Path, recorder: Recorder
) -> None:
    with viewing(site, grant_key, "--key", site.key, "--from", "-1h", "--person", "A. Officer") as (told, process):
        assert set(told["cameras"]) == {"yard", "door"}
        with Page(told["link"]) as page, Page(told["link"]) as thief:
            assert page.session["person"] == "A. Officer"
            assert {right for each in page.session["may"] for right in each["rights"]} == {"live", "recorded"}
            assert thief.opening.status_code == 403, "the link opens once"
            start, end = page.recorded("yard")
            answer = page.fragments("yard", start, min(end, start + 2 * SECOND))
            assert answer.status_code == 200
            kinds = records_of(answer.content)
            assert kinds.count(RecordKind.FRAGMENT) >= 2
            assert kinds[-1] == RecordKind.END
            process.send_signal(signal.SIGHUP)  # the terminal is closed
            assert process.wait(60) == 0
            assert page.http.get("/session").status_code in {401, 403}, "with the command, everything ends"
    ledger = LedgerReader(ledger_of(site.footage))
    [(_, made), (_, end)] = list(ledger.read_bodies(ledger.leaves(ledger.size - 2)))
    assert made is not None
    assert end is not None
    assert set(made.value()["cameras"]) == {"yard", "door"}
    assert (made.value()["purpose"], made.value()["for"]) == ({"name": "Patrol"}, "A. Officer")
    assert set(made.value()["footage"]) == {"from"}, "as it is recorded"
    assert end.value()["began"] == ledger.size - 2


def test_a_link_that_cannot_be_written_down_is_not_made(tmp_path: Path, grant_key: Path) -> None:
    site = make_site(tmp_path)
    settings = f'grant_keys = ["{public_text(read_grant_key(grant_key))}"]\nmedia_listen = "127.0.0.1:0"'
    with cameras("yard") as simulator:
        configuration = tmp_path / "recorder.toml"
        configuration.write_text(toml_of(addresses(simulator), recorder=settings))
        with Recorder(site, configuration) as recorder:
            recorder.wait_recording()
            recorder.wait_health(lambda health: health["media"]["state"] == "running")
            (site.footage / FOLDER).write_text("in its way")
            done = overt("view", site.footage, "--grant-key", grant_key, "--purpose", "Patrol")
            assert (done.code, "nothing is opened" in done.err) == (UnavailableError.exit_code, True)
            assert "ticket=" not in done.out


def test_a_link_without_a_key_shows_live_pictures_and_the_last_minutes_alone(
    site: Site, grant_key: Path, recorder: Recorder
) -> None:
    with viewing(site, grant_key, "--camera", "door") as (told, _), Page(told["link"]) as page:
        assert [(each["cameras"], each["rights"]) for each in page.session["may"]] == [(["door"], ["live"])]
        now = page.session["now_us"] * 1000
        assert page.fragments("door", now - 5 * SECOND, now).status_code == 200
        assert page.fragments("door", now - 7200 * SECOND, now - 7100 * SECOND).status_code == 403
        assert page.fragments("yard", now - 5 * SECOND, now).status_code == 403


def test_a_link_for_recorded_footage_opens_no_second_more(site: Site, grant_key: Path, recorder: Recorder) -> None:
    arguments = ("--key", site.key, "--no-live", "--from", "-10m", "--to", "-1s")
    with viewing(site, grant_key, *arguments) as (told, _), Page(told["link"]) as page:
        window = page.session["may"][0]
        assert window["rights"] == ["recorded"]
        end = window["to_us"] * 1000
        assert page.fragments("yard", end - SECOND, end).status_code == 200
        assert page.fragments("yard", end - SECOND, end + 1_000).status_code == 403


def test_a_media_process_that_dies_is_given_the_grant_again(site: Site, grant_key: Path, recorder: Recorder) -> None:
    with viewing(site, grant_key, "--key", site.key) as (told, _), Page(told["link"]) as page:
        os.kill(recorder.health()["media"]["pid"], signal.SIGKILL)
        page.open_again()
        start, end = page.recorded("yard")
        assert page.fragments("yard", start, min(end, start + SECOND)).status_code == 200


def test_a_link_ends_when_its_time_is_over(site: Site, grant_key: Path, recorder: Recorder) -> None:
    clock = SystemClock()
    sight = Sight("A. Person", ("yard",), live_from_ns=0, until_ns=clock.utc_ns() + 4 * SECOND)
    control, key = MediaControl(site.footage / CONTROL_SOCKET), read_grant_key(grant_key)
    with ViewingLink(control, key, site.role.site_id, sight, None, clock) as link:
        address = f"http://{recorder.health()['media']['listening']}"
        with Page(link.url(address)) as page:
            assert page.opening.status_code == 201
            deadline = time.monotonic() + LIMIT_S
            while page.http.get("/session").status_code == 200:
                assert time.monotonic() < deadline
                time.sleep(0.1)


def test_a_period_that_does_not_open_keeps_nothing_else_shut(site: Site, grant_key: Path, recorder: Recorder) -> None:
    other = replace(site.role, private_key=X25519PrivateKey.generate())
    with FootageReader(site.footage) as reader:
        periods = reader.periods({"yard", "door"}, 0, 2**62)
    opened, refused = StoredPeriods(site.footage, [site.role]).roots([*periods, UUID(int=9)])
    assert opened.keys() == periods
    assert not refused, "what was destroyed is in neither"
    opened, refused = StoredPeriods(site.footage, [other]).roots(periods)
    assert not opened
    assert refused.keys() == periods
    sight = Sight("A. Person", ("yard",), live_from_ns=0, recorded_from_ns=0)
    control, key = MediaControl(site.footage / CONTROL_SOCKET), read_grant_key(grant_key)
    wrong = ViewingLink(control, key, site.role.site_id, sight, StoredPeriods(site.footage, [other]), SystemClock())
    with pytest.raises(ForbiddenError) as caught, wrong:
        pass
    assert not isinstance(caught.value, GrantRefusedError), "it is not the grant that is at fault"


def test_what_is_asked_for_wrongly_is_said_in_words(
    site: Site, grant_key: Path, recorder: Recorder, tmp_path: Path
) -> None:
    view = ("view", site.footage, "--grant-key", grant_key, "--purpose", "Patrol")
    assert "only the site's key opens" in overt(*view, "--from", "-1h").err
    assert "no camera 'yrad'" in overt(*view, "--camera", "yrad").err
    assert "give --key" in overt(*view, "--recovery").err
    assert "would show nothing" in overt(*view, "--no-live").err
    assert "must be later" in overt(*view, "--key", site.key, "--from", "-1h", "--to", "-2h").err
    assert overt(*view, "--key", site.key, passphrase="wrong").code == ForbiddenError.exit_code
    missing = overt("view", site.footage, "--grant-key", tmp_path / "none", "--purpose", "Patrol")
    assert "no such grant key" in missing.err
    other = tmp_path / "other.key"
    public = overt_json("keys", "grant-key", "--out", other)["public_key"]
    done = overt("view", site.footage, "--grant-key", other, "--purpose", "Patrol")
    assert done.code == ForbiddenError.exit_code
    assert public in done.err, "what to put into the configuration is said"
    assert overt("view", tmp_path, "--grant-key", grant_key, "--purpose", "Patrol").code == MissingError.exit_code


def test_a_recorder_that_is_not_there_or_serves_no_viewers(tmp_path: Path, grant_key: Path) -> None:
    site = make_site(tmp_path)
    with cameras("yard") as simulator, Recorder(site, addresses(simulator)) as recorder:
        recorder.wait_recording()
        done = overt("view", site.footage, "--grant-key", grant_key, "--purpose", "Patrol")
        assert done.code == UnavailableError.exit_code
        assert "grant_keys" in done.err
    done = overt("view", site.footage, "--grant-key", grant_key, "--purpose", "Patrol")
    assert done.code == UnavailableError.exit_code
    assert "is it running" in done.err


def test_grant_keys_are_private_files_that_are_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "grant.key"
    public = overt_json("keys", "grant-key", "--out", path)["public_key"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert public_text(read_grant_key(path)) == public
    before = path.read_bytes()
    assert "not overwritten" in overt("keys", "grant-key", "--out", path).err
    assert path.read_bytes() == before
    path.write_text("-----BEGIN PRIVATE KEY-----\nnonsense\n-----END PRIVATE KEY-----\n")
    with pytest.raises(InvalidError, match="grant-key"):
        read_grant_key(path)


def test_the_clients_of_the_sockets_pass_refusals_on(site: Site, recorder: Recorder) -> None:
    with pytest.raises(MissingError):
        SocketClient(recorder.socket_path).get("/nothing")
    with pytest.raises(InvalidError):
        MediaControl(site.footage / CONTROL_SOCKET).give(site.role.site_id, "no token", {})
    with pytest.raises(UnavailableError, match="is it running"):
        SocketClient(site.folder / "nobody.sock").get("/health")


def test_a_recorder_that_is_failing_can_be_looked_at(tmp_path: Path, grant_key: Path) -> None:
    site = make_site(tmp_path)
    settings = f'grant_keys = ["{public_text(read_grant_key(grant_key))}"]\nmedia_listen = "127.0.0.1:0"'
    with cameras("yard") as simulator:
        configuration = site.folder / "recorder.toml"
        configuration.write_text(toml_of(addresses(simulator), recorder=f'{settings}\nmin_free = "1EiB"'))
        with Recorder(site, configuration) as recorder:
            recorder.wait_health(lambda health: health["level"] == "failing" and health["media"]["state"] == "running")
            with viewing(site, grant_key) as (told, _), Page(told["link"]) as page:
                assert page.opening.status_code == 201


def test_a_recorder_that_is_restarted_is_given_the_grant_again(tmp_path: Path, grant_key: Path) -> None:
    site = make_site(tmp_path)
    port = free_port()
    settings = f'grant_keys = ["{public_text(read_grant_key(grant_key))}"]\nmedia_listen = "127.0.0.1:{port}"'
    with cameras("yard") as simulator:
        configuration = site.folder / "recorder.toml"
        configuration.write_text(toml_of(addresses(simulator), recorder=settings))
        with Recorder(site, configuration) as first:
            first.wait_recording()
            with viewing(site, grant_key, "--key", site.key) as (told, _), Page(told["link"]) as page:
                start, end = page.recorded("yard")
                assert first.stop() == 0
                with Recorder(site, configuration) as second:
                    second.wait_recording()
                    page.open_again()
                    assert page.fragments("yard", start, min(end, start + SECOND)).status_code == 200, "from before"
                    deadline = time.monotonic() + LIMIT_S
                    while page.recorded("yard")[0] <= end:
                        assert time.monotonic() < deadline, "nothing from after"
                        time.sleep(0.1)
                    start, end = page.recorded("yard")
                    assert page.fragments("yard", start, end).status_code == 200, "and from after"
