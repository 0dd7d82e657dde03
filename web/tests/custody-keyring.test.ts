// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { KeyringError, identityOf, newRecovery, newRoleKey, openKeyring, parseKeyring, recipientOf, sealKeyring, tidyRecovery } from "../src/custody/keyring.ts";

async function vector<T>(name: string): Promise<T> {
  return JSON.parse(await readFile(new URL(`../../docs/formats/vectors/${name}`, import.meta.url), "utf8")) as T;
}

interface Vectors {
  security_keys: { prf_output: string; credential_id: string; identity: string; recipient: string }[];
  recovery: { secret: string; recipient: string; typed: string[]; mistyped: string[] };
  keyrings: { role: string; plaintext: string; keyring: string }[];
  refused: { why: string; plaintext: string }[];
}

const vectors = await vector<Vectors>("keyring.json");
const bytes = (digits: string): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.from(digits, "hex"));

test("the PRF output and the credential id of a security key give the identity of the vectors", async () => {
  for (const { prf_output, credential_id, identity, recipient } of vectors.security_keys) {
    assert.equal(await identityOf(bytes(prf_output), bytes(credential_id)), identity);
    assert.equal(await recipientOf(identity), recipient);
  }
});

test("a keyring that Python sealed opens with each security key and with the paper", async () => {
  const secrets = [...vectors.security_keys.map(({ identity }) => identity), vectors.recovery.secret];
  for (const { keyring, plaintext, role } of vectors.keyrings) {
    for (const secret of secrets) {
      const opened = await openKeyring(keyring, secret);
      assert.equal(opened.role, role);
      assert.deepEqual(opened, await parseKeyring(plaintext));
    }
  }
});

test("the kept keyring of the page opens, and holds the keys that were made for it", async () => {
  const { identities, recovery, keys, keyring } = await vector<{ identities: string[]; recovery: { secret: string }; keys: unknown; keyring: string }>("keyring-page.json");
  for (const secret of [...identities, recovery.secret]) assert.deepEqual((await openKeyring(keyring, secret)).keys, keys);
});

test("what is sealed here opens for its recipients and for nobody else", async () => {
  const [one, other, stranger] = [await newRecovery(), await newRecovery(), await newRecovery()];
  const { key, public_key } = await newRoleKey();
  assert.match(public_key, /^[0-9a-f]{64}$/);
  const keyring = { site_id: "00000000-0000-4000-8000-000000000001", role: "custodian", keys: [key] };
  const sealed = await sealKeyring(keyring, [one.recipient, other.recipient]);
  assert.ok(!sealed.includes(key.private_key));
  assert.deepEqual(await openKeyring(sealed, one.secret), keyring);
  assert.deepEqual(await openKeyring(sealed.replaceAll("\n", "\r\n"), other.secret), keyring);
  await assert.rejects(openKeyring(sealed, stranger.secret), (fault) => fault instanceof KeyringError && /not sealed to this key/.test(fault.message));
  const lines = sealed.split("\n");
  lines[lines.length - 3] = (lines.at(-3) as string).replace(/^./, (first) => (first === "A" ? "B" : "A"));
  await assert.rejects(openKeyring(lines.join("\n"), one.secret), KeyringError);
  await assert.rejects(openKeyring("no age file", one.secret), KeyringError);
  await assert.rejects(openKeyring(`${sealed}${" ".repeat(200_000)}`, one.secret), KeyringError);
});

test("a keyring is sealed to security keys alone, each once", async () => {
  const { recipient } = await newRecovery();
  const keyring = { site_id: "00000000-0000-4000-8000-000000000001", role: "custodian", keys: [(await newRoleKey()).key] };
  for (const recipients of [[], [recipient, recipient], ["age1pq1qqqq"], [recipient.slice(0, -1)], ["passphrase"]]) {
    await assert.rejects(sealKeyring(keyring, recipients), KeyringError);
  }
  await assert.rejects(sealKeyring({ ...keyring, role: "Not a name" }, [recipient]), KeyringError);
});

test("what no reader takes is refused in words that repeat no key", async () => {
  for (const { why, plaintext } of vectors.refused) {
    await assert.rejects(parseKeyring(plaintext), (fault) => fault instanceof KeyringError && !/(?:11|ab){20}/i.test(fault.message), why);
  }
});

test("a recovery secret is taken as people type it", () => {
  const { secret, typed, mistyped } = vectors.recovery;
  for (const each of [secret, ...typed]) assert.equal(tidyRecovery(each), secret);
  for (const each of mistyped) {
    assert.throws(() => tidyRecovery(each), (fault) => fault instanceof KeyringError && !fault.message.includes("4242"));
  }
});
