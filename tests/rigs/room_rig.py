"""A council that is not there, whole: control room, recorder and four simulated cameras, each a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Self

from playwright.sync_api import BrowserContext, expect

from browser_rig import CAMERAS, CLIPS, FOYER, MARKET, PATIENCE_MS, SOURCES, STAIRS, STREET, Screen, eventually
from control_rig import PASSWORD
from overt.contract.grant import to_text
from overt.control.configuration import DATA_VARIABLE, ControlSettings
from overt.control.secrets import grant_key
from overt.simulator.persona import Persona
from overt.simulator.simulator import Simulator
from ports import free_port
from recorder_rig import PASSPHRASE, Recorder, Site, addresses, make_site

NAMES: Final = {
    MARKET: "Market Square",
    STREET: "High Street <b>north</b>",
    FOYER: "Library foyer",
    STAIRS: "Back stairs",
}
"""As people call them; one of them would like to be markup."""
OPERATOR: Final = "olive.operator@northshire.example"
SUPERVISOR: Final = "sam.supervisor@northshire.example"
SETUP: Final = """
from django.utils import timezone
from overt.control.estate.models import Camera, Site
from overt.control.people.actions import STARTING_ROLES, Action
from overt.control.people.models import Appointment, Person, Role, SiteGroup
from overt.control.people import signals
from overt.control.viewing.purposes import make_starting_purposes

make_starting_purposes()

def person(email, name, role, group=None):
    made, _ = Role.objects.get_or_create(name=role, defaults={"actions": [each.value for each in STARTING_ROLES[role]]})
    who = Person.objects.create_user(email, name, PASSWORD)
    Appointment.objects.create(person=who, role=made, group=group)

town = SiteGroup.objects.create(name="Town centre")
library = SiteGroup.objects.create(name="Libraries")
market = Site.objects.create(name="Market Hall", group=town)
reading = Site.objects.create(name="Central Library", group=library)
for key, name in NAMES.items():
    Camera.objects.create(key=key, name=name, site=reading if key == FOYER else market, state="recording")
person(OPERATOR, "Olive Operator", "Operator", town)
person(SUPERVISOR, "Sam Supervisor", "Supervisor")
person("max.manager@northshire.example", "Max Manager", "CCTV manager")
"""
SIGN_IN: Final = """
from django.test import Client
client = Client(headers={"user-agent": "a browser under test"})
from django.conf import settings
client.force_login(Person.objects.get(email=EMAIL), settings.AUTHENTICATION_BACKENDS[0])
answer = client.session.session_key
"""


class Room:
    """The control room's process."""

    def __init__(self, settings: ControlSettings) -> None:
        self.settings = settings
        self.origin = f"http://127.0.0.1:{settings.port}"
        rig = Path(__file__).parent
        environment = {
            **os.environ,
            DATA_VARIABLE: settings.to_environment(),
            "DJANGO_SETTINGS_MODULE": "overt.control.project.settings",
            "PYTHONPATH": os.pathsep.join([str(rig), os.environ.get("PYTHONPATH", "")]),
        }
        self._log = (settings.data / "room.log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, str(rig / "room_process.py"), str(settings.port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=environment,
            text=True,
            start_new_session=True,
        )
        assert self._line() == "ready", self.log()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._log.close()

    def _line(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.log()
        return json.loads(line)

    def log(self) -> str:
        """What it has written on standard error."""
        return (self.settings.data / "room.log").read_text()

    def run(self, code: str, **values: Any) -> Any:
        """Run Python inside; return what it leaves in `answer`."""
        given = "".join(f"{name} = {value!r}\n" for name, value in values.items())
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(given + code) + "\n")
        self.process.stdin.flush()
        answer = self._line()
        assert not (isinstance(answer, dict) and "failed" in answer), answer["failed"]
        return answer

    def signed_in(self, context: BrowserContext, email: str) -> str:
        """Sign somebody in, in a browser; return the key of the session."""
        key: str = self.run(SIGN_IN, EMAIL=email)
        context.add_cookies([{"name": "overt_session", "value": key, "url": self.origin}])
        return key

    def remove(self, email: str) -> None:
        """Remove somebody's account, as the page for it does."""
        self.run(
            "who = Person.objects.get(email=EMAIL)\nwho.is_active = False\nwho.save()\n"
            "signals.rights_changed.send(None, people=[who.pk])",
            EMAIL=email,
        )


class Council:
    """The whole of it."""

    def __init__(self, room: Room, site: Site, simulator: Simulator, recorder: Recorder) -> None:
        self.room, self.site, self.simulator, self.recorder = room, site, simulator, recorder


def settings_for(folder: Path, site: Site) -> ControlSettings:
    """Settings of a control room that has a site's key, and a free port for the media plane of its recorder."""
    data = folder / "control"
    data.mkdir()
    (data / "custodian.key").write_bytes(site.key.read_bytes())
    (data / "custodian.key").chmod(0o600)
    (data / "recipients.json").write_bytes(site.recipients.read_bytes())
    return ControlSettings(
        data=data,
        listen=f"127.0.0.1:{free_port()}",
        footage=site.footage,
        media_port=free_port(),
        plain_http=True,
        organisation="Northshire Council",
        second_factor="optional",
    )


def simulated(cameras: Sequence[str]) -> Simulator:
    """The cameras, with their small streams."""
    rows: list[dict[str, Any]] = []
    for name in cameras:
        for stream, source in zip(("", "-sub"), SOURCES[name], strict=False):
            rows.append({"path": name + stream, "source": str(CLIPS / source)})
    return Simulator(Persona.model_validate({"cameras": rows}), log_frames=2000)


def configuration(
    folder: Path,
    settings: ControlSettings,
    simulator: Simulator,
    cameras: Sequence[str],
    host: str = "127.0.0.1",
    more: str = "",
) -> Path:
    """Write the recorder's configuration. `host`: what browsers call the control room by."""
    urls = addresses(simulator)
    tables = "".join(
        f'[cameras.{name}]\nurl = "{urls[name]}"\n'
        + (f'sub_url = "{urls[f"{name}-sub"]}"\n' if f"{name}-sub" in urls else "")
        for name in cameras
    )
    public = to_text(grant_key(settings.secrets).public_key().public_bytes_raw())
    file = folder / "overt.toml"
    file.write_text(
        f'[recorder]\nmedia_listen = "127.0.0.1:{settings.media_port}"\ngrant_keys = ["{public}"]\n'
        f'media_origins = ["http://{host}:{settings.port}"]\n'
        f'time_zone = "Europe/London"\nmin_free = "1MiB"\n{more}{tables}'
    )
    return file


def settle(room: Room) -> None:
    """Make people, sites and cameras."""
    values = {"NAMES": NAMES, "FOYER": FOYER, "OPERATOR": OPERATOR, "SUPERVISOR": SUPERVISOR}
    room.run(SETUP, PASSWORD=PASSWORD, **values)


@contextlib.contextmanager
def council(folder: Path, cameras: Sequence[str] = CAMERAS) -> Iterator[Council]:
    """Start it all; the site's key is made, and locked."""
    site = make_site(folder)
    settings = settings_for(folder, site)
    with simulated(cameras) as simulator:
        file = configuration(folder, settings, simulator, cameras)
        with Recorder(site, file, workers=1) as recorder, Room(settings) as room:
            settle(room)
            recorder.wait_recording()
            recorder.wait_health(lambda health: health["media"]["state"] == "running")
            yield Council(room, site, simulator, recorder)


def unlock(council: Council) -> None:
    """Unlock recorded footage, as the page for it does."""
    council.room.run("from overt.control.viewing import holding\nholding.custody().unlock(WORDS)", WORDS=PASSPHRASE)


def wait_for_footage(council: Council, seconds: float = 40) -> None:
    """Wait until so much was recorded since the start."""
    eventually(lambda: time.monotonic() - council.recorder.started_s >= seconds, seconds + PATIENCE_MS / 1000)


class Wall(Screen):
    """A page of the control room, by the names of its cameras."""

    LET_GO = (*Screen.LET_GO, "net::ERR_ABORTED")
    """And of a request that a page leaves behind."""

    def signed_in(self, council: Council, email: str) -> str:
        return council.room.signed_in(self.page.context, email)

    def says_why(self, reference: str = "INC-2047") -> None:
        """Answer for what purpose somebody looks back."""
        asked = self.page.get_by_role("dialog", name="For what purpose do you look back?")
        asked.get_by_label("Incident number").fill(reference)
        asked.get_by_role("button", name="Look back").click()

    def wall(self, council: Council, query: str = "") -> None:
        self.page.goto(f"{council.room.origin}/wall{query}")

    def shown(self, *cameras: str) -> None:
        """Wait until these are live, and no others there."""
        self.live(*(NAMES[camera] for camera in cameras))
        expect(self.page.locator("overt-player")).to_have_count(len(cameras))
