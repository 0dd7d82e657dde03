"""The two ledgers of a running system: the control room witnesses the recorder's, and anybody may witness its own."""

from __future__ import annotations

import ssl
from pathlib import Path

from overt.ledger.marker import read_marker
from overt.ledger.reader import LedgerReader
from recorder_rig import overt, overt_json
from serve_rig import eventually, make_site_key, serving, status

CONFIG = '[control]\nserve_ledger = true\n[recorder]\nworkers = 1\nlisten = "off"\n'


def kinds(ledger: Path) -> list[str]:
    """The kinds of leaves about the recorder."""
    return [leaf.kind for leaf in LedgerReader(ledger).leaves(kinds=["recorder."])]


def test_the_room_witnesses_its_recorder_and_is_witnessed(tmp_path: Path) -> None:
    data, config, ana = tmp_path / "data", tmp_path / "overt.toml", tmp_path / "ana"
    make_site_key(data)
    config.write_text(CONFIG)
    assert overt("witness", "init", "dpo.example/ana", "--state", ana).code == 0
    with serving(data, plain=False, config=config) as served:
        authority = served.told("authority")
        context = ssl.create_default_context(cafile=authority)
        ledger = f"{served.address}/ledger"
        eventually(lambda: status(f"{ledger}/checkpoint", context) == 200)
        eventually(lambda: "recorder.checkpoint" in kinds(data / "ledger"))
        key = str(read_marker(data / "ledger").key)
        told = ("--key", key, "--authority", authority, "--state", ana, "--out", tmp_path / "note")
        done = overt("witness", "cosign", ledger, *told)
        assert done.code == 0, done
        assert {status(f"{ledger}/{path}", context) for path in ("bodies/000", "ledger.json", "journal")} == {404}
        assert served.stop() == 0
    # What witnesses remember is what was written; and the room's own ledger holds the recorder's checkpoint.
    assert overt_json("ledger", "verify", data / "ledger", "--against", ana)["sound"]
    assert overt_json("ledger", "verify", data / "footage" / "ledger", "--against", data / "witness")["sound"]
    assert kinds(data / "ledger")[:2] == ["recorder.ledger", "recorder.checkpoint"]
    assert "recorder.refused" not in kinds(data / "ledger")
