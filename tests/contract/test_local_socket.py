"""The recorder's Unix socket: private, replaced only when dead, at a path of any length."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from overt.contract import local_socket
from overt.errors import UnavailableError


def test_a_dead_recorders_socket_is_replaced_and_a_living_ones_is_not(tmp_path: Path) -> None:
    path = tmp_path / "r.sock"
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(path))
    dead.close()
    living = local_socket.listen(path)
    with pytest.raises(UnavailableError, match="another recorder"):
        local_socket.listen(path)
    assert path.exists()
    living.close()


def test_a_path_longer_than_the_kernel_takes_is_served_reached_and_found_taken(tmp_path: Path) -> None:
    path = tmp_path / ("a" * 90) / ("b" * 90) / "recorder.sock"
    path.parent.mkdir(parents=True)
    with local_socket.listen(path) as listener, local_socket.connect(path, 1.0) as caller:
        accepted, _ = listener.accept()
        with accepted:
            caller.sendall(b"ask")
            assert accepted.recv(3) == b"ask"
        with pytest.raises(UnavailableError, match="another recorder"):
            local_socket.listen(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with local_socket.listen(path):
        assert path.is_socket()


def test_what_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "r.sock"
    path.write_text("precious")
    with pytest.raises(UnavailableError, match="cannot listen"):
        local_socket.listen(path)
    assert path.read_text() == "precious"


def test_paths_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="too long"):
        local_socket.listen(tmp_path / ("x" * 120))
    with pytest.raises(UnavailableError, match="cannot listen"):
        local_socket.listen(tmp_path / "none" / "r.sock")
    with pytest.raises(UnavailableError, match="cannot listen"):
        local_socket.listen(tmp_path / "none" / ("y" * 90) / "r.sock")


def test_the_socket_is_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with local_socket.listen(tmp_path / "r.sock"):
            assert stat.S_IMODE((tmp_path / "r.sock").stat().st_mode) == 0o600
    finally:
        os.umask(before)
