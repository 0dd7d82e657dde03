// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { clipName, fetchClip, fromBeginning } from "../src/clip.ts";

function box(kind: string, ...content: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const size = 8 + content.reduce((sum, each) => sum + each.length, 0);
  const bytes = new Uint8Array(size);
  new DataView(bytes.buffer).setUint32(0, size);
  for (let i = 0; i < 4; i++) bytes[4 + i] = kind.charCodeAt(i);
  let at = 8;
  for (const each of content) {
    bytes.set(each, at);
    at += each.length;
  }
  return bytes;
}

function words(...values: number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 4);
  values.forEach((value, i) => new DataView(bytes.buffer).setUint32(i * 4, value));
  return bytes;
}

function initialisation(mark: number): Uint8Array<ArrayBuffer> {
  const trak = (id: number, timescale: number) => box("trak", box("tkhd", words(0, 0, 0, id)), box("mdia", box("mdhd", words(0, 0, 0, timescale))));
  return box("moov", box("mvhd", words(mark)), trak(1, 90_000), trak(2, 48_000));
}

function fragment(...tracks: [id: number, ticks: bigint][]): Uint8Array<ArrayBuffer> {
  const traf = ([id, ticks]: [number, bigint]) =>
    box("traf", box("tfhd", words(0, id)), box("tfdt", words(0x0100_0000, Number(ticks >> 32n), Number(ticks & 0xffff_ffffn))));
  return box("moof", ...tracks.map(traf));
}

function ticksOf(bytes: Uint8Array): bigint[] {
  const found: bigint[] = [];
  for (let at = 0; at + 8 < bytes.length; at++) {
    if (String.fromCharCode(...bytes.subarray(at, at + 4)) === "tfdt") found.push(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(at + 8));
  }
  return found;
}

const START_US = 1_800_000_000_000_000;
const at = (seconds: number, timescale: number) => BigInt((1_800_000_000 + seconds) * timescale);

test("times of every track count from the clip's beginning, and none before it", () => {
  const made = fromBeginning(fragment([1, at(2, 90_000)], [2, at(-1, 48_000)]), START_US, new Map([[1, 90_000], [2, 48_000]]));
  assert.deepEqual(ticksOf(made), [180_000n, 0n]);
});

test("another codec begins another file; one that comes again in the next answer does not", async () => {
  const record = (id: number, seconds: number) => ({
    kind: "fragment", header: { configuration: id, start_us: START_US + seconds * 1e6 }, payload: fragment([1, at(seconds, 90_000)]),
  });
  const configuration = (id: number, mark: number) => ({ kind: "configuration", header: { id }, payload: initialisation(mark) });
  const answers = [
    [configuration(0, 1), record(0, 0), { kind: "end", header: { next_us: START_US + 1e6 } }],
    [configuration(0, 1), record(0, 1), configuration(1, 2), { kind: "gap", header: { detail: "the camera was away" } }, record(1, 5), { kind: "end", header: {} }],
  ];
  const asked: string[] = [];
  const recorder = {
    json: async () => undefined,
    async *records(path: string) {
      asked.push(path);
      yield* answers[asked.length - 1] as never[];
    },
  };
  const clip = await fetchClip(recorder as never, { camera: "c", stream: "main", fromUs: START_US, toUs: START_US + 9e6 }, new AbortController().signal);
  assert.deepEqual(clip.files.map(({ parts }) => parts.length), [3, 2]);
  assert.deepEqual(clip.files.map(({ parts }) => ticksOf(parts.at(-1) as Uint8Array)[0]), [90_000n, 0n]);
  assert.deepEqual(clip.missing, ["the camera was away"]);
  assert.ok(asked[0]?.endsWith("&lead=keyframe") && !asked[1]?.includes("lead"));
});

test("an answer that was cut off is no clip", async () => {
  const recorder = { json: async () => undefined, async *records() {} };
  const span = { camera: "c", stream: "main", fromUs: START_US, toUs: START_US + 1 };
  await assert.rejects(fetchClip(recorder as never, span, new AbortController().signal), /cut off/);
});

test("names of files hold no path and no markup", () => {
  assert.equal(clipName("../High Street <b>", "2026-11-25", "16:12:03", 0), "High-Street-b_2026-11-25_16-12-03.mp4");
  assert.equal(clipName("///", "2026-11-25", "01:30:00 BST", 1), "camera_2026-11-25_01-30-00_BST_part2.mp4");
});
