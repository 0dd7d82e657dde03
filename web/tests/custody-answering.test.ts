// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { openLayers, toldOf } from "../src/custody/answering.ts";
import { decodeWrap } from "../src/custody/wrap.ts";

const folder = new URL("../../docs/formats/vectors/", import.meta.url);
const footage = JSON.parse(await readFile(new URL("footage.json", folder), "utf8")) as {
  root: string;
  wraps: { wrapped_key: string }[];
};
const rings = JSON.parse(await readFile(new URL("keyring.json", folder), "utf8")) as {
  security_keys: { identity: string }[];
  keyrings: { role: string; keyring: string }[];
};
const identity = rings.security_keys[0]?.identity as string;
const keyring = rings.keyrings.find((each) => each.role === "custodian")?.keyring as string;
const data = Buffer.from(footage.wraps[0]?.wrapped_key as string, "hex");
const wrap = decodeWrap(data);
const each = { wrap: data.toString("base64url"), left: Buffer.from(wrap.sealed).toString("base64url") };
const material = { role: "custodian", keyring, sealed: { [wrap.period]: each } };

test("what was signed for is opened", async () => {
  const { opened, failed } = await openLayers({ cameras: ["front-door"], material, identity });
  assert.equal(Buffer.from(opened[wrap.period] as string, "base64url").toString("hex"), footage.root);
  assert.deepEqual(failed, []);
});

test("attack: a wrap of a camera that was not signed for is not opened", async () => {
  await assert.rejects(openLayers({ cameras: ["back-door"], material, identity }), /another camera .*front-door.* Nothing was opened/);
  await assert.rejects(openLayers({ cameras: [], material, identity }), /another camera/);
  const passed = { ...material, sealed: { "00000000-0000-0000-0000-000000000000": each } };
  await assert.rejects(openLayers({ cameras: ["front-door"], material: passed, identity }), /another camera/);
});

test("a wrap that was altered is told, and keeps no other shut", async () => {
  const left = Buffer.from(wrap.sealed);
  left[40] = (left[40] as number) ^ 1;
  const altered = { ...material, sealed: { [wrap.period]: { ...each, left: left.toString("base64url") } } };
  assert.deepEqual(await openLayers({ cameras: ["front-door"], material: altered, identity }), { opened: {}, failed: [wrap.period] });
});

test("what is done is what the signed text says", () => {
  assert.deepEqual(toldOf({ text: '{"cameras":["front-door"]}' }), { cameras: ["front-door"] });
});
