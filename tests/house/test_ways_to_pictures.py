"""Every way to pictures of the past leaves a leaf: commands, pages and operations, each sorted into one of two kinds.

Whoever adds a command, a page of viewing or an operation has to say here whether it opens anything, and so does whoever
opens a key or releases one in another module.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from typer.main import get_command

from address_table import rows
from overt.cli.main import application

SOURCE: Final = Path(__file__).parents[2] / "src" / "overt"

OPENING_COMMANDS: Final = {"export": "tests/cli/test_opened.py", "view": "tests/cli/test_view_command.py"}
"""Give footage, or the way to it; the test that each leaves a leaf first."""
OTHER_COMMANDS: Final = {
    "serve": "runs the control room, which is below",
    "demo": "the same, with cameras that are not there",
    "backup": "keeps no footage",
    "restore": "keeps no footage",
    "record": "seals; opens nothing",
    "spans": "reads the index",
    "reconcile": "reads what is sealed",
    "keys create": "makes a key",
    "keys show": "reads what a key file says openly",
    "keys recipients": "writes public keys",
    "keys change-passphrase": "opens the key, no footage",
    "keys recover": "opens the key, no footage",
    "keys check": "opens the key, no footage",
    "keys recover-keyring": "opens the key, no footage",
    "keys grant-key": "makes a key that opens live pictures alone, through a recorder",
    "ledger verify": "reads a ledger",
    "ledger footage": "reads what is sealed",
    "ledger consents": "reads a ledger",
    "ledger show": "reads a ledger",
    "ledger prove": "reads a ledger",
    "ledger accept": "writes cosignatures",
    "ledger ask": "asks witnesses",
    "ledger stamp": "asks an authority",
    "witness init": "makes a key",
    "witness cosign": "reads ledgers",
    "witness serve": "reads proofs",
    "simulate": "shows pictures of cameras that are not there",
    "bench capture": "opens its own footage of cameras that are not there",
    "bench disk": "writes noise",
}

OPENING_ADDRESSES: Final = {
    "viewing:new-grant",
    "viewing:change-grant",
    "viewing:clip",
    "POST /api/v1/viewing/grants",
    "PUT /api/v1/viewing/grants/<grant>",
    "viewing:keys-opened",
    "custody:consent",
    "custody:recover",
}
"""Through `Holder.give`, `change`, `take` and `opened`, which write first (tests/control/test_viewing_grants.py), and
what gives out wraps to whoever touched a key, behind a leaf of that (tests/control/test_custody_looks.py)."""
OTHER_VIEWING: Final = {
    "viewing:heartbeat": "gives what was given",
    "viewing:close-grant": "ends",
    "POST /api/v1/viewing/grants/<grant>/heartbeat": "gives what was given",
    "DELETE /api/v1/viewing/grants/<grant>": "ends",
    "viewing:wall": "empty without a grant",
    "viewing:review": "empty without a grant",
    "viewing:catalogue": "names",
    "GET /api/v1/viewing/cameras": "names",
    "viewing:footage-key": "unlocks the key for grants; a leaf of its own",
    "viewing:make-footage-key": "makes a key; a leaf of its own",
    "viewing:lock": "locks",
    "viewing:ask-keys": "asks security keys",
    "viewing:key-drill": "asks security keys",
}
OTHER_CUSTODY: Final = (
    "keys", "waiting", "register", "key-options", "new-key", "approve", "ask-approval", "end-key",
    "seal", "keyring", "ask-to-seal", "policy", "ask-to-switch",
    "request", "request-state", "begin-recovery", "bring", "refuse",
)  # fmt: skip
"""Register keys, seal keyrings, ask, and take back what a page has opened: nothing of footage is given out."""
REGISTERS: Final = ("purpose", "layout", "tour", "plan", "pins", "shift")
"""Of viewing: rows and pictures of floor plans, none of a camera."""
OTHER_APPS: Final = (
    "people:",
    "estate:",
    "health:",
    "audit:",
    "witnessing:",
    "account_",
    "mfa_",
    "openid_connect_",
    "first",
)
OTHER_OPERATIONS: Final = (
    "acts", "cameras", "sites", "groups", "people", "roles", "me", "health", "openapi.json", "",
    "tokens", "recorder",
)  # fmt: skip
"""First word of the path below /api/v1."""

KEY_OPENERS: Final = {
    "cli/export.py": "open_with_passphrase, open_with_recovery_code: `open_keys`, for the two commands above",
    "cli/keys.py": "checks and changes passphrases",
    "cli/keyring_recovery.py": "turns a keyring into a key file",
    "control/viewing/custody.py": "the control room's custody",
}
RELEASERS: Final = {
    "control/viewing/grants.py": "Holder, behind its leaves",
    "control/viewing/custody.py": "the function itself",
}
STORE_OPENERS: Final = {
    "cli/export.py": "behind its leaf",
    "cli/view.py": "behind its leaf",
    "cli/bench/recorder_process.py": "its own footage",
}


def commands() -> Iterator[str]:
    """Every command by its words."""

    def walk(command: Any, words: tuple[str, ...]) -> Iterator[str]:
        inner = getattr(command, "commands", None)
        if inner is None:
            yield " ".join(words)
            return
        for name, each in inner.items():
            yield from walk(each, (*words, name))

    yield from walk(get_command(application()), ())


def test_every_command_is_sorted() -> None:
    there = set(commands())
    sorted_ones = set(OPENING_COMMANDS) | set(OTHER_COMMANDS)
    assert there == sorted_ones, f"say here whether they open footage: {sorted(there ^ sorted_ones)}"
    for name, test in OPENING_COMMANDS.items():
        assert (Path(__file__).parents[2] / test).exists(), name


def test_commands_that_open_footage_ask_for_a_purpose() -> None:
    top: Any = get_command(application())
    for name in OPENING_COMMANDS:
        options = {each.name: each for each in top.commands[name].params}
        assert options["purpose"].required, name
        assert "reference" in options, name


def opens_nothing(name: str) -> bool:
    """Whether a page or operation is known to give no picture of the past."""
    if name in OTHER_VIEWING or name.startswith(OTHER_APPS):
        return True
    if name.startswith("custody:"):
        return name.removeprefix("custody:") in OTHER_CUSTODY
    if "/api/v1/" in name:
        first, _, rest = name.partition("/api/v1/")[2].partition("/")
        if first != "viewing":
            return first in OTHER_OPERATIONS
        return rest.startswith(REGISTERS)
    return name.startswith("viewing:") and any(each in name for each in REGISTERS)


def test_every_page_and_operation_is_sorted() -> None:
    there = set(rows())
    assert there >= OPENING_ADDRESSES
    assert there >= set(OTHER_VIEWING)
    unsorted = {name for name in there - OPENING_ADDRESSES if not opens_nothing(name)}
    assert not unsorted, f"say here whether they give pictures of the past: {sorted(unsorted)}"


def callers(*names: str) -> set[str]:
    """Modules that call functions or methods of these names."""
    found = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in names:
                found.add(str(path.relative_to(SOURCE)))
    return found


def test_keys_are_opened_and_released_where_a_leaf_is_written_first() -> None:
    assert callers("open_with_passphrase", "open_with_recovery_code", "open_keyring") == set(KEY_OPENERS)
    assert callers("StoredPeriods") == set(STORE_OPENERS)
    grants = {path for path in callers("release") if path.startswith("control/")}
    assert grants <= set(RELEASERS), f"release keys: {sorted(grants - set(RELEASERS))}"
