// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  LAYOUTS,
  MOST,
  NOTHING,
  UNMARKED,
  alone,
  inLayout,
  layoutFor,
  marked,
  pickedFirst,
  withCamera,
  withTile,
  withoutCamera,
  type Shown,
} from "../src/review-layout.ts";

const NINE = [..."abcdefghi"].reduce(withCamera, NOTHING);

test("the smallest layout that shows all is taken", () => {
  assert.deepEqual([0, 1, 2, 3, 4, 5, 9].map(layoutFor), [1, 1, 2, 4, 4, 9, 9]);
});

test("a further camera is picked, and beyond nine it takes the place of the one that was", () => {
  assert.deepEqual(withCamera(alone("a"), "b"), { cameras: ["a", "b"], layout: 2, picked: 1 });
  assert.deepEqual(withCamera(withCamera(alone("a"), "b"), "a"), { cameras: ["a", "b"], layout: 2, picked: 0 });
  const tenth = withCamera({ ...NINE, picked: 2 }, "j");
  assert.deepEqual(tenth, { cameras: [..."abjdefghi"], layout: MOST, picked: 2 });
});

test("a camera that is closed leaves one that is there picked", () => {
  assert.deepEqual(withoutCamera({ cameras: ["a", "b", "c"], layout: 4, picked: 2 }, "c"), { cameras: ["a", "b"], layout: 2, picked: 1 });
  assert.deepEqual(withoutCamera(alone("a"), "a"), NOTHING);
  assert.deepEqual(withoutCamera(alone("a"), "z"), alone("a"));
});

test("more tiles take further cameras, fewer keep the first; of one alone, the picked one", () => {
  assert.deepEqual(inLayout(alone("c"), 4, ["a", "b", "c"]), { cameras: ["c", "a", "b"], layout: 4, picked: 0 });
  assert.deepEqual(inLayout({ ...NINE, picked: 7 }, 2, []), { cameras: ["a", "b"], layout: 2, picked: 1 });
  assert.deepEqual(inLayout(pickedFirst({ ...NINE, picked: 7 }), 1, []), alone("h"));
});

test("two tiles change places, and none shows what another shows", () => {
  assert.deepEqual(withTile(NINE, 0, "c").cameras, [..."cbadefghi"]);
  assert.deepEqual(withTile(NINE, 0, "z").cameras, [..."zbcdefghi"]);
  assert.deepEqual(withTile(NINE, 1, "b"), NINE);
});

test("whatever is done, each camera is shown once, none beyond the tiles, and one of them is picked", () => {
  let shown: Shown = NOTHING;
  let seed = 7;
  const next = (below: number) => (seed = (seed * 48_271) % 2_147_483_647) % below;
  for (let i = 0; i < 2000; i++) {
    const camera = "abcdefghijkl"[next(12)] as string;
    const layout = LAYOUTS[next(LAYOUTS.length)] ?? 1;
    const doings: (() => Shown)[] = [
      () => withCamera(shown, camera),
      () => withoutCamera(shown, camera),
      () => inLayout(shown, layout, [..."abcdefghijkl"]),
      () => (shown.cameras.length === 0 ? shown : withTile(shown, next(shown.cameras.length), camera)),
      () => inLayout(pickedFirst(shown), 1, []),
    ];
    shown = (doings[next(doings.length)] as () => Shown)();
    assert.equal(new Set(shown.cameras).size, shown.cameras.length);
    assert.ok(shown.cameras.length <= shown.layout);
    assert.ok(shown.cameras.length === 0 ? shown.picked === 0 : shown.picked < shown.cameras.length);
  }
});

test("a mark on the wrong side of the other one takes it away", () => {
  const both = marked(marked(UNMARKED, "in", 10), "out", 20);
  assert.deepEqual(both, { in: 10, out: 20 });
  assert.deepEqual(marked(both, "in", 20), { in: 20, out: undefined });
  assert.deepEqual(marked(both, "out", 5), { in: undefined, out: 5 });
  assert.deepEqual(marked(both, "in", 15), { in: 15, out: 20 });
  assert.deepEqual(marked(both, "clear", 0), UNMARKED);
});
