"""The page in a browser. One recorder and one browser for all tests of a process; a context of its own for each."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Playwright, expect, sync_playwright

from archive_rig import past
from browser_rig import PATIENCE_MS, Figure, Screen, ServedSite, Town, launch, town
from recorder_rig import make_site
from room_rig import Council, Wall, council, unlock

expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="session", name="playwright")
def _playwright() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session", name="chromium")
def _chromium(playwright: Playwright) -> Iterator[Browser]:
    browser = launch(playwright)
    yield browser
    browser.close()


@pytest.fixture(scope="session", name="town")
def _town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with town(make_site(tmp_path_factory.mktemp("t"))) as made:
        yield made


@pytest.fixture(scope="session", name="past")
def _past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedSite]:
    with past(make_site(tmp_path_factory.mktemp("p"))) as made:
        yield made


@pytest.fixture(name="new_screen")
def _new_screen(chromium: Browser) -> Iterator[Callable[[], Screen]]:
    """Makes pages that know nothing of each other; what the browser complained about is a failure."""
    made: list[Screen] = []

    def make() -> Screen:
        context = chromium.new_context(viewport={"width": 1366, "height": 768}, locale="en-GB")
        made.append(Screen(context))
        return made[-1]

    yield make
    for screen in made:
        screen.page.context.close()
    for screen in made:
        screen.calm()


@pytest.fixture(name="screen")
def _screen(new_screen: Callable[[], Screen]) -> Screen:
    return new_screen()


@pytest.fixture(name="figure")
def _figure(request: pytest.FixtureRequest) -> Figure:
    """Takes what was measured; it is appended to the file that `OVERT_FIGURES` names, if that is set."""
    file = os.environ.get("OVERT_FIGURES")

    def take(name: str, value: float) -> None:
        if file is not None:
            with Path(file).open("a") as lines:
                lines.write(json.dumps({"test": request.node.name, "figure": name, "value": value}) + "\n")

    return take


@pytest.fixture(scope="session", name="council")
def _council(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Council]:
    with council(tmp_path_factory.mktemp("c") / "council") as made:
        unlock(made)
        yield made


@pytest.fixture(name="wall")
def _wall(chromium: Browser) -> Iterator[Wall]:
    context = chromium.new_context(viewport={"width": 1366, "height": 768}, locale="en-GB", accept_downloads=True)
    made = Wall(context)
    yield made
    left = list(made.complaints)
    context.close()  # what a page complains of that is torn down in the middle of its work is nobody's fault
    made.complaints[:] = left
    made.calm()
