// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { SHORTEST_S, View } from "../src/timeline-view.ts";

test("zooming keeps the moment under the pointer where it is", () => {
  let view = View.whole(86_400);
  for (let i = 0; i < 8; i++) {
    const before = view.x(30_000, 1000);
    view = view.zoomed(1.5, 30_000);
    assert.ok(Math.abs(view.x(30_000, 1000) - before) < 1e-6);
  }
});

test("a view goes down to a minute, up to the day, and never leaves it", () => {
  let view = View.whole(90_000);
  for (let i = 0; i < 30; i++) view = view.zoomed(2, 10);
  assert.equal(Math.round(view.span * 1e6), SHORTEST_S * 1e6);
  assert.ok(view.from >= 0);
  view = view.moved(-1000);
  assert.equal(view.from, 0);
  view = view.moved(1e9);
  assert.equal(view.to, 90_000);
  for (let i = 0; i < 30; i++) view = view.zoomed(0.5, 89_999);
  assert.deepEqual([view.from, view.to], [0, 90_000]);
});

test("pixels and moments are each other's inverse", () => {
  const view = new View(1000, 5000, 86_400);
  for (const at of [1000, 1234.5, 4999]) assert.ok(Math.abs(view.at(view.x(at, 777), 777) - at) < 1e-9);
  assert.equal(view.at(-50, 777), 1000);
  assert.equal(view.at(5000, 777), 5000);
});

test("the view follows a cursor that leaves it, ahead and behind", () => {
  const view = new View(1000, 2000, 86_400);
  assert.equal(view.following(1500), view);
  for (const at of [2001, 999, 50_000, 3]) {
    const next = view.following(at);
    assert.equal(next.span, view.span);
    assert.ok(at >= next.from && at <= next.to, `${at}`);
  }
});

test("marks of the axis leave room for their labels", () => {
  for (const span of [60, 600, 3600, 86_400]) {
    const view = new View(0, span, 86_400);
    assert.ok((view.step(1200) / span) * 1200 >= 84);
  }
});
