// SPDX-License-Identifier: Apache-2.0
// A tile says "Live" of a picture that is on the screen, and of nothing else.

import assert from "node:assert/strict";
import { test } from "node:test";

import { RESTART_MS, STALE_MS, statusOf, type Observed } from "../src/live-status.ts";

const NOW = 1_000_000;
const LIVE: Observed = {
  now: NOW,
  shownAt: NOW - 40,
  receivedAt: NOW - 40,
  intervalMs: 40,
  recorded: true,
  camera: { state: "recording", reason: "" },
  connected: true,
  restarting: undefined,
  refusal: undefined,
  ended: undefined,
};

test("a picture that has just been shown is live, and stale once it is two seconds old", () => {
  assert.equal(statusOf(LIVE).phase, "live");
  assert.equal(statusOf({ ...LIVE, shownAt: NOW - STALE_MS, receivedAt: NOW - 1000 }).phase, "live");
  assert.equal(statusOf({ ...LIVE, shownAt: NOW - STALE_MS - 1 }).phase, "stale");
});

test("a connection that has just broken leaves the picture live until it is old, and then the recorder is lost", () => {
  assert.equal(statusOf({ ...LIVE, connected: false }).phase, "live");
  assert.equal(statusOf({ ...LIVE, connected: false, receivedAt: NOW - 1500 }).phase, "away");
});

test("a player that was begun anew is not live before it shows a picture", () => {
  const emptied = { ...LIVE, shownAt: undefined, restarting: { at: NOW - 300, why: "the browser stopped playing" } };
  for (const connected of [true, false]) {
    assert.deepEqual(statusOf({ ...emptied, connected }), {
      phase: "connecting",
      words: "Starting again",
      detail: "The browser stopped playing. Starting it again.",
    });
  }
  const long = { ...emptied, now: NOW + RESTART_MS, receivedAt: NOW + RESTART_MS };
  assert.equal(statusOf(long).words, "Connecting");
  assert.equal(statusOf({ ...long, connected: false }).phase, "away");
});

test("what the recorder says of a camera is said of it, the more so while a player begins anew", () => {
  const stopped = { state: "stopped", reason: "Its lens is being cleaned." };
  const restarting = { at: NOW - 300, why: "x" };
  assert.deepEqual(statusOf({ ...LIVE, camera: stopped, shownAt: undefined, restarting }), {
    phase: "off",
    words: "Off",
    detail: "Its lens is being cleaned.",
  });
  assert.equal(statusOf({ ...LIVE, camera: { state: "unreachable", reason: "" }, shownAt: NOW - 9000 }).phase, "lost");
});
