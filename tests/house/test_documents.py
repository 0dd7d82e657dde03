"""The documents keep what they promise: links lead somewhere, every page is found, names are complete."""

from __future__ import annotations

import ast
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import get_args

import pytest

import overt
from overt.contract.fact import DISK_STATES, GAP_CAUSES, STREAM_STATES, DeletionReason
from overt.control.health.kinds import KINDS
from overt.errors import OvertError
from overt.footage.differences import DifferenceKind
from overt.footage.gaps import GapCause
from overt.footage.rows import SegmentState
from overt.recorder.health import LEVELS, WorkerState

ROOT = Path(__file__).parents[2]
SOURCE = Path(overt.__file__).parent
DOCS = ROOT / "docs"
PAGES = sorted(
    [*ROOT.glob("*.md"), *(page for top in ("docs", "src", "tests", "bench") for page in ROOT.glob(f"{top}/**/*.md"))]
)
MODULES = sorted(SOURCE.glob("**/*.py"))

FENCE = re.compile(r"^(```+|~~~+).*?^\1[ \t]*$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`[^`\n]*`")
LINK = re.compile(r"\[(?:[^\[\]]|\[[^\[\]]*\])*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
OUR_PATH = re.compile(r"(?<![\w/.-])(?:bench|docs|packaging|src|tests)/[\w./-]*\w")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def prose(page: Path) -> str:
    """Return the text of a page without its blocks of code."""
    return FENCE.sub("", page.read_text(encoding="utf-8"))


@cache
def anchors(page: Path) -> frozenset[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    found: list[str] = []
    for heading in re.findall(r"^#{1,6}[ \t]+(.+?)[ \t]*#*$", prose(page), re.MULTILINE):
        text = unicodedata.normalize("NFC", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)).lower()
        slug = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        found.append(f"{slug}-{found.count(slug)}" if slug in found else slug)
    return frozenset(found)


def links(page: Path) -> Iterator[str]:
    """Yield where the links of a page lead."""
    yield from LINK.findall(INLINE.sub(lambda code: "x" * len(code[0]), prose(page)))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for link in links(page):
        if re.match(r"[a-z][a-z0-9+.-]*:", link):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert not broken


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_files_of_ours_that_are_named_exist(page: Path) -> None:
    text = LINK.sub("", re.sub(r"^\| Source \|.*$", "", prose(page), flags=re.MULTILINE))
    named = {path for code in INLINE.findall(text) for path in OUR_PATH.findall(code)}
    assert not {path for path in named if not (ROOT / path).exists()}


def test_every_page_is_found_from_the_index() -> None:
    index = DOCS / "index.md"
    linked = {
        (page.parent / link.partition("#")[0]).resolve()
        for page in (index, DOCS / "decisions" / "README.md")
        for link in links(page)
    }
    pages = {page.resolve() for page in DOCS.glob("**/*.md")} - {index.resolve()}
    assert not {name_of(page) for page in pages - linked}


def test_every_page_has_one_title() -> None:
    titles = {name_of(page): len(re.findall(r"^# ", prose(page), re.MULTILINE)) for page in PAGES}
    assert not {page: count for page, count in titles.items() if count != 1}


def test_decisions_are_numbered_once_and_in_a_row() -> None:
    pages = sorted((DOCS / "decisions").glob("[0-9]*.md"))
    assert [int(page.name[:4]) for page in pages] == list(range(1, len(pages) + 1))
    for page in pages:
        assert page.read_text(encoding="utf-8").startswith(f"# {int(page.name[:4])}. "), page.name


def test_words_stand_in_the_glossary_once_and_in_order() -> None:
    rows = re.findall(r"^\| (.+?) \|", (DOCS / "glossary.md").read_text(encoding="utf-8"), re.MULTILINE)
    words = [row.lower() for row in rows if row not in {"word", "---"}]
    assert not [word for word, count in Counter(words).items() if count > 1]
    assert words == sorted(words)


def table(page: Path, heading: str) -> dict[str, list[str]]:
    """Return the rows of the first table below a heading: the name in code in the first cell, then the other cells."""
    text = page.read_text(encoding="utf-8")
    section = re.split(r"^#", text.split(f"{heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    rows = re.findall(r"^\| `([^`]+)` \|(.*)\|$", section, re.MULTILINE)
    names = [name for name, _ in rows]
    assert len(names) == len(set(names)), f"{heading}: a name stands twice"
    return {name: [cell.strip() for cell in re.split(r"(?<!\\)\|", cells)] for name, cells in rows}


WORDS = {
    "## Gap causes": tuple(cause.value for cause in GapCause),
    "## Stream states": STREAM_STATES,
    "## Disk states": DISK_STATES,
    "## Health levels": LEVELS,
    "## Worker states": get_args(WorkerState),
    "## Segment states": tuple(state.name.lower() for state in SegmentState),
    "## Deletion reasons": get_args(DeletionReason),
    "## Differences": tuple(kind.value for kind in DifferenceKind),
}


@pytest.mark.parametrize("heading", WORDS)
def test_every_state_and_cause_is_in_the_reference(heading: str) -> None:
    assert sorted(table(DOCS / "reference" / "states-and-causes.md", heading)) == sorted(WORDS[heading])


def test_every_kind_of_condition_is_in_the_reference_as_pages_name_it() -> None:
    rows = table(DOCS / "reference" / "conditions.md", "## Kinds")
    assert {name: cells[:2] for name, cells in rows.items()} == {
        name: [kind.severity.value, kind.words] for name, kind in KINDS.items()
    }


def test_the_contract_knows_no_other_gap_causes() -> None:
    assert set(GAP_CAUSES) < {cause.value for cause in GapCause}


def test_segment_states_have_the_numbers_of_the_reference() -> None:
    rows = table(DOCS / "reference" / "states-and-causes.md", "## Segment states")
    assert {name: int(cells[0]) for name, cells in rows.items()} == {s.name.lower(): int(s) for s in SegmentState}


def test_every_difference_is_said_to_be_repaired_or_not() -> None:
    text = (DOCS / "how-to" / "reconcile-and-repair.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`[a-z-]+`(?:, `[a-z-]+`)*) \|", text, re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"`([a-z-]+)`", row)]
    assert sorted(named) == sorted(kind.value for kind in DifferenceKind)


def kinds() -> Iterator[type[OvertError]]:
    """Yield the kinds of error: the direct heirs of the base."""
    yield from (kind for kind in OvertError.__subclasses__() if kind.__module__ == "overt.errors")


def test_every_kind_of_error_is_in_the_reference() -> None:
    rows = table(DOCS / "reference" / "exit-codes.md", "# Errors and exit codes")
    expected = {kind.kind: (kind.exit_code, kind.http_status) for kind in kinds()}
    assert {name: (int(cells[0]), int(cells[1])) for name, cells in rows.items()} == expected


def test_every_module_says_what_it_is_for() -> None:
    assert MODULES
    ours = [path for path in MODULES if path.parent.name != "migrations"]  # those are written by Django
    silent = [path for path in ours if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))]
    assert not [str(path.relative_to(SOURCE)) for path in silent]


def test_every_room_is_in_the_plan() -> None:
    text = (DOCS / "design" / "rooms.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`overt\.(\w+)`", text))
    there = {path.stem for path in SOURCE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert named == there - {"__init__"}


def test_modules_that_the_plan_names_exist() -> None:
    text = (DOCS / "design" / "rooms.md").read_text(encoding="utf-8")
    named = re.findall(
        r"`((?:cli|contract|control|devices|footage|ledger|media|recorder|sealing|simulator)(?:\.\w+)+)`", text
    )
    assert named
    for name in named:
        path = SOURCE.joinpath(*name.split("."))
        assert path.with_suffix(".py").exists() or path.is_dir(), name


def thread_names() -> Iterator[str]:
    """Yield the names that the code gives to threads; what is put in at run time becomes `*`."""
    for module in MODULES:
        for call in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if not isinstance(call, ast.Call):
                continue
            match ast.unparse(call.func).split(".")[-1]:
                case "Rounds":
                    names = call.args[:1]
                case "Thread" | "ThreadPoolExecutor":
                    names = [each.value for each in call.keywords if each.arg in {"name", "thread_name_prefix"}]
                case _:
                    continue
            for name in names:
                if isinstance(name, ast.Attribute):
                    continue  # told by whoever makes it
                parts = name.values if isinstance(name, ast.JoinedStr) else [name]
                yield "".join(str(part.value) if isinstance(part, ast.Constant) else "*" for part in parts)


def test_every_thread_is_in_the_plan() -> None:
    text = (DOCS / "design" / "rooms.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| [\w ]+ \| `([\w*-]+)` \|", text, re.MULTILINE))
    assert named == set(thread_names())
