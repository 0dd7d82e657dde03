// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { Day } from "../src/day.ts";
import { Recordings, durationInWords, gapInWords, type SpansAnswer } from "../src/spans.ts";

const day = new Day("2026-06-01", "Europe/London");

type Told = [start: number, end: number | null, cause: string, detail?: string];

function answer(now: number, spans: [number, number][], gaps: Told[] = []): SpansAnswer {
  return {
    spans: spans.map(([start, end]) => ({ start_us: day.utcUsAt(start), end_us: day.utcUsAt(end) })),
    gaps: gaps.map(([start, end, cause, detail = ""]) => ({
      start_us: day.utcUsAt(start),
      end_us: end === null ? null : day.utcUsAt(end),
      cause,
      detail,
    })),
    first_us: 0,
    now_us: day.utcUsAt(now),
  };
}

function shape(recordings: Recordings): (string | number)[][] {
  return recordings.gaps.map((gap) => [gap.start, gap.end, gap.cause]);
}

test("a gap is said with its times and its cause", () => {
  const recordings = Recordings.read(
    answer(86_400, [[0, 30_010], [30_123, 86_400]], [[30_010, 30_123, "network", "no answer for 5 s"]]),
    day,
  );
  const [gap] = recordings.gaps;
  assert.ok(gap);
  assert.equal(gapInWords(gap, day), "No recording 08:20:10-08:22:03: network - no answer for 5 s");
});

test("before the first recording there was none to be lost", () => {
  const told = answer(1000, [[400, 1000]], [[300, 400, "camera"]]);
  assert.deepEqual(shape(Recordings.read({ ...told, first_us: day.utcUsAt(300) }, day)), [
    [0, 300, "before"],
    [300, 400, "camera"],
  ]);
  assert.deepEqual(shape(Recordings.read({ ...told, spans: [], gaps: [], first_us: null }, day)), [[0, 1000, "before"]]);
});

test("what nobody explains is a gap of unknown cause: no moment before now is blank", () => {
  const recordings = Recordings.read(answer(1000, [[100, 200], [300, 900]], [[200, 250, "camera"]]), day);
  assert.deepEqual(shape(recordings), [
    [0, 100, "unknown"],
    [200, 250, "camera"],
    [250, 300, "unknown"],
    [900, 1000, "unknown"],
  ]);
});

test("a gap that lasts ends now and says so; the future is no gap", () => {
  const recordings = Recordings.read(answer(500, [[0, 400]], [[400, null, "network"]]), day);
  const [gap] = recordings.gaps;
  assert.ok(gap?.lasting);
  assert.equal(gap.end, 500);
  assert.match(gapInWords(gap, day), /00:06:40-now/);
  assert.equal(recordings.gapAt(600), undefined);
});

test("seams of a few milliseconds are no gaps, and spans across them are one", () => {
  const recordings = Recordings.read(answer(100, [[0, 50], [50.02, 100]], [[50, 50.02, "camera"]]), day);
  assert.equal(recordings.spans.length, 1);
  assert.equal(recordings.gaps.length, 0);
});

test("the last seconds before now are on their way to the disk, and no gap", () => {
  assert.deepEqual(shape(Recordings.read(answer(1000, [[0, 996]]), day)), []);
  assert.deepEqual(shape(Recordings.read(answer(1000, [[0, 980]]), day)), [[980, 1000, "unknown"]]);
});

test("footage is found ahead and behind", () => {
  const recordings = Recordings.read(answer(1000, [[100, 200], [300, 400]]), day);
  assert.equal(recordings.footageFrom(150), 150);
  assert.equal(recordings.footageFrom(200), 300);
  assert.equal(recordings.footageFrom(250, -1), 200);
  assert.equal(recordings.footageFrom(50, -1), undefined);
  assert.equal(recordings.footageFrom(400), undefined);
});

test("next and previous gap never give the one that one stands at", () => {
  const recordings = Recordings.read(answer(1000, [[0, 100], [200, 300], [400, 1000]]), day);
  const first = recordings.nextGap(0);
  assert.equal(first?.start, 100);
  assert.equal(recordings.nextGap(first.start)?.start, 300);
  assert.equal(recordings.nextGap(300), undefined);
  assert.equal(recordings.previousGap(1000)?.start, 300);
  assert.equal(recordings.previousGap(300)?.start, 100);
  assert.equal(recordings.previousGap(50), undefined);
});

test("a day that is renewed from its tail is the same as one that is read whole", () => {
  const before = Recordings.read(answer(500, [[0, 100], [200, 450]], [[100, 200, "disk"], [450, null, "network"]]), day);
  const whole = answer(900, [[0, 100], [200, 450], [700, 900]], [[100, 200, "disk"], [450, 700, "network"]]);
  const tail = answer(900, [[400, 450], [700, 900]], [[450, 700, "network"]]);
  const renewed = before.renewed(Recordings.read(tail, day, day.utcUsAt(400)), 400);
  assert.deepEqual(renewed, Recordings.read(whole, day));
  const inGap = before.renewed(
    Recordings.read(answer(900, [], [[480, null, "network"]]), day, day.utcUsAt(480)),
    480,
  );
  assert.deepEqual(shape(inGap), [[100, 200, "disk"], [450, 900, "network"]]);
});

test("who may see the ring alone is offered the ring alone", () => {
  const recordings = Recordings.read(answer(1000, [[0, 1000]]), day, day.utcUsAt(400));
  assert.deepEqual(recordings.spans, [{ start: 400, end: 1000 }]);
  assert.deepEqual(recordings.gaps, []);
  assert.equal(recordings.from, 400);
});

test("footage and gaps that reach over midnight are cut there", () => {
  const recordings = Recordings.read(answer(90_000, [[-50, 100], [86_000, 90_000]], [[100, 86_000, "stopped"]]), day);
  assert.deepEqual(recordings.spans, [{ start: 0, end: 100 }, { start: 86_000, end: 86_400 }]);
  assert.deepEqual(shape(recordings), [[100, 86_000, "stopped"]]);
});

test("durations in words", () => {
  assert.deepEqual(
    [0.42, 5, 113, 3600, 7380].map(durationInWords),
    ["0.4 s", "5 s", "1 min 53 s", "1 h", "2 h 3 min"],
  );
});
