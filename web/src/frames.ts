// SPDX-License-Identifier: Apache-2.0
// Decoded groups of pictures: for going from frame to frame, and for playing backwards at ordinary speed.

import type { MasterClock } from "./clock.ts";
import type { Footage, Fragment, Missing } from "./footage.ts";
import type { Painting } from "./painting.ts";
import type { Recordings } from "./spans.ts";
import { bitmapOf, decoderConfig } from "./stills.ts";
import type { Showing } from "./video-picture.ts";
import type { Frame } from "./video-track.ts";

/** A group of pictures that is longer is cut: that much is decoded at once. */
const LONGEST_S = 20;
/** Groups that are kept: the one on the screen, and one to each side. */
const KEPT = 3;
const NARROWEST = 160;
/** Frames closer than this are one: times come in whole microseconds. */
const SAME_S = 0.000_002;
const RETRY_MS = 1500;
/** Fragments further apart do not belong to one group. */
const SEAM_S = 0.2;
/** A fragment is asked for by a moment just inside it. */
const BESIDE_S = 0.0005;
/** A moment without a picture is passed over by this much. */
const HOLE_S = 0.04;

export interface DecodedFrame {
  /** Seconds since local midnight. */
  readonly moment: number;
  readonly bitmap: ImageBitmap;
}

/**
 * From one keyframe up to the next. Frames are stored in the order of decoding: the times at which they are shown, `start` to
 * `end`, may lie a little later than the fragments in which they are found, `from` to `to`.
 */
export interface Group {
  readonly start: number;
  readonly end: number;
  readonly from: number;
  readonly to: number;
  readonly frames: readonly DecodedFrame[];
}

/** What is asked for: the group that is shown at a moment, or the one that is stored there. */
interface Wish {
  readonly at: number;
  readonly stored: boolean;
}

/** How wide frames may be so that so many groups of `frames` pictures fit into `budget` bytes. */
export function widthWithin(budget: number, frames: number, width: number, height: number): number {
  const pixels = budget / (4 * KEPT * Math.max(1, frames));
  return Math.max(NARROWEST, Math.min(width, Math.floor(Math.sqrt((pixels * width) / Math.max(1, height)))));
}

/** Index of the frame that is on the screen at a moment; -1 before the first. */
export function frameAt(frames: readonly { readonly moment: number }[], at: number): number {
  return frames.findLastIndex((frame) => frame.moment <= at + SAME_S);
}

/** Frame step and backward playing of one camera. */
export class FramePicture {
  readonly #footage: Footage;
  readonly #painting: Painting;
  /** Bytes that decoded pictures may take. */
  readonly #budget: () => number;
  #groups: Group[] = [];
  #missing: Missing[] = [];
  #loading: { wish: Wish; controller: AbortController; done: Promise<Group | undefined> } | undefined;
  #failure: { message: string; at: number } | undefined;

  constructor(footage: Footage, painting: Painting, budget: () => number) {
    this.#footage = footage;
    this.#painting = painting;
    this.#budget = budget;
  }

  seek(): void {
    this.#failure = undefined;
  }

  /** Shows the frame of the clock's moment, and has the group before it ready by the time the clock comes there. */
  follow(clock: MasterClock, recordings: Recordings): Showing {
    const at = clock.time;
    const group = this.#known({ at, stored: false });
    if (group === undefined) {
      const missing = this.#missing.find((each) => each.start <= at && each.end > at);
      if (missing !== undefined) return { kind: "missing", why: missing };
      if (this.#failure !== undefined && performance.now() - this.#failure.at < RETRY_MS) {
        return { kind: "failed", message: this.#failure.message };
      }
      this.#prepare({ at, stored: false });
      return { kind: "waiting" };
    }
    this.#show(group, at);
    if (clock.rate < 0) {
      const before = this.#before(group, recordings);
      if (before !== undefined && this.#known(before) === undefined) this.#prepare(before);
    }
    return { kind: "shown" };
  }

  /** The moment of the frame after (before) the one of a moment; nothing where the footage ends. */
  async step(at: number, direction: 1 | -1, recordings: Recordings): Promise<number | undefined> {
    const group = await this.#group({ at, stored: false });
    if (group === undefined) return undefined;
    const frame = group.frames[frameAt(group.frames, at) + direction];
    if (frame !== undefined) return this.#shown(group, frame.moment);
    const wish = direction === 1 ? this.#after(group, recordings) : this.#before(group, recordings);
    const next = wish === undefined ? undefined : await this.#group(wish);
    const first = direction === 1 ? next?.frames[0] : next?.frames.at(-1);
    return next === undefined || first === undefined ? undefined : this.#shown(next, first.moment);
  }

  #before(group: Group, recordings: Recordings): Wish | undefined {
    const at = recordings.footageFrom(group.from - BESIDE_S, -1);
    return at === undefined ? undefined : { at: Math.min(at, group.from) - BESIDE_S, stored: true };
  }

  #after(group: Group, recordings: Recordings): Wish | undefined {
    const at = recordings.footageFrom(group.to + BESIDE_S);
    return at === undefined ? undefined : { at: at + BESIDE_S, stored: true };
  }

  leave(): void {
    this.#loading?.controller.abort();
    this.#loading = undefined;
    for (const group of this.#groups) close(group);
    this.#groups = [];
    this.#missing = [];
    this.#failure = undefined;
  }

  #shown(group: Group, at: number): number {
    this.#show(group, at);
    return at;
  }

  #show(group: Group, at: number): void {
    const frame = group.frames[Math.max(0, frameAt(group.frames, at))];
    if (frame !== undefined) this.#painting.paint(frame.bitmap, frame.moment);
  }

  #known({ at, stored }: Wish): Group | undefined {
    return this.#groups.find((group) =>
      stored ? at >= group.from && at < group.to : at >= group.start - SAME_S && at < group.end - SAME_S,
    );
  }

  #prepare(wish: Wish): void {
    if (this.#loading !== undefined) return;
    void this.#group(wish).catch(() => undefined); // `follow` says what failed
  }

  /** A group, decoded. */
  async #group(wish: Wish): Promise<Group | undefined> {
    const known = this.#known(wish);
    if (known !== undefined) return known;
    if (this.#loading !== undefined) {
      if (this.#loading.wish.at === wish.at && this.#loading.wish.stored === wish.stored) return this.#loading.done;
      this.#loading.controller.abort();
    }
    const controller = new AbortController();
    const loading = { wish, controller, done: this.#load(wish, controller.signal) };
    this.#loading = loading;
    try {
      return await loading.done;
    } catch (error) {
      if (controller.signal.aborted) return undefined;
      this.#failure = { message: error instanceof Error ? error.message : String(error), at: performance.now() };
      throw error;
    } finally {
      if (this.#loading === loading) this.#loading = undefined;
    }
  }

  async #load({ at, stored }: Wish, signal: AbortSignal): Promise<Group | undefined> {
    const group = await this.#decoded(at, signal);
    if (group === undefined || signal.aborted) {
      if (group !== undefined) close(group);
      else if (!signal.aborted) this.#miss(at);
      return undefined;
    }
    this.#keep(group);
    if (stored || (at >= group.start - SAME_S && at < group.end - SAME_S)) return group;
    if (at < group.start) return this.#load({ at: group.from - BESIDE_S, stored: true }, signal);
    this.#miss(at);
    return undefined;
  }

  #miss(at: number): void {
    this.#missing.push({ kind: "missing", start: at - HOLE_S, end: at + HOLE_S, cause: "", detail: "" });
  }

  /** The group that is stored at a moment. */
  async #decoded(at: number, signal: AbortSignal): Promise<Group | undefined> {
    const fragments = await this.#fragmentsOf(at, signal);
    const [first] = fragments;
    const last = fragments.at(-1);
    if (signal.aborted || first === undefined || last === undefined || last.end <= at) return undefined;
    const { track, width, height } = first.configuration;
    const encoded = fragments.flatMap((fragment) => track.frames(fragment.data));
    const wide = widthWithin(this.#budget(), encoded.length, width, height);
    const frames = await decode(first, encoded, wide, (us) => this.#footage.day.secondsAt(us), signal);
    const [shown] = frames;
    const final = frames.at(-1);
    if (shown === undefined || final === undefined) return undefined;
    const lasts = Math.max(...encoded.slice(-1).map((frame) => frame.durationUs / 1e6));
    return { start: shown.moment, end: final.moment + lasts, from: first.start, to: last.end, frames };
  }

  /** The fragments from the keyframe before a moment up to the next keyframe. */
  async #fragmentsOf(at: number, signal: AbortSignal): Promise<Fragment[]> {
    const found: Fragment[] = [];
    const to = Math.min(at + LONGEST_S, this.#footage.day.length);
    for await (const piece of this.#footage.fragments(at, to, { lead: true, signal })) {
      if (piece.kind === "missing") this.#missing.push(piece);
      const last = found.at(-1);
      const joins =
        piece.kind === "fragment" &&
        !piece.keyframe &&
        last !== undefined &&
        piece.start - last.end < SEAM_S &&
        piece.configuration === last.configuration;
      if (!joins) {
        if (last !== undefined && piece.start > at) break;
        found.length = 0;
      }
      if (piece.kind === "fragment" && (joins || piece.keyframe)) found.push(piece);
    }
    return found;
  }

  #keep(group: Group): void {
    const groups = this.#groups.filter((each) => each.to <= group.from || each.from >= group.to);
    for (const each of this.#groups) if (!groups.includes(each)) close(each);
    groups.push(group);
    groups.sort((a, b) => Math.abs(a.from - group.from) - Math.abs(b.from - group.from));
    for (const each of groups.splice(KEPT)) close(each);
    this.#groups = groups;
  }
}

function close(group: Group): void {
  for (const frame of group.frames) frame.bitmap.close();
}

/** Decodes a group's frames; they come in the order in which they are shown. Rejects if the browser cannot. */
async function decode(
  first: Fragment,
  encoded: readonly Frame[],
  width: number,
  momentOf: (us: number) => number,
  signal: AbortSignal,
): Promise<DecodedFrame[]> {
  const bitmaps: Promise<DecodedFrame>[] = [];
  let failure: Error | undefined;
  const decoder = new VideoDecoder({
    output: (frame) => {
      const moment = momentOf(frame.timestamp);
      bitmaps.push(
        bitmapOf(frame, width)
          .then((bitmap) => ({ moment, bitmap }))
          .finally(() => frame.close()),
      );
    },
    error: (error) => {
      failure = error;
    },
  });
  try {
    decoder.configure({ ...decoderConfig(first.configuration), optimizeForLatency: false });
    for (const [i, frame] of encoded.entries()) {
      if (signal.aborted) break;
      const type = i === 0 || frame.keyframe ? "key" : "delta";
      decoder.decode(new EncodedVideoChunk({ type, timestamp: frame.timeUs, data: frame.data }));
    }
    // What was decoded before an error is worth showing.
    await decoder.flush().catch((error: unknown) => {
      failure ??= error instanceof Error ? error : new Error(String(error));
    });
  } finally {
    if (decoder.state !== "closed") decoder.close();
  }
  const frames = await Promise.all(bitmaps);
  if (frames.length === 0 && failure !== undefined) throw failure;
  return frames.sort((a, b) => a.moment - b.moment);
}
