// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { Day } from "../src/day.ts";

const LONDON = "Europe/London";

function moments(day: Day, text: string): readonly number[] {
  const reading = day.read(text);
  assert.equal(reading.kind, "moments", text);
  return reading.kind === "moments" ? reading.seconds : [];
}

test("an ordinary day has 24 hours from local midnight", () => {
  const day = new Day("2026-07-01", LONDON);
  assert.equal(day.startUs, Date.parse("2026-06-30T23:00:00Z") * 1000);
  assert.equal(day.length, 86_400);
  assert.equal(day.label(0), "00:00:00");
  assert.equal(day.label(8 * 3600 + 20 * 60 + 10.25, { decimals: 3 }), "08:20:10.250");
  assert.equal(day.label(86_399.999999), "23:59:59");
  assert.equal(day.clockChange, "");
});

test("the night on which the clocks go back has 25 hours, and 01:30 twice is told apart", () => {
  const day = new Day("2026-10-25", LONDON);
  assert.equal(day.length, 90_000);
  assert.equal(day.label(1.5 * 3600), "01:30:00 BST");
  assert.equal(day.label(2.5 * 3600), "01:30:00 GMT");
  assert.equal(day.label(0.5 * 3600), "00:30:00");
  assert.equal(day.label(3 * 3600), "02:00:00");
  assert.deepEqual(moments(day, "01:30"), [5400, 9000]);
  assert.deepEqual(moments(day, "01:30 GMT"), [9000]);
  assert.deepEqual(moments(day, "1:30 bst"), [5400]);
  assert.deepEqual(moments(day, "12:00"), [13 * 3600]);
  assert.match(day.clockChange, /01:00 to 02:00 comes twice, first BST, then GMT/);
});

test("the night on which the clocks go forward has 23 hours, and 01:30 never comes", () => {
  const day = new Day("2026-03-29", LONDON);
  assert.equal(day.length, 82_800);
  assert.equal(day.label(3600), "02:00:00");
  const reading = day.read("01:30");
  assert.equal(reading.kind, "never");
  assert.match(day.clockChange, /01:00 to 02:00 does not exist/);
  assert.deepEqual(moments(day, "02:00"), [3600]);
});

test("marks of the axis stand at round times of the wall clock, also after the change", () => {
  const back = new Day("2026-10-25", LONDON);
  const labels = back.ticks(0, back.length, 3600).map((at) => back.label(at, { seconds: false }));
  assert.deepEqual(labels.slice(0, 4), ["00:00", "01:00 BST", "01:00 GMT", "02:00"]);
  assert.equal(labels.at(-2), "23:00");
  assert.equal(back.ticks(0, back.length - 1, 6 * 3600).length, 4);
  const forward = new Day("2026-03-29", LONDON);
  assert.deepEqual(
    forward.ticks(0, 3 * 3600, 1800).map((at) => forward.label(at, { seconds: false })),
    ["00:00", "00:30", "02:00", "02:30", "03:00", "03:30", "04:00"],
  );
});

test("a time zone whose clocks skip midnight begins its day where they arrive", () => {
  const day = new Day("2018-11-04", "America/Sao_Paulo");
  assert.equal(day.label(0), "01:00:00");
  assert.equal(day.length, 82_800);
  assert.equal(day.plus(-1).endUs, day.startUs);
});

test("half-hour zones and half-hour changes", () => {
  assert.equal(new Day("2026-05-05", "Asia/Kolkata").startUs, Date.parse("2026-05-04T18:30:00Z") * 1000);
  const day = new Day("2026-04-05", "Australia/Lord_Howe");
  assert.equal(day.length, 86_400 + 1800);
  assert.equal(moments(day, "01:45").length, 2);
});

test("days follow each other without a hole, in every zone and over years", () => {
  for (const zone of [LONDON, "Asia/Beirut"]) {
    let day = new Day("2025-12-30", zone);
    for (let i = 0; i < 400; i++) {
      const next = day.plus(1);
      assert.equal(day.endUs, next.startUs, `${zone} ${day.date}`);
      assert.equal(Day.containing(day.startUs, zone).date, day.date);
      assert.equal(Day.containing(day.endUs - 1, zone).date, day.date);
      day = next;
    }
  }
});

test("a label that is read again gives the moment it was made of", () => {
  for (const date of ["2026-03-29", "2026-10-25", "2026-06-01"]) {
    const day = new Day(date, LONDON);
    for (let at = 0; at < day.length; at += 617) assert.deepEqual(moments(day, day.label(at)), [at], `${date} ${at}`);
  }
});

test("times as people type them", () => {
  const day = new Day("2026-06-01", LONDON);
  for (const text of ["8:20", "08:20", "0820", "08:20:00", "082000", " 08.20 "]) {
    assert.deepEqual(moments(day, text), [30_000], text);
  }
  assert.deepEqual(moments(day, "08:20:10.5"), [30_010.5]);
  for (const text of ["", "8", "25:00", "08:61", "noon", "08:20 CET", "1:2:3:4"]) {
    assert.equal(day.read(text).kind, "unreadable", text);
  }
});

test("a date that is none is refused in words", () => {
  for (const date of ["2026-02-30", "26-02-03", "", "2026-13-01"]) assert.throws(() => new Day(date, LONDON), RangeError);
});

test("nanoseconds for queries are exact", () => {
  const day = new Day("2026-10-25", LONDON);
  assert.equal(day.nanosecondsAt(0.000001), `${day.startUs + 1}000`);
});
