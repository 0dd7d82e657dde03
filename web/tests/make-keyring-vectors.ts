// SPDX-License-Identifier: Apache-2.0
// Makes docs/formats/vectors/keyring-page.json, a keyring that the page's code sealed: `node tests/make-keyring-vectors.ts`
// in web/. It is different each time; the one that is kept is opened by the tests of both languages.
import { readFile, writeFile } from "node:fs/promises";
import { newRecovery, newRoleKey, sealKeyring } from "../src/custody/keyring.ts";

const FOLDER = new URL("../../docs/formats/vectors/", import.meta.url);
const { security_keys } = JSON.parse(await readFile(new URL("keyring.json", FOLDER), "utf8")) as {
  security_keys: { recipient: string; identity: string }[];
};
const site_id = "00000000-0000-4000-8000-000000000001";
const made = [await newRoleKey(new Date("2026-01-01T00:00:00Z")), await newRoleKey(new Date("2026-07-01T00:00:00Z"))];
const recovery = await newRecovery();
const plain = { site_id, role: "witness", keys: made.map(({ key }) => key) };
const keyring = await sealKeyring(plain, [...security_keys.map(({ recipient }) => recipient), recovery.recipient]);
const vector = {
  format: "overt role keyring v1",
  public_keys: made.map(({ public_key }) => public_key),
  identities: security_keys.map(({ identity }) => identity),
  recovery,
  keys: plain.keys,
  keyring,
};
await writeFile(new URL("keyring-page.json", FOLDER), `${JSON.stringify(vector, null, 2)}\n`);
