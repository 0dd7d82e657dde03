// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { type Keyring, openKeyring } from "../src/custody/keyring.ts";
import { WrapError, decodeWrap, infoOf, openLayer } from "../src/custody/wrap.ts";

const folder = new URL("../../docs/formats/vectors/", import.meta.url);
const footage = JSON.parse(await readFile(new URL("footage.json", folder), "utf8")) as {
  root: string;
  wraps: { policy: string; wrapped_key: string; roles: { role: string; info: string }[] }[];
};
const rings = JSON.parse(await readFile(new URL("keyring.json", folder), "utf8")) as {
  security_keys: { identity: string }[];
  keyrings: { role: string; keyring: string }[];
};
const identity = rings.security_keys[0]?.identity as string;
const bytes = (digits: string): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.from(digits, "hex"));
const digits = (data: Uint8Array): string => Buffer.from(data).toString("hex");

async function keyringOf(role: string): Promise<Keyring> {
  return await openKeyring(rings.keyrings.find((each) => each.role === role)?.keyring as string, identity);
}

const custodian = await keyringOf("custodian");
const witness = await keyringOf("witness");
const [single, double] = footage.wraps.map(({ wrapped_key }) => bytes(wrapped_key)) as [Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>];

test("a wrap for one role opens with the keyring of that role", async () => {
  const wrap = decodeWrap(single);
  assert.deepEqual([wrap.camera, wrap.stream, wrap.layers.length], ["front-door", "main", 1]);
  assert.equal(digits(await openLayer(wrap, 0, wrap.sealed, custodian)), footage.root);
});

test("a wrap for four eyes opens layer by layer, the witness first", async () => {
  const wrap = decodeWrap(double);
  const inner = await openLayer(wrap, 1, wrap.sealed, witness);
  assert.equal(inner.length, 80);
  assert.equal(digits(await openLayer(wrap, 0, inner, custodian)), footage.root);
  await assert.rejects(openLayer(wrap, 0, wrap.sealed, custodian), WrapError);
  await assert.rejects(openLayer(wrap, 1, wrap.sealed, custodian), /needs the role witness/);
  await assert.rejects(openLayer(wrap, 0, inner, witness), /needs the role custodian/);
});

test("the info of each layer is that of the vectors", () => {
  for (const { wrapped_key, roles } of footage.wraps) {
    const wrap = decodeWrap(bytes(wrapped_key));
    roles.forEach(({ info }, number) => assert.equal(digits(infoOf(wrap, number)), info));
  }
});

test("every altered byte of a wrap is told", async () => {
  for (let at = 0; at < double.length; at += 1) {
    const altered = new Uint8Array(double);
    altered[at] = (altered[at] as number) ^ 1;
    await assert.rejects(async () => {
      const wrap = decodeWrap(altered);
      const inner = await openLayer(wrap, 1, wrap.sealed, witness);
      await openLayer(wrap, 0, inner, custodian);
    }, (fault) => fault instanceof WrapError && !/browser/.test(fault.message));
  }
});

test("an encapsulated key of small order is an altered wrap", async () => {
  const altered = new Uint8Array(single);
  altered.fill(0, altered.length - 80, altered.length - 48);
  const wrap = decodeWrap(altered);
  await assert.rejects(openLayer(wrap, 0, wrap.sealed, custodian), /the wrapped key was altered/);
});

test("a wrap that is cut or too long is refused in words", () => {
  for (let length = 0; length < double.length; length += 1) {
    assert.throws(() => decodeWrap(double.subarray(0, length)), WrapError);
  }
  assert.throws(() => decodeWrap(new Uint8Array(600)), /at most 512/);
  assert.throws(() => decodeWrap(Uint8Array.from([...double, 0])), WrapError);
});

test("another site, a key that is not held, and a layer that is none", async () => {
  const wrap = decodeWrap(single);
  const elsewhere = { ...custodian, site_id: "00000000-0000-4000-8000-00000000000f" };
  await assert.rejects(openLayer(wrap, 0, wrap.sealed, elsewhere), /is of site/);
  const older = { ...custodian, keys: custodian.keys.slice(0, 1) };
  await assert.rejects(openLayer(wrap, 0, wrap.sealed, older), /needs key d19bf3f082782c87 of the role custodian/);
  await assert.rejects(openLayer(wrap, 1, wrap.sealed, custodian), WrapError);
});
