"""The same page in Firefox ESR: live and recorded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from archive_rig import AT, DATE, NORTH
from browser_rig import CAMERAS, LOOK, PIXELS, STREET, ServedSite, Town
from firefox_rig import FirefoxPage, firefox
from media_rig import may

pytestmark = pytest.mark.browser

TILES = "[...document.querySelector('overt-wall').renderRoot.querySelectorAll('overt-player')]"


@pytest.fixture(name="page")
def _page(tmp_path: Path) -> Iterator[FirefoxPage]:
    with firefox(tmp_path) as page:
        yield page
    assert page.complaints == []


def test_live_pictures_in_firefox(page: FirefoxPage, town: Town) -> None:
    page.open(town.link().url)
    page.until("document.querySelector('overt-wall') !== null")
    page.until(f"{TILES}.length === {len(CAMERAS)} && {TILES}.every((each) => each.status.phase === 'live')")
    for camera in CAMERAS:
        drawn = f"const now = ({PIXELS})('{camera}'); const reds = now.filter((_, i) => i % 4 === 0);"
        drawn += " if (Math.max(...reds) - Math.min(...reds) <= 40) return false;"
        page.until(f"(() => {{ {drawn} globalThis.before = now; return true; }})()")
        page.until(f"(() => {{ {drawn} return now.filter((value, i) => value !== before[i]).length > 200; }})()")
    page.evaluate(f"{TILES}.find((each) => each.camera === '{STREET}').click()")
    page.until(f"{TILES}.find((each) => each.camera === '{STREET}').getAttribute('showing') === 'main'")
    page.until(f"{TILES}.every((each) => each.status.phase === 'live')")


def test_recorded_pictures_in_firefox(page: FirefoxPage, past: ServedSite) -> None:
    page.open(past.link(may(NORTH, rights=("recorded",))).url)
    page.until("document.querySelector('overt-review')?.day !== undefined")
    page.evaluate(
        "(() => { const date = document.querySelector('overt-review').renderRoot.querySelector('#date');"
        f" date.value = '{DATE}'; date.dispatchEvent(new Event('change')); }})()"
    )
    page.until(f"document.querySelector('overt-review').day.date === '{DATE}'")
    look = f"(({LOOK})())"
    page.until(f"{look}.tiles[0].kind === 'picture'")
    seek = f"{{detail: {{at: {AT + 20}}}, bubbles: true, composed: true}}"
    timeline = "document.querySelector('overt-review').renderRoot.querySelector('overt-timeline')"
    page.evaluate(f"{timeline}.dispatchEvent(new CustomEvent('seek', {seek}))")
    page.until(f"Math.abs({look}.tiles[0].moment - {AT + 20}) < 0.1")
    playback = "document.querySelector('overt-review').playback"
    page.evaluate(f"{playback}.play(1)")
    page.until(f"{look}.tiles[0].moment > {AT + 22}")
    page.evaluate(f"{playback}.play(16)")
    page.until(f"{look}.tiles[0].moment > {AT + 40}")
    page.evaluate(f"{playback}.play(-1)")
    page.until(f"{look}.rate === -1 && {look}.tiles[0].canvas && {look}.tiles[0].kind === 'picture'")
    page.evaluate(f"{playback}.pause()")
