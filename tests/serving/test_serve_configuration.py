"""The one configuration of `overt serve`."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overt.cli.serving.configuration import SHARED, read_configuration
from overt.control.configuration import ControlSettings
from overt.control.order import ControlOrder
from overt.errors import InvalidError
from overt.recorder.configuration import ConfigurationSource


def written(folder: Path, text: str) -> Path:
    path = folder / "overt.toml"
    path.write_text(text)
    return path


def test_paths_are_relative_to_the_file_and_options_win(tmp_path: Path) -> None:
    path = written(tmp_path, '[control]\ndata = "things"\norganisation = "Northshire"\nplain_http = true\n')
    found = read_configuration(path, {"organisation": "Southshire"})
    assert found.control.data == tmp_path / "things"
    assert found.control.organisation == "Southshire"
    assert found.certificate is None


def test_the_recorder_takes_what_follows_from_the_control_room(tmp_path: Path) -> None:
    path = written(
        tmp_path, '[control]\ndata = "d"\nnames = ["cctv.example.org"]\n[recorder]\nring_s = 60\nworkers = 1\n'
    )
    found = read_configuration(path, {})
    settings = ConfigurationSource(overrides=tuple(found.recorder_overrides().items())).load().settings
    assert settings.ring_s == 60
    assert settings.footage == tmp_path / "d" / "footage"
    assert settings.media_listen == "127.0.0.1:8444"
    assert "https://cctv.example.org:8443" in settings.media_origins
    assert settings.serves_media
    assert settings.media_certificate == tmp_path / "d" / "tls" / "certificate.pem"


@pytest.mark.parametrize("key", SHARED)
def test_what_is_said_once_is_not_said_twice(tmp_path: Path, key: str) -> None:
    path = written(tmp_path, f'[control]\nplain_http = true\n[recorder]\n{key} = "x"\n')
    with pytest.raises(InvalidError, match=f"'{key}' follows from \\[control\\]"):
        read_configuration(path, {})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[cameras.front]\nurl = 'rtsp://192.0.2.7/'\n", "entered on the pages of the control room"),
        ("[controll]\n", "did you mean 'control'"),
        ("[control]\nplain_http = true\nlisten = '0.0.0.0:80'\n", "'plain_http' is for loopback alone"),
        ("[control]\ncertificate = 'c.pem'\n", "belong together"),
        ("[control]\nnames = ['https://x']\n", "must be host names"),
        ("[control]\ndatabase = 3\n", r"\[control\]"),
        (
            "[control]\nplain_http = true\n[recorder]\nlisten = 'nonsense'\n",
            r"overt.toml: \[recorder\] 'listen' must be HOST:PORT",
        ),
        ("[control\n", "is not valid TOML"),
    ],
)
def test_a_refusal_says_what_would_be_lawful(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InvalidError, match=words):
        read_configuration(written(tmp_path, text), {"data": tmp_path / "data"})


def test_a_password_in_the_database_address_is_never_repeated(tmp_path: Path) -> None:
    path = written(tmp_path, '[control]\nplain_http = true\ndatabase = "postgresql://u:s3cret@h/n"\n')
    found = read_configuration(path, {})
    assert "s3cret" not in repr(found)
    with pytest.raises(InvalidError) as refusal:
        read_configuration(written(tmp_path, '[control]\ndatabase = ["s3cret"]\n'), {})
    assert "s3cret" not in str(refusal.value)


@given(organisation=st.text(max_size=60), listener=st.integers(0, 1000), password=st.text(max_size=20))
def test_an_order_comes_through_whole(organisation: str, listener: int, password: str) -> None:
    settings = ControlSettings(data=Path("x"), organisation=organisation, database=password, plain_http=True)
    order = ControlOrder(settings, listener, ("a", "b"))
    assert ControlOrder.from_line(order.to_line()) == order


@given(st.text())
def test_what_is_no_order_is_refused(line: str) -> None:
    with pytest.raises(InvalidError):
        ControlOrder.from_line(line)
