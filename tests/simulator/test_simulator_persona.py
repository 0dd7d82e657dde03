"""Personas: what is refused, and that the message says where it stands."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from overt.errors import InvalidError, MissingError
from overt.simulator import CameraPersona, Persona, Simulator, demo_persona, load_persona
from overt.simulator.persona import parse_persona

GOOD = """listen: 127.0.0.1
cameras:
  - path: high-street
    source: package:dusk_h264.mp4
    faults:
      - {kind: drop, one_in: 500}
      - kind: stall
        at_s: 10
"""


def refused(text: str) -> str:
    with pytest.raises(InvalidError) as caught:
        parse_persona(text, "test.yaml", Path())
    return str(caught.value)


def test_a_good_persona_is_read():
    persona = parse_persona(GOOD, "test.yaml", Path())
    camera = persona.cameras[0]
    assert camera.source.name == "dusk_h264.mp4"
    assert [fault.kind for fault in camera.faults] == ["drop", "stall"]
    assert persona.loopback


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("path: high-street", "path: high-street\n    colour: red", "line 4: cameras[0].colour: Extra inputs"),
        ("path: high-street", "path: /high street", "line 3: cameras[0].path"),
        ("one_in: 500", "one_in: 0", "line 6: cameras[0].faults[0].one_in"),
        ("kind: stall", "kind: nap", "line 7: cameras[0].faults[1]"),
        ("at_s: 10", "at_s: soon", "line 8: cameras[0].faults[1].at_s"),
        ("dusk_h264.mp4", "nowhere.mp4", "line 4: cameras[0].source: there is no file"),
        ("source: package:dusk_h264.mp4", "title: no source", "cameras[0].source: Field required"),
        ("listen: 127.0.0.1", "listen: localhost", "line 1: listen: must be an IP address"),
        ("listen: 127.0.0.1", "listen: [", "not YAML"),
        ("listen: 127.0.0.1", "port: 70000", "line 1: port"),
        ("listen: 127.0.0.1", "port: 1\nport: 2", "line 2: port: stands twice"),
        ("listen: 127.0.0.1", "a: &a 1\nb: *a", "line 2: aliases (*a) are not allowed"),
        ("path: high-street", "path: high-street\n    auth: basic", "auth basic needs a user and a password"),
        ("path: high-street", "path: high-street\n    transport: []", "cameras[0].transport"),
    ],
)
def test_mistakes_are_named_with_file_line_and_field(old, new, words):
    message = refused(GOOD.replace(old, new))
    assert message.startswith("persona test.yaml: ")
    assert words in message


def test_whole_files_that_are_no_personas(tmp_path):
    assert "must be a mapping" in refused("- 1")
    assert "must be a mapping" in refused("")
    assert "cameras: Field required" in refused("listen: 127.0.0.1")
    with pytest.raises(MissingError, match="no such file"):
        load_persona(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"listen: \xff")
    with pytest.raises(InvalidError, match="not UTF-8"):
        load_persona(tmp_path / "latin.yaml")
    (tmp_path / "huge.yaml").write_bytes(b" " * (1024 * 1024 + 1))
    with pytest.raises(InvalidError, match="larger than 256 KiB"):
        load_persona(tmp_path / "huge.yaml")
    assert "more than 20 levels deep" in refused("[" * 5000)


def test_two_cameras_with_one_path_and_too_many_ports():
    twice = GOOD + "  - {path: high-street, source: 'package:dusk_h264.mp4'}\n"
    assert "two cameras have the path 'high-street'" in refused(twice)
    assert "too few ports" in refused(GOOD.replace("listen: 127.0.0.1", "port: 65535") + "    count: 2\n")


def test_sources_are_found_beside_the_persona(tmp_path, clips):
    (tmp_path / "mine.mp4").write_bytes(clips.h264.read_bytes())
    (tmp_path / "persona.yaml").write_text("cameras: [{path: hall, source: mine.mp4, count: 3}]")
    persona = load_persona(tmp_path / "persona.yaml")
    assert [camera.path for camera in persona.each_camera()] == ["hall-1", "hall-2", "hall-3"]
    assert persona.cameras[0].source == tmp_path / "mine.mp4"


def test_the_demo_shows_what_was_promised():
    persona = load_persona(demo_persona())
    assert len({camera.maker for camera in persona.cameras}) == 4
    assert {camera.audio for camera in persona.cameras} == {"none", "pcma"}
    assert all(camera.auth.startswith("digest") for camera in persona.cameras)


def test_a_password_does_not_show(clips):
    camera = CameraPersona(path="hall", source=clips.h264, auth="basic", user="viewer", password="hunter2")
    assert "hunter2" not in repr(camera)


def test_cameras_stay_on_this_machine_unless_allowed(clips):
    persona = Persona(listen="0.0.0.0", cameras=(CameraPersona(path="hall", source=clips.h264),))
    with pytest.raises(InvalidError, match="--allow-public"):
        Simulator(persona)
    Simulator(persona, allow_public=True)


def test_audio_that_the_source_does_not_have(clips):
    with pytest.raises(InvalidError, match="holds no AAC track"):
        Simulator(Persona(cameras=(CameraPersona(path="hall", source=clips.h264, audio="aac"),)))


@given(st.text(max_size=200))
@settings(max_examples=50)
def test_no_text_breaks_the_reader(text):
    with suppress(InvalidError):
        parse_persona(text, "test.yaml", Path())


plain = st.none() | st.booleans() | st.integers(-5, 70_000) | st.text(max_size=5)
keys = st.sampled_from(["path", "source", "faults", "kind", "clock", "cameras", "count", "at_s", "tls", "listen"])
trees = st.recursive(plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4))


@given(st.dictionaries(keys, trees, max_size=4))
@settings(max_examples=100)
def test_no_tree_breaks_the_reader(tree):
    with pytest.raises(InvalidError, match="persona test"):
        parse_persona(yaml.safe_dump(tree), "test.yaml", Path())
