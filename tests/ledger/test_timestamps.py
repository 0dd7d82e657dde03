"""Time stamps of an authority that openssl makes, asked over HTTP and verified without a network."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from ledger_rig import SECOND, LedgerSite, bodies_of, entries, fabricated, forge, plain_leaves
from overt.cli.main import main
from overt.clock import SystemClock
from overt.errors import CorruptError, InvalidError
from overt.ledger import timestamps
from overt.ledger.reader import LedgerReader
from ports import free_port

CONFIGURATION = """
[req]
distinguished_name = dn
prompt = no
[dn]
CN = A root for tests
[root]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign
subjectKeyIdentifier = hash
[stamping]
basicConstraints = critical,CA:false
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[tsa]
default_tsa = tsa1
[tsa1]
dir = .
serial = ./serial
crypto_device = builtin
signer_cert = ./tsa.pem
signer_key = ./tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
ess_cert_id_alg = sha256
"""


class Authority:
    """A root, and a time-stamping authority under it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "root.pem"
        folder.mkdir()
        (folder / "c.cnf").write_text(CONFIGURATION)
        (folder / "serial").write_text("01\n")
        for name, subject, extensions in (("root", "/CN=A root for tests", "root"), ("tsa", "/CN=A clock", "stamping")):
            self.openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", f"{name}.key")
            making = ["-config", "c.cnf", "-key", f"{name}.key", "-subj", subject]
            self.openssl("req", "-new", *making, "-out", f"{name}.csr")
            signed_by = ["-signkey", "root.key"] if name == "root" else ["-CA", "root.pem", "-CAkey", "root.key"]
            lasting = ["-days", "2", "-extfile", "c.cnf", "-extensions", extensions, "-CAcreateserial"]
            self.openssl("x509", "-req", "-in", f"{name}.csr", *signed_by, *lasting, "-out", f"{name}.pem")

    def openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True, timeout=60)

    def answer(self, query: bytes) -> bytes:
        (self.folder / "query").write_bytes(query)
        self.openssl("ts", "-reply", "-config", "c.cnf", "-queryfile", "query", "-out", "reply")
        return (self.folder / "reply").read_bytes()


@pytest.fixture(name="authority", scope="module")
def _authority(swift: Path) -> Authority:
    return Authority(swift / "authority")


@pytest.fixture(name="address")
def _address(authority: Authority) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = self.rfile.read(int(self.headers["content-length"]))
            answer = authority.answer(query) if self.headers["content-type"] == timestamps.QUERY_TYPE else b""
            self.send_response(200)
            self.send_header("content-type", timestamps.REPLY_TYPE)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/tsr"
        server.shutdown()
        thread.join()


def test_a_checkpoint_is_stamped_and_the_stamp_verified(
    site: LedgerSite, authority: Authority, address: str, capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    site.clock.ns = SystemClock().utc_ns()
    site.fill(10)
    stamp = ["ledger", "stamp", str(site.directory), address, "--tsa", str(authority.root)]
    verify = ["ledger", "verify", str(site.directory), "--key", str(site.signer.verifier)]
    assert main(stamp) == 0
    assert "10 leaves stamped at 20" in capsys.readouterr().out
    assert main([*verify, "--tsa", str(authority.root)]) == 0
    assert "stamped  10 leaves, at 20" in capsys.readouterr().out
    assert main(verify) == 0
    assert "1 time stamps were not verified" in capsys.readouterr().out
    other = Authority(folder / "other")
    assert main([*verify, "--tsa", str(other.root)]) == 7
    assert "does not hold" in capsys.readouterr().out
    assert main([*stamp[:-1], str(other.root)]) == 7
    leaves, lines = plain_leaves(site.directory), bodies_of(site.directory)
    leaf, line = fabricated("look.opened", LedgerReader(site.directory).leaf(9).time_ns, {})
    forge(site.directory, site.signer, [*leaves[:9], leaf], [*lines[:9], line])
    capsys.readouterr()
    assert main([*verify, "--tsa", str(authority.root)]) == 7
    assert "its key signed two trees of 10 leaves" in capsys.readouterr().out
    assert main(stamp) == 5
    assert "forked" in capsys.readouterr().err
    shutil.rmtree(site.directory / "stamped")
    assert main([*stamp[:3], f"http://127.0.0.1:{free_port()}/", *stamp[4:]]) == 6


def test_a_leaf_backdated_behind_a_stamp_is_told(
    site: LedgerSite, authority: Authority, capsys: pytest.CaptureFixture[str]
) -> None:
    site.clock.ns = SystemClock().utc_ns() - 3600 * SECOND
    site.fill(5)
    signed = LedgerReader(site.directory).checkpoint
    timestamps.keep(site.directory, signed, authority.answer(timestamps.request(signed).data))
    with site.open() as ledger:
        ledger.append_all(entries(5, 1))
    assert main(["ledger", "verify", str(site.directory), "--tsa", str(authority.root)]) == 0
    out = capsys.readouterr().out
    assert "leaf 5 (camera.added, " in out
    assert "when the time-stamping authority signed a tree that did not have it" in out


def test_stamps_of_something_else_do_not_hold(site: LedgerSite, authority: Authority, folder: Path) -> None:
    site.fill(1)
    first = LedgerReader(site.directory).checkpoint
    site.fill(2)
    second = LedgerReader(site.directory).checkpoint
    roots = timestamps.read_roots(authority.root)
    asked = timestamps.request(first)
    answer = authority.answer(asked.data)
    assert timestamps.stamp_time(first, answer, roots, nonce=asked.nonce) > 0
    for signed, data, nonce in (
        (second, answer, None),
        (first, answer, 7),
        (first, answer[:-10], None),
        (first, b"", None),
        (first, b"\x30\x03\x02\x01\x02", None),
        (first, answer.replace(b"A clock", b"A Clock"), None),
    ):
        with pytest.raises(CorruptError, match="does not hold"):
            timestamps.stamp_time(signed, data, roots, nonce=nonce)
    (folder / "no.pem").write_text("nothing")
    with pytest.raises(InvalidError):
        timestamps.read_roots(folder / "no.pem")
