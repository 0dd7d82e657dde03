// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Layout, Tour } from "../src/viewing/room.ts";
import { Touring } from "../src/viewing/touring.ts";

const layouts: Layout[] = [1, 2, 3].map((id) => ({ id, name: `L${id}`, tiles: 4, cells: [], group: null, mine: true, owner: "Olive" }));
const tour: Tour = {
  id: 1, name: "Round", group: null, mine: true, owner: "Olive",
  steps: [{ layout: 1, seconds: 10 }, { layout: 99, seconds: 5 }, { layout: 3, seconds: 20 }],
};

test("layouts follow each other after their seconds; one that is gone is passed over", () => {
  const touring = new Touring(tour, layouts, 0);
  assert.deepEqual([touring.steps, touring.layout?.id, touring.next?.id], [2, 1, 3]);
  assert.equal(touring.tick(9_000, false), false);
  assert.equal(touring.tick(10_000, false), true);
  assert.equal(touring.layout?.id, 3);
  assert.equal(touring.tick(29_000, false), false);
  assert.equal(touring.tick(30_000, false), true);
  assert.equal(touring.layout?.id, 1);
});

test("time does not count while somebody looks closely or holds it", () => {
  const touring = new Touring(tour, layouts, 0);
  touring.tick(4_000, false);
  assert.equal(touring.tick(60_000, true), false);
  touring.held = true;
  assert.equal(touring.tick(120_000, false), false);
  touring.held = false;
  assert.equal(touring.secondsLeft, 6);
  assert.equal(touring.tick(126_000, false), true);
});

test("by hand it goes on and back, round and round", () => {
  const touring = new Touring(tour, layouts, 0);
  touring.go(-1);
  assert.equal(touring.layout?.id, 3);
  touring.go(1);
  assert.equal(touring.layout?.id, 1);
  assert.equal(new Touring({ ...tour, steps: [] }, layouts, 0).layout, undefined);
});
