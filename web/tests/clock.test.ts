// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { MasterClock, correction } from "../src/clock.ts";

function near(actual: number, expected: number): void {
  assert.ok(Math.abs(actual - expected) < 1e-9, `${actual} is not ${expected}`);
}

function setUp() {
  let now = 1000;
  const clock = new MasterClock(() => now);
  return { clock, pass: (seconds: number) => (now += seconds) };
}

test("the clock runs at its rate, both ways, and stands while paused", () => {
  const { clock, pass } = setUp();
  clock.seek(100);
  pass(5);
  near(clock.time, 100);
  clock.play(2);
  pass(5);
  near(clock.time, 110);
  clock.play(-16);
  pass(1);
  near(clock.time, 94);
  clock.pause();
  pass(9);
  near(clock.time, 94);
});

test("it stands while anybody holds it, and goes on where it stood", () => {
  const { clock, pass } = setUp();
  clock.play(1);
  pass(1);
  clock.hold("a");
  clock.hold("b");
  clock.hold("a");
  pass(3);
  clock.letGo("a");
  pass(3);
  assert.equal(clock.moving, false);
  near(clock.time, 1);
  clock.letGo("b");
  clock.letGo("nobody");
  pass(1);
  near(clock.time, 2);
});

test("it never leaves its limits, and goes on when the end moves", () => {
  const { clock, pass } = setUp();
  clock.limit(10, 20);
  near(clock.time, 10);
  clock.play(4);
  pass(60);
  near(clock.time, 20);
  assert.ok(clock.atEnd);
  clock.limit(10, 30);
  pass(1);
  near(clock.time, 24);
  clock.play(-1);
  pass(100);
  near(clock.time, 10);
  assert.ok(clock.atEnd);
});

test("a player in step is left alone, one that is near is hurried or slowed, one that is far is set", () => {
  assert.deepEqual(correction(0.005, 1), { seek: false, rate: 1 });
  assert.deepEqual(correction(0.05, 1), { seek: false, rate: 1.1 });
  assert.deepEqual(correction(-0.05, 1), { seek: false, rate: 0.9 });
  assert.deepEqual(correction(0.3, 1), { seek: false, rate: 1.2 });
  assert.deepEqual(correction(0.5, 1), { seek: true });
  assert.deepEqual(correction(0.5, 4), { seek: false, rate: 4.8 });
});

test("corrections bring a player that is off back into step and do not swing", () => {
  for (const rate of [0.25, 0.5, 1, 2, 4]) {
    for (const share of [-0.35, -0.02, 0.02, 0.35]) {
      const off = share * rate;
      let behind = off;
      for (let frame = 0; frame < 60 * 6; frame++) {
        const next = correction(behind, rate);
        assert.equal(next.seek, false);
        if (!next.seek) behind += (rate - next.rate) / 60;
        assert.ok(Math.abs(behind) <= Math.abs(off) + 1e-9);
      }
      assert.ok(Math.abs(behind) <= 0.012 * Math.max(1, rate) + 0.005, `${rate} ${off} ends ${behind}`);
    }
  }
});
