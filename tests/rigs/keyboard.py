"""A page by its keyboard alone: Tab goes from control to control, and where the focus is can be seen."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Page

FOCUSED: Final = """() => {
  let each = document.activeElement;
  while (each?.shadowRoot?.activeElement) each = each.shadowRoot.activeElement;
  if (each === null || each === document.body || each === document.documentElement) return null;
  const words = (element) => [...(element?.childNodes ?? [])]
    .filter((part) => part.nodeType !== Node.COMMENT_NODE && !part.contains(each))
    .map((part) => part.textContent).join(" ");
  const root = each.getRootNode();
  const by = each.getAttribute("aria-labelledby")?.split(" ").map((id) => words(root.getElementById(id))).join(" ");
  const inner = each.localName === "select" || each.localName === "input" ? each.title : words(each) || each.title;
  const name = each.getAttribute("aria-label") ?? by ?? (each.labels?.length ? words(each.labels[0]) : inner);

  const drawn = (style) => style.boxShadow !== "none" || (style.outlineStyle !== "none"
    && parseFloat(style.outlineWidth) > 0 && !/, 0\\)$/.test(style.outlineColor))
    || style.backgroundColor === "rgb(255, 221, 0)";
  const label = each.labels?.[0];
  const touch = each.querySelector?.(".touch");
  const visible = drawn(getComputedStyle(each)) || (label && drawn(getComputedStyle(label, "::before")))
    || (touch && getComputedStyle(touch).fill !== "rgba(0, 0, 0, 0)");

  // What lies at its centre, or the centre of what is on the screen of it: itself, or what belongs to it.
  const {left, right, top, bottom} = each.getBoundingClientRect();
  const x = (Math.max(left, 0) + Math.min(right, innerWidth)) / 2;
  const y = (Math.max(top, 0) + Math.min(bottom, innerHeight)) / 2;
  let hit = document.elementFromPoint(x, y);
  while (hit?.shadowRoot?.elementFromPoint(x, y)) {
    const inside = hit.shadowRoot.elementFromPoint(x, y);
    if (inside === hit) break;
    hit = inside;
  }
  const above = [];
  for (let at = hit; at; at = at.assignedSlot ?? at.parentNode ?? at.host) above.push(at);
  const around = [];
  for (let at = each; at; at = at.assignedSlot ?? at.parentNode ?? at.host) around.push(at);
  const seen = right > 0 && bottom > 0 && left < innerWidth && top < innerHeight
    && (above.includes(each) || around.includes(hit) || above.includes(label));

  globalThis.focusNumbers ??= new WeakMap();
  globalThis.focusCount ??= 0;
  if (!globalThis.focusNumbers.has(each)) globalThis.focusNumbers.set(each, ++globalThis.focusCount);
  return {number: globalThis.focusNumbers.get(each), name: name.trim().replaceAll(/\\s+/g, " "),
    kind: each.type || each.getAttribute("role") || each.localName, visible: Boolean(visible), seen};
}"""
"""What has the focus: its name, and whether somebody sees that it has it. Null: nothing has."""
MOST: Final = 200
"""Controls of one page."""
TRAPPED: Final = 8
"""Presses of Tab that leave the focus where it is. A box for a date takes four of its own."""


@dataclass(frozen=True)
class Focused:
    """What has the focus."""

    number: int
    name: str
    kind: str
    visible: bool
    seen: bool


class Keyboard:
    """Somebody without a mouse."""

    def __init__(self, page: Page) -> None:
        self.page = page
        # So that no dialog of the system's opens, from the start and not from the moment at which one is waited for.
        page.on("filechooser", lambda _: None)
        self.faults: list[str] = []
        """What could be reached, and not be seen to be."""

    @property
    def at(self) -> Focused | None:
        """What has the focus now."""
        found: dict[str, Any] | None = self.page.evaluate(FOCUSED)
        return None if found is None else Focused(**found)

    def press(self, *keys: str) -> None:
        """Press keys one after the other."""
        for key in keys:
            self.page.keyboard.press(key)

    def type(self, words: str) -> None:
        """Type words."""
        self.page.keyboard.type(words)

    def to(self, name: str, *, back: bool = False, whole: bool = True) -> Focused:
        """Go on with the tabulator until what is called so has the focus.

        The focus must be seen on the way and at the end, go round, and stay nowhere.
        """
        passed: list[str] = []
        first: int | None = None
        # Within a box for a date, a browser draws itself what has the focus.
        before, same = (self.at.number if self.at else 0), 0
        for _ in range(MOST):
            self.press("Shift+Tab" if back else "Tab")
            found = self.at
            if found is None:
                continue
            same = same + 1 if found.number == before else 0
            assert same < TRAPPED, f"the focus is caught in {found.name}"
            if found.number != before and not (found.visible and found.seen):
                self.faults.append(f"{found.name} ({found.kind}) has the focus, and nobody sees it: {found}")
            if found.name == name or (not whole and name in found.name):
                return found
            if found.number == first and before != first:
                break
            first = first or found.number
            before = found.number
            passed.append(found.name)
        raise AssertionError(f"{name} cannot be reached: {passed}")

    def press_on(self, name: str, key: str = "Enter", *, whole: bool = True) -> None:
        """Go to what is called so, and press a key on it."""
        self.to(name, whole=whole)
        self.press(key)

    def fill(self, name: str, words: str) -> None:
        """Go to a field and type in it, in place of what it holds."""
        self.to(name)
        self.press("ControlOrMeta+a")
        self.type(words)

    def choose(self, name: str, option: str) -> None:
        """Go to a closed list and choose by typing the beginning of what is wanted."""
        self.to(name)
        self.type(option)

    def radio(self, name: str) -> None:
        """Go to the next group of radio buttons, and along it with the arrow keys."""
        for _ in range(MOST):
            self.press("Tab")
            if self.at is not None and self.at.kind == "radio":
                break
        for _ in range(MOST):
            found = self.at
            assert found is not None
            assert found.kind == "radio", f"{name} is no radio button of {found}"
            if found.name == name:
                self.press("Space")
                return
            self.press("ArrowDown")
        raise AssertionError(f"{name} is not in the group")

    def date(self, name: str, day: dt.date) -> None:
        """Go to a box for a date and type one: the twelfth of December, say, as browsers differ in what comes first."""
        assert day.day == day.month
        self.to(name)
        self.type(f"{day:%d%m%Y}")

    def bring(self, name: str, file: Path) -> None:
        """Go to the field for a file, and choose one; the dialog for that is the system's own."""
        self.to(name)
        with self.page.expect_file_chooser() as chooser:
            self.press("Enter")
        chooser.value.set_files(file)

    def check(self) -> None:
        """Nothing had the focus unseen."""
        assert not self.faults, "\n".join(dict.fromkeys(self.faults))
