"""What somebody with the disk, and mostly with the key too, might do to a ledger; and what an auditor then reads."""

from __future__ import annotations

import shutil
from contextlib import nullcontext
from pathlib import Path

import pytest

from ledger_rig import (
    SECOND,
    START_NS,
    LedgerSite,
    SetClock,
    bodies_of,
    entries,
    entry,
    fabricated,
    forge,
    ledger_site,
    plain_leaves,
)
from overt.errors import CorruptError, MissingError
from overt.ledger.checkpoint import Checkpoint, SignedCheckpoint, sign
from overt.ledger.findings import FindingKind, Report
from overt.ledger.ledger import Ledger
from overt.ledger.note import NoteSigner
from overt.ledger.reader import LedgerReader
from overt.ledger.tiles import DirectorySource
from overt.ledger.verifying import Copy, Kept, Trust, verify
from overt.ledger.witnessing import Witness

SIZE = 600


class Scene:
    """A ledger of 600 leaves that a witness saw at 300 and at 600, and the auditor's copy of its checkpoints."""

    def __init__(self, folder: Path) -> None:
        self.site = ledger_site(folder / "ledger")
        self.directory = self.site.directory
        self.witness = Witness.create(folder / "witness", "witness.example/dpo", clock=self.site.clock)
        self.witness.add_log(self.site.signer.verifier)
        self.kept: list[Kept] = []
        for size in (300, SIZE):
            self.site.fill(size)
            self.site.clock.ns += 3600 * SECOND
            self.kept.append(Kept(self.cosigned(), f"kept/{size}"))
            self.site.clock.ns += 3600 * SECOND

    def cosigned(self) -> SignedCheckpoint:
        signed, line = self.witness.cosign(DirectorySource(self.directory))
        return SignedCheckpoint(signed.checkpoint, signed.note.with_signatures([line]))

    def mirror(self) -> Copy:
        known = self.witness.log(self.site.signer.name)
        return Copy(DirectorySource(known.directory), known.mirrored())

    def verify(self, *, kept: bool = False, mirror: bool = False, witnesses: bool = False) -> Report:
        trust = Trust(
            [self.site.signer.verifier],
            kept=self.kept if kept else (),
            copies=[self.mirror()] if mirror else (),
            witnesses=[self.witness.key] if witnesses else (),
        )
        return verify(DirectorySource(self.directory), trust)

    def forge(self, leaves: list[bytes], lines: list[bytes]) -> None:
        forge(self.directory, self.site.signer, leaves, lines)


@pytest.fixture(name="original", scope="module")
def _original(swift: Path) -> Scene:
    return Scene(swift / "original")


@pytest.fixture(name="scene")
def _scene(original: Scene, folder: Path) -> Scene:
    """One's own copy of it, to do harm to."""
    copy = Scene.__new__(Scene)
    shutil.copytree(original.directory, folder / "ledger")
    shutil.copytree(original.witness.state, folder / "witness")
    clock = SetClock(original.site.clock.ns)
    copy.site = LedgerSite(folder / "ledger", original.site.signer, original.site.witness, clock)
    copy.directory = copy.site.directory
    copy.witness = Witness(folder / "witness", clock=clock)
    copy.kept = list(original.kept)
    return copy


def only(report: Report, kind: FindingKind) -> str:
    """There is one fault, of that kind; return what it says."""
    faults = list(report.faults)
    assert [each.kind for each in faults] == [kind], [each.text for each in faults]
    return faults[0].text


def texts(report: Report) -> str:
    return "\n".join(each.text for each in report.faults)


def test_an_honest_ledger_is_sound(scene: Scene) -> None:
    report = scene.verify(kept=True, mirror=True, witnesses=True)
    assert report.findings == []
    assert (report.leaves, report.bodies, report.size) == (SIZE, SIZE, SIZE)
    assert [size for size, _ in report.cosigned] == [300, SIZE]


# Leaves.


def test_rewritten_leaf_under_a_new_signature(scene: Scene) -> None:
    leaves, lines = plain_leaves(scene.directory), bodies_of(scene.directory)
    time_ns = LedgerReader(scene.directory).leaf(123).time_ns
    leaves[123], lines[123] = fabricated("look.opened", time_ns, {"number": 123, "who": "somebody else"})
    scene.forge(leaves, lines)
    assert scene.verify().sound, "by itself it is in order: that is why something is kept elsewhere"
    report = scene.verify(kept=True)
    assert [each.kind for each in report.faults] == [FindingKind.REWRITTEN, FindingKind.FORKED]
    assert "the first 300 leaves are not those that kept/300 was signed over" in texts(report)
    assert "the first that differs is one of 0 to 299" in texts(report)
    finding = next(f for f in scene.verify(mirror=True).faults)
    assert (finding.kind, finding.leaf, finding.leaf_kind) == (FindingKind.REWRITTEN, 123, "look.opened")
    assert "leaf 123 (look.opened, 2026-" in finding.text
    assert "It is the first that differs" in finding.text


def test_the_range_of_a_rewritten_leaf_is_narrowed_by_the_checkpoints_that_still_fit(scene: Scene) -> None:
    leaves, lines = plain_leaves(scene.directory), bodies_of(scene.directory)
    leaves[450], lines[450] = fabricated("look.opened", LedgerReader(scene.directory).leaf(450).time_ns, {})
    scene.forge(leaves, lines)
    report = scene.verify(kept=True)
    assert "the first that differs is one of 300 to 599" in texts(report)
    assert "its key signed two trees of 600 leaves" in texts(report)


def test_deleted_leaf(scene: Scene) -> None:
    leaves, lines = plain_leaves(scene.directory), bodies_of(scene.directory)
    del leaves[257], lines[257]
    scene.forge(leaves, lines)
    assert scene.verify().sound
    report = scene.verify(kept=True, mirror=True)
    kinds = [each.kind for each in report.faults]
    assert kinds == [FindingKind.REWRITTEN, FindingKind.SHORTENED, FindingKind.DELETED]
    assert "leaf 599 is the first that is gone" in texts(report)
    assert "leaf 257" in texts(report)
    assert "was taken out of the ledger" in texts(report)


def test_inserted_leaf(scene: Scene) -> None:
    leaves, lines = plain_leaves(scene.directory), bodies_of(scene.directory)
    leaf, line = fabricated("look.closed", LedgerReader(scene.directory).leaf(9).time_ns, {})
    leaves.insert(10, leaf)
    lines.insert(10, line)
    scene.forge(leaves, lines)
    report = scene.verify(mirror=True)
    assert "leaf 10 (look.closed," in only(report, FindingKind.INSERTED)


def test_backdated_leaf_at_the_end(scene: Scene) -> None:
    leaves, lines = plain_leaves(scene.directory), bodies_of(scene.directory)
    leaf, line = fabricated("look.opened", START_NS, {"purpose": "made up afterwards"})
    scene.forge([*leaves, leaf], [*lines, line])
    text = only(scene.verify(kept=True, mirror=True), FindingKind.BACKWARDS)
    assert text.startswith("leaf 600 (look.opened, 2026-10-26T")
    assert "it was backdated" in text


def test_leaf_dated_before_a_witness_saw_that_it_was_not_there(scene: Scene) -> None:
    leaves, lines = plain_leaves(scene.directory), bodies_of(scene.directory)
    leaf, line = fabricated("look.opened", LedgerReader(scene.directory).leaf(599).time_ns + SECOND, {})
    scene.forge([*leaves, leaf], [*lines, line])
    report = scene.verify(kept=True, mirror=True, witnesses=True)
    assert report.sound
    told = {each.kind: each for each in report.findings}
    assert told[FindingKind.LATE].leaf == 600
    assert "it was backdated, or the witness was shown an older copy" in told[FindingKind.LATE].text
    assert told[FindingKind.UNWITNESSED].leaf == 600


def test_leaf_edited_in_its_bundle_alone(scene: Scene) -> None:
    path = scene.directory / "tile/entries/001"
    data = path.read_bytes()
    path.write_bytes(data.replace(b"look.opened", b"look.closed", 1))
    finding = next(f for f in scene.verify(kept=True).faults)
    assert (finding.kind, finding.leaf) == (FindingKind.REWRITTEN, 258)
    assert "is not the one whose hash stands in tile/0/001" in finding.text


# Tiles and files.


@pytest.mark.parametrize("path", ["tile/0/000", "tile/0/001", "tile/0/002.p/88", "tile/1/000.p/2"])
def test_replaced_tiles(scene: Scene, path: str) -> None:
    data = bytearray((scene.directory / path).read_bytes())
    data[40] ^= 1
    (scene.directory / path).write_bytes(data)
    faults = list(scene.verify().faults)
    assert [each.kind for each in faults] == [FindingKind.TILE if "/1/" in path else FindingKind.REWRITTEN]
    assert path in faults[0].text
    named = r"tile/1/000.p/2 is not what tile/0/001 makes it" if "/1/" in path else r"leaf 513 in"
    with pytest.raises(CorruptError, match=named) if path.endswith(("/88", "/2")) else nullcontext():
        Ledger(scene.directory, scene.site.signer, clock=scene.site.clock).close()


@pytest.mark.parametrize("path", ["tile/0/000", "tile/entries/000", "tile/entries/002.p/88", "tile/1/000.p/2"])
def test_removed_tiles(scene: Scene, path: str) -> None:
    (scene.directory / path).unlink()
    faults = list(scene.verify().faults)
    assert faults[0].kind is FindingKind.MISSING
    assert "missing" in faults[0].text
    with pytest.raises(CorruptError):
        Ledger(scene.directory, scene.site.signer)


def test_all_of_the_upper_tiles_left_as_they_were(scene: Scene) -> None:
    """Leaf, its tile and the checkpoint are forged, the tile above is not; the witness still names the leaf."""
    old = {path: (scene.directory / path).read_bytes() for path in ("tile/1/000.p/2",)}
    leaves, lines = plain_leaves(scene.directory), bodies_of(scene.directory)
    leaves[5], lines[5] = fabricated("look.opened", LedgerReader(scene.directory).leaf(5).time_ns, {})
    scene.forge(leaves, lines)
    for path, data in old.items():
        (scene.directory / path).write_bytes(data)
    assert "leaves 0 to 255 are not those that tile/1/000.p/2 was made from" in texts(scene.verify())
    with pytest.raises(CorruptError, match="leaf 5 "):
        scene.witness.cosign(DirectorySource(scene.directory))


def test_bodies_edited(scene: Scene) -> None:
    path = scene.directory / "bodies/001"
    data = path.read_bytes()
    path.write_bytes(data.replace(b"person-1", b"person-2", 1))
    text = only(scene.verify(), FindingKind.BODY_ALTERED)
    assert "was altered: it is not the one that the leaf commits to" in text
    with pytest.raises(CorruptError, match="was altered"):
        [LedgerReader(scene.directory).body(index) for index in range(256, 512)]


def test_bodies_removed_and_bodies_pruned_are_told_apart(scene: Scene) -> None:
    with scene.site.open() as ledger:
        ledger.prune([1, 2, 3])
    report = scene.verify()
    assert report.sound
    assert [each.text for each in report.findings] == ["3 bodies were pruned; their leaves stand"]
    (scene.directory / "bodies/001").unlink()
    report = scene.verify()
    assert report.counts[FindingKind.BODY_MISSING] == 256
    assert len([each for each in report.faults if each.kind is FindingKind.BODY_MISSING]) == 20
    assert "leaf 256 (camera.added," not in texts(report)
    assert "the body of leaf 256 (look.closed," in texts(report)


def test_everything_edited_at_once_names_each(scene: Scene) -> None:
    """The administrator edits the bodies and the tiles, and cannot sign."""
    leaves, lines = plain_leaves(scene.directory), bodies_of(scene.directory)
    signed = (scene.directory / "checkpoint").read_bytes()
    leaves[77], lines[77] = fabricated("look.opened", LedgerReader(scene.directory).leaf(77).time_ns, {})
    scene.forge(leaves, lines)
    (scene.directory / "checkpoint").write_bytes(signed)
    assert "are not those that" in only(scene.verify(), FindingKind.REWRITTEN)
    with pytest.raises(CorruptError, match="not those that the checkpoint was signed over"):
        Ledger(scene.directory, scene.site.signer)


# Histories.


def test_rolled_back_directory(scene: Scene, folder: Path) -> None:
    with scene.site.open() as ledger:
        shutil.copytree(scene.directory, folder / "old")
        ledger.append_all(entries(SIZE, 30))
    signed, _ = scene.witness.cosign(DirectorySource(scene.directory))
    shutil.rmtree(scene.directory)
    (folder / "old").rename(scene.directory)
    assert scene.verify().sound
    scene.kept.append(Kept(signed, "kept/630"))
    text = only(scene.verify(kept=True), FindingKind.SHORTENED)
    assert "630 leaves were signed for in kept/630, and the ledger has 600: leaf 600 is the first that is gone" in text
    assert "leaf 600 is the first that is gone" in only(scene.verify(mirror=True), FindingKind.SHORTENED)
    with pytest.raises(CorruptError, match=r"shortened: this witness saw 630 leaves at 2026.*leaf 600 is the first"):
        scene.witness.cosign(DirectorySource(scene.directory))
    with scene.site.open() as ledger, pytest.raises(CorruptError, match="leaf 600 is the first that is missing"):
        ledger._require_seen(signed)


def test_forked_tree_shown_to_two_witnesses(scene: Scene, folder: Path) -> None:
    other = Witness.create(folder / "other", "witness.example/police", clock=scene.site.clock)
    other.add_log(scene.site.signer.verifier)
    shutil.copytree(scene.directory, folder / "fork")
    fork = LedgerSite(folder / "fork", scene.site.signer, scene.site.witness, SetClock(scene.site.clock.ns))
    with scene.site.open() as ledger:
        ledger.append(entry(600))
    with fork.open() as ledger:
        ledger.append(entry(600, who="nobody"))
    seen, _ = scene.witness.cosign(DirectorySource(scene.directory))
    shown, _ = other.cosign(DirectorySource(fork.directory))
    assert seen.size == shown.size == 601
    with pytest.raises(CorruptError, match=r"was forked: leaf 600 \(look.opened, .*is another than this witness saw"):
        scene.witness.cosign(DirectorySource(fork.directory))
    assert list((scene.witness.log(seen.checkpoint.origin).directory / "refused").iterdir())
    scene.kept.append(Kept(shown, "the police's checkpoint"))
    report = scene.verify(kept=True)
    assert "the ledger was forked: its key signed two trees of 601 leaves" in texts(report)
    assert FindingKind.FORKED in {each.kind for each in report.faults}


def test_history_rewritten_behind_a_witness_is_refused_by_the_leaf(scene: Scene) -> None:
    leaves, lines = plain_leaves(scene.directory), bodies_of(scene.directory)
    leaves[301], lines[301] = fabricated("camera.added", LedgerReader(scene.directory).leaf(301).time_ns, {})
    leaf, line = fabricated("look.opened", scene.site.clock.ns, {})
    scene.forge([*leaves, leaf], [*lines, line])
    with pytest.raises(CorruptError, match=r"was rewritten: leaf 301 \(camera.added, .*It is the first that differs"):
        scene.witness.cosign(DirectorySource(scene.directory))
    known = scene.witness.log(scene.site.signer.name)
    assert known.mirrored() == SIZE, "what it knows stays as it was"
    assert [each.name[:4] for each in (known.directory / "refused").iterdir()] == ["601-"]


# Keys and signatures.


def test_wrong_signing_key(scene: Scene) -> None:
    stranger = NoteSigner.generate(scene.site.signer.name)
    current = SignedCheckpoint.parse((scene.directory / "checkpoint").read_bytes())
    (scene.directory / "checkpoint").write_bytes(sign(current.checkpoint, stranger).encode())
    text = only(scene.verify(kept=True), FindingKind.KEY)
    assert "not by the right key" in text
    with pytest.raises(CorruptError):
        LedgerReader(scene.directory)
    with pytest.raises(CorruptError):
        scene.witness.cosign(DirectorySource(scene.directory))
    with pytest.raises(CorruptError):
        Ledger(scene.directory, scene.site.signer)


def test_wrong_key_in_the_marker_too(scene: Scene) -> None:
    """All that the ledger says of itself is exchanged; the key that was kept is not."""
    stranger = NoteSigner.generate(scene.site.signer.name)
    forge(scene.directory, stranger, plain_leaves(scene.directory), bodies_of(scene.directory))
    marker = scene.directory / "ledger.json"
    marker.write_text(marker.read_text().replace(str(scene.site.signer.verifier), str(stranger.verifier)))
    assert LedgerReader(scene.directory).size == SIZE
    only(scene.verify(), FindingKind.KEY)


def test_signature_that_does_not_fit_the_text(scene: Scene) -> None:
    path = scene.directory / "checkpoint"
    path.write_bytes(path.read_bytes().replace(b"\n600\n", b"\n599\n"))
    assert FindingKind.SIGNATURE in {each.kind for each in scene.verify().faults}


def test_checkpoint_missing_or_in_pieces(scene: Scene) -> None:
    path = scene.directory / "checkpoint"
    path.write_bytes(path.read_bytes()[:50])
    only(scene.verify(), FindingKind.CHECKPOINT)
    path.unlink()
    assert "nothing says which leaves there must be" in only(scene.verify(), FindingKind.CHECKPOINT)
    with pytest.raises(CorruptError):
        Ledger(scene.directory, scene.site.signer)


def test_checkpoint_that_claims_any_number_of_leaves(scene: Scene) -> None:
    forged = sign(Checkpoint(scene.site.signer.name, 1 << 62, bytes(32)), scene.site.signer)
    (scene.directory / "checkpoint").write_bytes(forged.encode())
    report = scene.verify()
    assert not report.sound
    assert "ends before leaf 600, which is signed for" in texts(report) or "leaves 512 to 767 are gone" in texts(report)
    with pytest.raises(CorruptError):
        Ledger(scene.directory, scene.site.signer)
    with pytest.raises((CorruptError, MissingError)):
        scene.witness.cosign(DirectorySource(scene.directory))


def test_cosignatures_that_are_required_and_not_there(scene: Scene) -> None:
    stranger = NoteSigner.generate("witness.example/nobody", 4)
    trust = Trust([scene.site.signer.verifier], kept=scene.kept, witnesses=[stranger.verifier])
    report = verify(DirectorySource(scene.directory), trust)
    assert "no checkpoint of this ledger was cosigned by 1 of the given witnesses" in only(report, FindingKind.WITNESS)
    assert FindingKind.UNKNOWN_WITNESS in {each.kind for each in report.findings}
    both = Trust(
        [scene.site.signer.verifier], kept=scene.kept, witnesses=[stranger.verifier, scene.witness.key], quorum=1
    )
    assert verify(DirectorySource(scene.directory), both).sound


def test_cosignature_that_is_false(scene: Scene) -> None:
    signed = scene.kept[1].signed
    lines = [line for line in signed.note.signatures if line.name == scene.witness.key.name]
    broken = type(lines[0])(lines[0].name, lines[0].key_id, lines[0].blob[:8] + bytes(64))
    scene.kept[1] = Kept(SignedCheckpoint(signed.checkpoint, signed.note.with_signatures([broken])), "kept/600")
    assert "is false" in only(scene.verify(kept=True, witnesses=True), FindingKind.SIGNATURE)


def test_a_witness_knows_only_what_it_was_told(scene: Scene, folder: Path) -> None:
    fresh = Witness.create(folder / "fresh", "witness.example/fresh")
    with pytest.raises(MissingError, match="does not know"):
        fresh.cosign(DirectorySource(scene.directory))


def test_a_clock_set_back_is_told_and_no_fault(scene: Scene) -> None:
    with scene.site.open() as ledger:
        scene.site.clock.ns -= 86400 * SECOND
        ledger.append_all(entries(SIZE, 3))
    report = scene.verify()
    assert report.sound
    assert [each.kind for each in report.findings] == [FindingKind.CLOCK]
    assert "the machine's clock was" in report.findings[0].text
