"""The page under test in a real browser: `overt record` on simulated cameras, a grant, and Debian's Chromium."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Self
from uuid import UUID

import httpx
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Playwright, WebSocket, expect
from playwright.sync_api import Error as PlaywrightError

from axe import violations
from media_rig import ControlRoom, may
from overt.contract.grant import Grant, Permission, to_text
from overt.footage.keystore import KeyStore
from overt.footage.layout import KEYS
from overt.recorder.media_plane.process import CONTROL_SOCKET
from overt.sealing.recipients_file import read_recipients
from overt.sealing.wraps import WrappedKey, unwrap
from overt.simulator.persona import Persona
from overt.simulator.simulator import Simulator
from page_rig import CSP
from recorder_rig import Recorder, Site, addresses

CLIPS: Final = Path(__file__).parents[2] / "src" / "overt" / "simulator" / "footage"
FLAGS: Final = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
)
PATIENCE_MS: Final = 30_000
"""For what ought to take a second: two cores may be busy with other things."""
Figure = Callable[[str, float], None]
"""Takes something measured, by its name."""
MARKET, STREET, FOYER, STAIRS = "market-square", "high-street", "library-foyer", "back-stairs"
CAMERAS: Final = (MARKET, STREET, FOYER, STAIRS)
SOURCES: Final = {
    MARKET: ("campus_h264.mp4",),
    STREET: ("dusk_h264.mp4", "dusk_sub_h264.mp4"),
    FOYER: ("indoor_h265.mp4", "indoor_sub_h264.mp4"),
    STAIRS: ("persons_h264_bframes.mp4",),
}
"""Main stream and substream of each camera."""


def program(name: str) -> str:
    """Return the path of a browser; a machine without one fails, since `.ci/run` installs them."""
    found = shutil.which(name)
    assert found, f"{name} is not installed: apt-get install {name}"
    return found


def launch(playwright: Playwright, *more: str) -> Browser:
    """Start Chromium."""
    return playwright.chromium.launch(
        executable_path=program("chromium"), args=[*FLAGS, *more], ignore_default_args=["--headless"]
    )


@dataclass(frozen=True)
class Link:
    """A link to the page, and the grant behind it."""

    url: str
    grant: Grant
    periods: dict[UUID, bytes] = field(repr=False)


def released(site: Site, cameras: Collection[str]) -> dict[UUID, bytes]:
    """The roots of every key period of some cameras, opened with the site's key."""
    with KeyStore(site.footage / KEYS, write=False) as store:
        periods = [each.period_id for each in store.listing() if each.key.camera in cameras]
        stored = {period: store.get(period) for period in periods}
    wraps = {period: WrappedKey.decode(key.wrap) for period, key in stored.items() if key is not None}
    return {period: unwrap(wrap, [site.role]) for period, wrap in wraps.items()}


class ServedSite:
    """A site whose media plane runs: gives out links, takes grants back."""

    def __init__(self, site: Site, room: ControlRoom, listening: str) -> None:
        self.site, self.room, self.listening = site, room, listening

    @property
    def address(self) -> str:
        return f"http://{self.listening}/"

    def control(self, method: str, path: str, **more: Any) -> httpx.Response:
        transport = httpx.HTTPTransport(uds=str(self.site.footage / CONTROL_SOCKET))
        with httpx.Client(transport=transport, base_url="http://media", timeout=20) as client:
            return client.request(method, path, **more)

    def link(self, *permissions: Permission, lifetime_s: int = 900) -> Link:
        """A link for one person; without permissions, to everything, live and recorded."""
        ticket = os.urandom(32)
        every = may(*CAMERAS, rights=("live", "recorded"))
        grant = self.room.grant(*(permissions or (every,)), ticket=ticket, lifetime_s=lifetime_s)
        cameras = {name for each in grant.may for name in each.cameras if "recorded" in each.rights}
        link = Link(f"{self.address}#ticket={to_text(ticket)}", grant, released(self.site, cameras))
        self.give(link)
        return link

    def give(self, link: Link) -> None:
        """Put the grant, as the control room does again when the media process was restarted."""
        periods = [{"period": str(period), "root": to_text(root)} for period, root in link.periods.items()]
        body = {"grant": link.grant.to_token(self.room.key), "periods": periods}
        answer = self.control("PUT", f"/grants/{link.grant.id}", json=body)
        assert answer.status_code == 204, answer.text

    def revoke(self, link: Link) -> None:
        assert self.control("DELETE", f"/grants/{link.grant.id}").status_code == 204


class Town(ServedSite):
    """Four cameras of the simulator's packaged clips, recorded by the whole program."""

    def __init__(self, site: Site, room: ControlRoom, simulator: Simulator, recorder: Recorder) -> None:
        recorder.wait_recording()
        health = recorder.wait_health(lambda health: health["media"]["state"] == "running")
        super().__init__(site, room, health["media"]["listening"])
        self.simulator, self.recorder = simulator, recorder

    def wait_media_process(self, restarts: int) -> None:
        self.recorder.wait_health(
            lambda health: health["media"]["state"] == "running" and health["media"]["restarts"] >= restarts
        )

    def wait_through(self, camera: str, seconds: float, limit_s: float = 60) -> None:
        """Wait until so much more of a camera lies on the disk."""
        begun = time.time()
        deadline = time.monotonic() + limit_s
        while _recorded_through(self.recorder.stream(camera)) < begun + seconds:
            assert time.monotonic() < deadline, self.recorder.stream(camera)
            time.sleep(0.1)


def _recorded_through(stream: Mapping[str, Any]) -> float:
    return datetime.fromisoformat(stream["recorded_through"]).timestamp()


@contextlib.contextmanager
def town(site: Site, *, cameras: Sequence[str] = CAMERAS) -> Iterator[Town]:
    """The recorder and its cameras, from start to end."""
    rows: list[dict[str, Any]] = []
    for name in cameras:
        for stream, source in zip(("", "-sub"), SOURCES[name], strict=False):
            rows.append({"path": name + stream, "source": str(CLIPS / source)})
    persona = Persona.model_validate({"cameras": rows})
    room = ControlRoom(read_recipients(site.recipients).site_id)
    with Simulator(persona, log_frames=2000) as simulator:
        urls = addresses(simulator)
        tables = "".join(
            f'[cameras.{name}]\nurl = "{urls[name]}"\n'
            + (f'sub_url = "{urls[f"{name}-sub"]}"\n' if f"{name}-sub" in urls else "")
            for name in cameras
        )
        file = site.folder / "overt.toml"
        file.write_text(
            f'[recorder]\nmedia_listen = "127.0.0.1:0"\ngrant_keys = ["{room.public_key}"]\n'
            f'time_zone = "Europe/London"\nmin_free = "1MiB"\n{tables}'
        )
        with Recorder(site, file, workers=1) as recorder:
            yield Town(site, room, simulator, recorder)
            assert recorder.stop() == 0
        assert "Traceback" not in recorder.errors()


PIXELS: Final = """(camera) => {
  const wall = document.querySelector("overt-wall");
  const tile = [...wall.renderRoot.querySelectorAll("overt-player")].find((each) => each.camera === camera);
  const picture = tile.renderRoot.querySelector(".picture > .shown");
  const canvas = Object.assign(document.createElement("canvas"), {width: 64, height: 36});
  const pen = canvas.getContext("2d");
  pen.drawImage(picture, 0, 0, 64, 36);
  return Array.from(pen.getImageData(0, 0, 64, 36).data);
}"""
"""The picture of a camera on the wall, small: red, green, blue and opacity of each pixel."""
STATES: Final = """() => {
  globalThis.states = [];
  document.addEventListener("overt-state", (event) => globalThis.states.push({...event.detail, at: Date.now()}));
}"""
"""Notes every change of a tile's state, with its time in milliseconds since the Unix epoch."""
LOOK: Final = """() => {
  const review = document.querySelector("overt-review");
  const playback = review?.playback;
  if (!playback) return null;
  const {clock} = playback;
  const tiles = [...review.renderRoot.querySelectorAll("overt-review-tile")].map((tile) => {
    const {player} = tile;
    const unknown = {kind: "waiting", text: "", note: ""};
    const {kind, text, note} = (player && playback.statusOf(player)) ?? tile.status ?? unknown;
    return {camera: tile.camera, kind, text, note, moment: player?.painted?.moment ?? null,
      canvas: player?.painting.shown ?? false, drawn: player?.painting.count ?? 0, stream: player?.footage.stream ?? "",
      width: tile.renderRoot.querySelector("video").videoWidth};
  });
  return {at: clock.time, rate: clock.rate, playing: clock.playing, markIn: review.marks.in ?? null,
    markOut: review.marks.out ?? null, tiles};
}"""
"""How looking back stands: the clock, and of each tile its state and the moment of the frame on the screen.

Null before the page knows what may be looked at."""

SMALL: Final = """() => {
  const found = [];
  const visit = (root) => {
    for (const each of root.querySelectorAll("*")) {
      if (each.shadowRoot) visit(each.shadowRoot);
      if (!each.matches("button, input, select, a, [role=slider], [role=tab]") || !each.checkVisibility()) continue;
      const {width, height} = each.getBoundingClientRect();
      const words = each.getAttribute("aria-label") ?? each.textContent.trim();
      if (width < 24 || height < 24) found.push(`${each.localName} ${words}: ${width} by ${height}`);
    }
  };
  visit(document);
  return found;
}"""
"""What is too small to be hit: under 24 pixels (WCAG 2.2, 2.5.8)."""


class Screen:
    """One page in a browser, with everything that the browser complained about."""

    LET_GO: tuple[str, ...] = ("WebSocket is closed before the connection is established",)
    """What Chromium writes of a connection that is let go while it opens, since its tile shows something else by then,
    or is gone: no fault, nobody waits for the answer."""

    def __init__(self, context: BrowserContext) -> None:
        self.complaints: list[str] = []
        self.expected: tuple[str, ...] = ()
        """Parts of complaints that belong to what the test does."""
        self.sockets: list[WebSocket] = []
        self.page: Page = context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))
        self.page.on("websocket", self._connected)
        self.page.add_init_script(CSP)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(f"{message.text} ({message.location.get('url', '')})")

    def _connected(self, socket: WebSocket) -> None:
        self.sockets.append(socket)

    def open(self, link: Link) -> Self:
        self.page.goto(link.url)
        return self

    def until(self, expression: str, argument: Any = None, *, seconds: float = 0) -> Any:
        """Wait until a JavaScript expression (of `argument`) is true; return its value."""
        limit = seconds * 1000 or PATIENCE_MS
        return self.page.wait_for_function(expression, arg=argument, timeout=limit).json_value()

    def said(self, text: str) -> None:
        """Wait until the page's live region says something."""
        self.until("(text) => document.getElementById('announcements').textContent.includes(text)", text)

    def tile(self, camera: str) -> Locator:
        return self.page.locator("overt-player").filter(has=self.page.locator(f".name:text-is('{camera}')"))

    def live(self, *cameras: str) -> None:
        """Wait until these cameras' tiles are live."""
        for camera in cameras:
            self.shows(camera, "live")

    def shows(self, camera: str, state: str) -> None:
        """Wait until a tile has a state."""
        expect(self.tile(camera)).to_have_attribute("state", state, timeout=PATIENCE_MS)

    def pixels(self, camera: str) -> list[int]:
        """The picture of a camera, small, as soon as there is one.

        An element that seeks gives a canvas nothing, whatever it shows (HTML, drawImage with HAVE_METADATA)."""
        found: list[int] = []

        def drawn() -> bool:
            found[:] = self.page.evaluate(PIXELS, camera)
            return max(found[0::4]) - min(found[0::4]) > 40

        eventually(drawn)
        return found

    def moving(self, camera: str) -> None:
        """The pixels of a live picture are a picture, and change."""
        first = self.pixels(camera)
        eventually(lambda: sum(a != b for a, b in zip(first, self.pixels(camera), strict=True)) > 200)

    def look(self) -> dict[str, Any]:
        """How looking back stands (`LOOK`)."""
        found: dict[str, Any] = self.page.evaluate(LOOK)
        return found

    def until_look(self, condition: str, seconds: float = 0) -> dict[str, Any]:
        """Wait until a condition of `look`, in JavaScript with `look`, `tile` (the first) and `tiles`, holds."""
        look = f"const look = ({LOOK})(); if (!look?.tiles.length) return false; const {{tiles}} = look;"
        script = f"() => {{ {look} const [tile] = tiles; return ({condition}) && look; }}"
        try:
            found: dict[str, Any] = self.until(script, seconds=seconds)
        except PlaywrightError as error:
            error.add_note(f"looking back stands at {self.look()}")
            raise
        return found

    def button(self, name: str) -> None:
        """Press a button by its whole name."""
        self.page.get_by_role("button", name=name, exact=True).click()

    def go(self, time_of_day: str) -> dict[str, Any]:
        """Go to a moment by the box for it; wait until every tile shows it or says why not."""
        box = self.page.locator("#time")
        box.fill(time_of_day)
        box.press("Enter")
        return self.settled()

    def settled(self) -> dict[str, Any]:
        """Wait until every tile shows the clock's moment or says why not."""
        return self.until_look(
            "tiles.every((each) => each.kind === 'gap' || each.kind === 'damage' ||"
            " each.kind === 'future' || (each.kind === 'picture' && Math.abs(each.moment - look.at) < 0.5))"
        )

    def violations(self) -> list[str]:
        """What axe finds."""
        return violations(self.page)

    def calm(self) -> None:
        """The browser complained about nothing but what is expected (the recorder is killed, say), or was let go."""
        expected = (*self.expected, *self.LET_GO)
        left = [each for each in self.complaints if not any(part in each for part in expected)]
        assert left == [], left


def eventually(condition: Callable[[], Any], seconds: float = PATIENCE_MS / 1000) -> None:
    """Wait for a condition outside the browser."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
