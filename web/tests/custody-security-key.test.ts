// SPDX-License-Identifier: Apache-2.0
// What virtual keys in a browser cannot show (tests/browser/test_security_keys.py has the rest).
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { identityOf, recipientOf } from "../src/custody/keyring.ts";
import { type Fault, SecurityKeyError, enrol, touch } from "../src/custody/security-key.ts";

const ID = "AQIDBA";
const RAW = new Uint8Array([1, 2, 3, 4]);
const PRF = new Uint8Array(32).fill(7);
const CREATE = {
  rp: { name: "Northshire", id: "localhost" },
  user: { id: "cm9iaW4", name: "robin", displayName: "Robin Field" },
  challenge: "AAAA",
  pubKeyCredParams: [{ type: "public-key" as const, alg: -7 }],
};
const GET = { challenge: "AAAA", allowCredentials: [{ type: "public-key" as const, id: ID }] };

interface Stubbed {
  create?: (asked: CredentialCreationOptions) => Promise<unknown>;
  get?: (asked: CredentialRequestOptions) => Promise<unknown>;
}

function browser(credentials: Stubbed, secure = true): void {
  Object.defineProperty(globalThis, "navigator", { value: { credentials }, configurable: true });
  Object.defineProperty(globalThis, "isSecureContext", { value: secure, configurable: true });
  Object.defineProperty(globalThis, "PublicKeyCredential", { value: class {}, configurable: true });
}

afterEach(() => browser({}, false));

function credential(outputs: unknown, response: unknown, rawId = RAW): unknown {
  const id = Buffer.from(rawId).toString("base64url");
  return { id, rawId: rawId.buffer, type: "public-key", authenticatorAttachment: "cross-platform", response, getClientExtensionResults: () => outputs };
}

const made = (outputs: unknown): unknown =>
  credential(outputs, {
    clientDataJSON: new ArrayBuffer(2),
    attestationObject: new ArrayBuffer(3),
    getAuthenticatorData: () => new ArrayBuffer(37),
    getTransports: () => ["usb"],
    getPublicKeyAlgorithm: () => -7,
  });
const used = (outputs: unknown, rawId = RAW): unknown =>
  credential(outputs, { clientDataJSON: new ArrayBuffer(2), authenticatorData: new ArrayBuffer(37), signature: new ArrayBuffer(8), userHandle: null }, rawId);
const refused = (fault: Fault) => (error: unknown) => error instanceof SecurityKeyError && error.fault === fault && error.message.length > 20;
const fails = (name: string) => async () => {
  throw new DOMException("as the browser words it", name);
};

test("a key that gives its PRF with an assertion only is touched a second time, that key and no other", async () => {
  let second: PublicKeyCredentialRequestOptions | undefined;
  browser({
    create: async () => made({ prf: { enabled: true } }),
    get: async (asked) => {
      second = asked.publicKey;
      return used({ prf: { results: { first: Uint8Array.from(PRF).buffer } } });
    },
  });
  const { registration, recipient } = await enrol(CREATE);
  assert.equal(recipient, await recipientOf(await identityOf(PRF, RAW)));
  assert.deepEqual(second?.allowCredentials?.map(({ id }) => [...(id as Uint8Array)]), [[1, 2, 3, 4]]);
  assert.equal(second?.userVerification, "required");
  assert.equal((second?.challenge as Uint8Array).length, 32);
  assert.deepEqual(registration.clientExtensionResults, { prf: { enabled: true } });
});

test("what the PRF gives is overwritten and in nothing that goes to a server", async () => {
  const output = Uint8Array.from(PRF);
  browser({ get: async () => used({ prf: { results: { first: output.buffer } } }) });
  const { assertion } = await touch(GET);
  assert.deepEqual([...output], Array(32).fill(0));
  assert.ok(!JSON.stringify(assertion).includes(Buffer.from(PRF).toString("base64url")));
});

test("what is asked for is a verified owner of a key in the hand, whatever the options say", async () => {
  let asked: PublicKeyCredentialCreationOptions | undefined;
  browser({
    create: async (options) => {
      asked = options.publicKey;
      return made({});
    },
  });
  const selection = { userVerification: "discouraged" as const, authenticatorAttachment: "platform" as const, residentKey: "discouraged" as const };
  await assert.rejects(enrol({ ...CREATE, authenticatorSelection: selection }), refused("no-prf"));
  assert.deepEqual(asked?.authenticatorSelection, { userVerification: "required", authenticatorAttachment: "cross-platform", residentKey: "discouraged" });
});

test("every fault is said in words of ours", async () => {
  browser({ get: async () => used({ prf: { results: { first: PRF.buffer } } }, new Uint8Array([9])) });
  await assert.rejects(touch(GET), refused("other-key"));
  browser({ get: async () => used({}) });
  await assert.rejects(touch(GET), refused("no-prf"));
  const faults: Record<string, Fault> = { NotAllowedError: "cancelled", AbortError: "cancelled", SecurityError: "browser", ConstraintError: "unverified", DataError: "failed" };
  for (const [name, fault] of Object.entries(faults)) {
    browser({ get: fails(name), create: fails(name) });
    await assert.rejects(touch(GET), refused(fault));
    await assert.rejects(enrol(CREATE), refused(fault));
  }
  browser({ get: async () => null, create: fails("InvalidStateError") });
  await assert.rejects(touch(GET), refused("cancelled"));
  await assert.rejects(enrol(CREATE), refused("known"));
});

test("where the address is not secure the page says what to do", async () => {
  browser({}, false);
  await assert.rejects(touch(GET), refused("browser"));
  await assert.rejects(enrol(CREATE), /over https/);
});
