// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Camera } from "../src/viewing/room.ts";
import { branches } from "../src/viewing/tree.ts";

function camera(name: string, site: string, group = "Town"): Camera {
  return { key: name.toLowerCase().replaceAll(" ", "-"), name, site, group, state: "recording", live: true, replay: true, recorded: true, export: true };
}

const all = [camera("Back stairs", "Market Hall"), camera("Café door", "Market Hall"), camera("Market Square", "Market Hall"), camera("Foyer", "Library")];

test("without a search all cameras stand under their sites, in order", () => {
  assert.deepEqual(branches(all, " ").map(({ name, cameras }) => [name, cameras.length]), [["Market Hall", 3], ["Library", 1]]);
});

test("every word counts, in name, site or group, whatever the case and the accents", () => {
  const found = (search: string) => branches(all, search).flatMap(({ cameras }) => cameras.map(({ name }) => name));
  assert.deepEqual(found("CAFE"), ["Café door"]);
  assert.deepEqual(found("hall stairs"), ["Back stairs"]);
  assert.deepEqual(found("town foy"), ["Foyer"]);
  assert.deepEqual(found("nowhere"), []);
});

test("cameras whose own name has the words come first, then those of a site that has", () => {
  const [hall] = branches(all, "market s");
  assert.equal(hall?.cameras[0]?.name, "Market Square");
});
