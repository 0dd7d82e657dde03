// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { LAYOUTS, layoutFor, neighbour, nextLayout, rearranged, withCamera } from "../src/wall-layout.ts";

test("layouts follow each other, and the smallest that shows all is taken", () => {
  assert.deepEqual([...LAYOUTS].map((layout) => nextLayout(layout, 1)), [4, 6, 9, 16, 16]);
  assert.deepEqual([1, 2, 5, 7, 10, 40].map(layoutFor), [1, 4, 6, 9, 16, 16]);
});

test("around the large tile the arrows go where the eye goes, and every tile is reached", () => {
  assert.equal(neighbour(0, "ArrowRight", 6, 6), 1);
  assert.equal(neighbour(2, "ArrowLeft", 6, 6), 0);
  assert.equal(neighbour(5, "ArrowUp", 6, 6), 2);
  assert.equal(neighbour(3, "ArrowUp", 6, 6), 0);
  const reached = new Set([0]);
  for (let i = 0; i < 6; i++) {
    for (const at of [...reached]) for (const key of ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"]) reached.add(neighbour(at, key, 6, 6));
  }
  assert.equal(reached.size, 6);
});

test("a camera stands once: put where another is, the two change places", () => {
  assert.deepEqual(withCamera(["a", "b", null, null], 4, 1, "a"), ["b", "a", null, null]);
  assert.deepEqual(withCamera(["a", "b", null, null], 4, 2, "c"), ["a", "b", "c", null]);
  assert.deepEqual(withCamera(["a", "b", "c", "d", "e"], 4, 0, "e"), ["e", "b", "c", "d"]);
});

test("what has no room in a smaller layout is there again in a larger one", () => {
  const small = rearranged(["a", "b", "c", "d"], 1);
  assert.deepEqual(small, ["a", "b", "c", "d"]);
  assert.deepEqual(rearranged(["a", null, "c", null, "e"], 4), ["a", "e", "c", null]);
  assert.deepEqual(rearranged(["a"], 4), ["a", null, null, null]);
});
