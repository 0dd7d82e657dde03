"""A footage directory, and replays that leave no thread and no open file behind."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from footage_rig import FootageSite, make_footage_site
from overt.recorder.media_plane.replay import Replay


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[FootageSite]:
    made = make_footage_site(tmp_path / "footage")
    yield made
    made.close()


@pytest.fixture
def replay_of(site: FootageSite) -> Iterator[Callable[..., Replay]]:
    """Return a function that makes a replay of the site's footage."""
    made: list[Replay] = []

    def make(**more: Any) -> Replay:
        made.append(Replay(site.directory, **more))
        return made[-1]

    yield make
    for replay in made:
        replay.close()
    left = [thread.name for thread in threading.enumerate() if thread.name.startswith("replay")]
    assert not left, f"threads left behind: {left}"
    opened = [path.readlink() for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
    assert not [path for path in opened if path.suffix == ".ovs"], "segment files left open"
