"""The configuration file: what is lawful, and how the rest is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overt.contract.assignment import Assignment, CameraAssignment
from overt.errors import InvalidError, MissingError, OvertError, UnavailableError
from overt.recorder.configuration import (
    MAX_FILE,
    Configuration,
    ConfigurationSource,
    RecorderSettings,
    camera_argument,
    diff,
    split_address,
)

EXAMPLE = """
[recorder]
footage = "footage"
locations = ["/mnt/second"]
recipients = "site.json"
workers = 2
flush_interval_s = 2
on_full = "delete-oldest"
min_free = "5GB"

[defaults]
username = "viewer"
password_file = "camera-password"
stall_timeout_s = 3

[defaults.retention]
days = 20

[cameras.front-door]
url = "rtsp://192.0.2.7/main"
sub_urls = ["rtsp://192.0.2.7/sub", "rtsp://192.0.2.8/sub"]
transport = "tcp"
audio = true

[[cameras.front-door.holds]]
from = 2026-03-29T00:00:00Z
to = 2026-03-29T03:00:00+01:00
reason = "incident 7"

[cameras.yard]
url = "rtsps://owner:own%20secret@192.0.2.9/1"
retention = { bytes = "500GB" }
tls = { ca_file = "ca.pem" }
"""


def load(folder: Path, text: str | bytes) -> Configuration:
    path = folder / "overt.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return ConfigurationSource(path).load()


def test_a_whole_file(tmp_path: Path) -> None:
    (tmp_path / "camera-password").write_text("hush hush\n")
    configuration = load(tmp_path, EXAMPLE)
    assert configuration.settings == RecorderSettings(
        footage=tmp_path / "footage",
        locations=(Path("/mnt/second"),),
        recipients=tmp_path / "site.json",
        workers=2,
        flush_interval_s=2,
        on_full="delete-oldest",
        min_free=5_000_000_000,
    )
    door, yard = configuration.assignment.cameras
    assert [str(key) for key in door.keys] == ["front-door/main", "front-door/sub"]
    assert [stream.transport for stream in door.streams] == ["tcp", "tcp"]
    assert door.username == "viewer"
    assert door.password is not None
    assert door.password.get_secret_value() == "hush hush"
    assert (door.audio, door.stall_timeout_s, door.retention.days) == (True, 3, 20)
    assert door.holds[0].end_ns - door.holds[0].start_ns == 2 * 3600 * 10**9
    assert yard.username == "owner", "a user in the address must not be joined with the defaults' password"
    assert yard.password is not None
    assert yard.password.get_secret_value() == "own secret"
    assert yard.retention.bytes == 500_000_000_000
    assert yard.tls.ca_file == tmp_path / "ca.pem"


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("footage = \nx = 1\n", InvalidError, "overt.toml: is not valid TOML: .*line 1"),
        (b"\xff\xfe", InvalidError, "is not valid TOML"),
        (b"x = " + b"[" * 100_000, InvalidError, "is not valid TOML"),
        ("#" * (MAX_FILE + 1), InvalidError, "is longer than"),
        ("[recoder]\n", InvalidError, "unknown key 'recoder' .did you mean 'recorder'"),
        ("[recorder]\n", InvalidError, "no footage directory: give --footage DIR"),
        ("recorder = 1\n", InvalidError, "'recorder' must be a table"),
        ("[recorder]\nfootage = 'f'\nworker = 1\n", InvalidError, r"\[recorder\] unknown key 'worker' .*'workers'"),
        ("[recorder]\nfootage = 'f'\nworkers = -1\n", InvalidError, r"\[recorder\] 'workers' must be greater than"),
        ("[recorder]\nfootage = 'f'\non_full = 'panic'\n", InvalidError, "must be 'stop' or 'delete-oldest'"),
        ("[recorder]\nfootage = 'f'\nmin_free = 'lots'\n", InvalidError, "'min_free'"),
        ("[recorder]\nfootage = 'f'\nlisten = '9470'\n", InvalidError, "'listen' must be HOST:PORT"),
        ("[recorder]\nfootage = 7\n", InvalidError, "'footage'"),
        ("[defaults]\nurl = 'x'\n", InvalidError, r"\[defaults\] unknown key 'url'"),
        ("[cameras]\na = 3\n", InvalidError, "'a' must be a table"),
        ("[cameras.a]\n", InvalidError, r"\[cameras.a\]: 'url' is missing"),
        ("[cameras.a]\nsub_url = 'rtsp://h/1'\n", InvalidError, "'url' is missing"),
        ("[cameras.a]\nurl = 'rtsp://h/1'\nurls = ['rtsp://h/2']\n", InvalidError, "'url' or 'urls', not both"),
        ("[cameras.a]\nurl = 'http://h/1'\n", InvalidError, r"\[cameras.a\]: 'url' must be an address that begins"),
        ("[cameras.a]\nurl = 'rtsp://h/1'\nsub_url = 3\n", InvalidError, r"\[cameras.a\]: 'sub_url'"),
        ("[cameras.a]\nurl = 'rtsp://h/1'\ntransport = 'x'\n", InvalidError, "'transport' must be 'auto', 'tcp' or"),
        ("[cameras.a]\nurl = 'rtsp://h/1'\ntrnsport = 'x'\n", InvalidError, "did you mean 'transport'"),
        ("[cameras.a]\nurl = 'rtsp://h/1'\naudio = 'maybe'\n", InvalidError, "'audio' must be a valid boolean"),
        ("[cameras.a]\nurl = 'rtsp://h/1'\nretention = {day = 1}\n", InvalidError, "'retention.day' .*'days'"),
        ("[cameras.a]\nurl = 'rtsp://h/1'\nusername='u'\npassword_file = 'none'\n", UnavailableError, "cannot be read"),
        ("[cameras.a]\nurl = 'rtsp://h/1'\npassword_file = 'a'\npassword = 'b'\n", InvalidError, "not both"),
        ("[cameras.Big]\nurl = 'rtsp://h/1'\n", InvalidError, "'Big' is not a usable name"),
        (
            "[cameras.a]\nurl = 'rtsp://h/1'\n[[cameras.a.holds]]\nfrom=2026-01-01\nto=2026-01-02\n",
            InvalidError,
            "moment",
        ),
        (
            "[cameras.a]\nurl = 'rtsp://h/1'\n[[cameras.a.holds]]\nfrom=2026-01-01T00:00:00\nto=2026-01-02T00:00:00Z\n",
            InvalidError,
            "offset",
        ),
    ],
)
def test_a_refusal_names_file_table_key_and_what_is_lawful(
    tmp_path: Path, text: str | bytes, error: type[OvertError], says: str
) -> None:
    if isinstance(text, str) and text.startswith(("[cameras", "[defaults")):
        text = "[recorder]\nfootage = 'f'\n" + text
    with pytest.raises(error, match=says) as caught:
        load(tmp_path, text)
    assert "overt.toml" in str(caught.value)


def test_a_missing_file_and_a_directory_are_named(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no such file"):
        ConfigurationSource(tmp_path / "none.toml").load()
    with pytest.raises(UnavailableError, match="directory"):
        ConfigurationSource(tmp_path).load()


SECRET = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=8, max_size=12).map("hush".__add__)


@given(secret=SECRET, key=st.sampled_from(["username", "url", "urls", "tls", "audio", "stall_timeout_s", "retention"]))
@settings(max_examples=40)
def test_no_refusal_repeats_a_value(secret: str, key: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    text = f"[recorder]\nfootage='f'\n[cameras.a]\nurl='rtsp://a:{secret}@/x'\npassword = ['{secret}']\n"
    if key != "url":
        text += f"{key} = {{ x = '{secret}' }}\n"
    with pytest.raises(InvalidError) as caught:
        load(tmp_path_factory.getbasetemp(), text)
    assert secret not in str(caught.value)


def test_the_command_line_wins_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "overt.toml"
    path.write_text("[recorder]\nfootage = 'f'\nworkers = 1\n[cameras.a]\nurl = 'rtsp://h/1'\n")
    source = ConfigurationSource(
        path, (("footage", Path("/elsewhere")), ("workers", 3)), (camera_argument("b=rtsp://h/2"),)
    )
    configuration = source.load(revision=9)
    assert (configuration.settings.footage, configuration.settings.workers) == (Path("/elsewhere"), 3)
    assert [camera.name for camera in configuration.assignment.cameras] == ["a", "b"]
    assert configuration.assignment.revision == 9
    with pytest.raises(InvalidError, match="'a' stands twice"):
        ConfigurationSource(path, (), (camera_argument("a=rtsp://h/2"),)).load()


@given(
    name=st.from_regex(r"[a-z0-9]([a-z0-9_-]{0,20}[a-z0-9])?", fullmatch=True),
    user=st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=8),
    secret=SECRET,
    path=st.from_regex(r"[A-Za-z0-9/?&=._-]{0,30}", fullmatch=True),
)
@settings(max_examples=50)
def test_camera_strings(name: str, user: str, secret: str, path: str) -> None:
    camera = camera_argument(f"{name}=rtsp://{user}:{secret}@192.0.2.7:8554/{path}")
    assert camera.name == name
    assert camera.username == user
    assert camera.streams[0].urls == (f"rtsp://192.0.2.7:8554/{path}",)
    assert secret not in repr(camera)


@given(st.text(max_size=60))
def test_any_camera_string_is_read_or_refused_without_repeating_the_address(text: str) -> None:
    try:
        camera = camera_argument(text)
    except InvalidError:
        return
    assert isinstance(camera, CameraAssignment)


@pytest.mark.parametrize("text", ["door", "rtsp://u:hush@h/x=1", "=rtsp://h/1", "door=", "door=h/1", "Door=rtsp://h/1"])
def test_wrong_camera_strings(text: str) -> None:
    with pytest.raises(InvalidError, match="--camera") as caught:
        camera_argument(text)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("127.0.0.1:0", ("127.0.0.1", 0)), ("[::1]:9470", ("::1", 9470)), ("cctv.lan:1", ("cctv.lan", 1))],
)
def test_addresses(text: str, expected: tuple[str, int]) -> None:
    assert split_address(text) == expected


@pytest.mark.parametrize("text", ["", "h", ":1", "h:", "h:70000", "::1:5", "h:1:2", "h:x"])
def test_wrong_addresses(text: str) -> None:
    with pytest.raises(InvalidError, match="HOST:PORT"):
        split_address(text)


def assignment(**urls: str) -> Assignment:
    return Assignment(revision=1, cameras=tuple(camera_argument(f"{name}={url}") for name, url in urls.items()))


def test_the_difference_between_two_assignments() -> None:
    old = assignment(a="rtsp://h/1", b="rtsp://h/2", c="rtsp://h/3", d="rtsp://h/4")
    kept = old.cameras[3].model_copy(
        update={"holds": (), "retention": old.cameras[3].retention.model_copy(update={"days": 2})}
    )
    new = Assignment(revision=2, cameras=(*assignment(a="rtsp://h/1", b="rtsp://h/9", e="rtsp://h/5").cameras, kept))
    change = diff(old, new)
    assert [camera.name for camera in change.start] == ["e"]
    assert change.stop == ("c",)
    assert [camera.name for camera in change.change] == ["b"]
    assert [camera.name for camera in change.adjust] == ["d"]
    assert not diff(new, new)


NAMES = st.sets(st.sampled_from("abcdef"))


@given(NAMES, NAMES, st.sets(st.sampled_from("abcdef")))
def test_a_difference_applied_gives_the_new_assignment(before: set[str], after: set[str], moved: set[str]) -> None:
    old = assignment(**dict.fromkeys(sorted(before), "rtsp://h/1"))
    new = assignment(**{name: f"rtsp://h/{2 if name in moved else 1}" for name in sorted(after)})
    change = diff(old, new)
    running = {camera.name: camera for camera in old.cameras if camera.name not in change.stop}
    running |= {camera.name: camera for camera in (*change.start, *change.change, *change.adjust)}
    assert running == {camera.name: camera for camera in new.cameras}
