// SPDX-License-Identifier: Apache-2.0
// The video track of recorded fragments (ISO/IEC 14496-12): its frames one by one, for a decoder, and the fragments with
// every other track hidden, for a player that shows pictures alone. Bytes come from the recorder, which checked them
// against their seal; they are bounds-checked here all the same.

import { MediaError, boxes, path, viewOf, type Box } from "./boxes.ts";
import type { Bytes } from "./records.ts";

export { MediaError } from "./boxes.ts";

export interface Frame {
  /** Presentation, in microseconds since the Unix epoch. */
  readonly timeUs: number;
  readonly durationUs: number;
  readonly keyframe: boolean;
  readonly data: Bytes;
}

const FREE = [0x66, 0x72, 0x65, 0x65]; // "free"
const NOT_SYNC = 0x10000;

/** The configuration box of a sample entry: codec parameters as a decoder wants them (avcC, hvcC, …). */
function codecBox(view: DataView, bytes: Bytes, stsd: Box): Bytes | undefined {
  const [entry] = boxes(view, stsd.body + 8, stsd.end);
  if (entry === undefined) return undefined;
  for (const box of boxes(view, entry.body + 78, entry.end)) {
    if (["avcC", "hvcC", "av1C", "vpcC"].includes(box.kind)) return bytes.slice(box.body, box.end);
  }
  return undefined;
}

/** The video track that an initialisation segment announces. Immutable. */
export class VideoTrack {
  readonly id: number;
  readonly timescale: number;
  /** For `VideoDecoderConfig.description`. */
  readonly description: Bytes | undefined;
  /** The initialisation segment with the other tracks hidden. */
  readonly initialisation: Bytes;
  readonly #alone: boolean;
  readonly #defaults: { duration: number; size: number; flags: number };

  /** Raises MediaError if there is no video track, or it cannot be read. */
  constructor(initialisation: Uint8Array) {
    const copy = new Uint8Array(initialisation);
    const view = viewOf(copy);
    const all = { body: 0, end: copy.length };
    const moov = path(view, all, "moov");
    let found: { id: number; timescale: number; description: Bytes | undefined } | undefined;
    const others: Box[] = [];
    for (const trak of boxes(view, moov.body, moov.end)) {
      if (trak.kind !== "trak") continue;
      const hdlr = path(view, trak, "mdia", "hdlr");
      const handler = String.fromCharCode(...copy.subarray(hdlr.body + 8, hdlr.body + 12));
      if (handler !== "vide" || found !== undefined) {
        others.push(trak);
        continue;
      }
      const tkhd = path(view, trak, "tkhd");
      const mdhd = path(view, trak, "mdia", "mdhd");
      found = {
        id: view.getUint32(tkhd.body + (view.getUint8(tkhd.body) === 1 ? 20 : 12)),
        timescale: view.getUint32(mdhd.body + (view.getUint8(mdhd.body) === 1 ? 20 : 12)),
        description: codecBox(view, copy, path(view, trak, "mdia", "minf", "stbl", "stsd")),
      };
    }
    if (found === undefined || found.timescale === 0) throw new MediaError("the footage has no video track");
    this.id = found.id;
    this.timescale = found.timescale;
    this.description = found.description;
    const mvex = path(view, moov, "mvex");
    this.#defaults = { duration: 0, size: 0, flags: 0 };
    for (const trex of boxes(view, mvex.body, mvex.end)) {
      if (trex.kind !== "trex") continue;
      if (view.getUint32(trex.body + 4) !== this.id) others.push(trex);
      else {
        this.#defaults = {
          duration: view.getUint32(trex.body + 12),
          size: view.getUint32(trex.body + 16),
          flags: view.getUint32(trex.body + 20),
        };
      }
    }
    for (const box of others) copy.set(FREE, box.at + 4);
    this.#alone = others.length === 0;
    this.initialisation = copy;
  }

  /**
   * A fragment with the other tracks hidden: their boxes are renamed to `free` in place, so that no offset changes.
   * `fragment` itself is changed.
   */
  alone(fragment: Bytes): Bytes {
    if (this.#alone) return fragment;
    const view = viewOf(fragment);
    for (const moof of boxes(view, 0, fragment.length)) {
      if (moof.kind !== "moof") continue;
      for (const traf of boxes(view, moof.body, moof.end)) {
        if (traf.kind === "traf" && view.getUint32(path(view, traf, "tfhd").body + 4) !== this.id) {
          fragment.set(FREE, traf.at + 4);
        }
      }
    }
    return fragment;
  }

  /** The frames of a fragment, in the order in which they are decoded. Raises MediaError where it contradicts itself. */
  frames(fragment: Bytes): Frame[] {
    const view = viewOf(fragment);
    const result: Frame[] = [];
    for (const moof of boxes(view, 0, fragment.length)) {
      if (moof.kind !== "moof") continue;
      for (const traf of boxes(view, moof.body, moof.end)) {
        if (traf.kind === "traf") this.#run(view, fragment, moof.at, traf, result);
      }
    }
    return result;
  }

  #run(view: DataView, bytes: Bytes, base: number, traf: Box, result: Frame[]): void {
    const tfhd = path(view, traf, "tfhd");
    const flags = view.getUint32(tfhd.body) & 0xffffff;
    if (view.getUint32(tfhd.body + 4) !== this.id) return;
    let at = tfhd.body + 8;
    const optional = (bit: number, fallback: number): number => {
      if ((flags & bit) === 0) return fallback;
      at += 4;
      return view.getUint32(at - 4);
    };
    let origin = base;
    if ((flags & 0x1) !== 0) {
      origin = Number(view.getBigUint64(at));
      at += 8;
    }
    optional(0x2, 0);
    const duration = optional(0x8, this.#defaults.duration);
    const size = optional(0x10, this.#defaults.size);
    const sampleFlags = optional(0x20, this.#defaults.flags);
    const tfdt = path(view, traf, "tfdt");
    const long = view.getUint8(tfdt.body) === 1;
    let ticks = long ? view.getBigUint64(tfdt.body + 4) : BigInt(view.getUint32(tfdt.body + 4));
    let position = origin;
    for (const trun of boxes(view, traf.body, traf.end)) {
      if (trun.kind !== "trun") continue;
      const has = view.getUint32(trun.body) & 0xffffff;
      const signed = view.getUint8(trun.body) !== 0;
      const count = view.getUint32(trun.body + 4);
      let field = trun.body + 8;
      const next = (): number => {
        if (field + 4 > trun.end) throw new MediaError("a fragment's list of frames is cut off");
        field += 4;
        return view.getUint32(field - 4);
      };
      if ((has & 0x1) !== 0) position = origin + (next() | 0);
      const first = (has & 0x4) !== 0 ? next() : undefined;
      for (let i = 0; i < count; i++) {
        const own = {
          duration: (has & 0x100) !== 0 ? next() : duration,
          size: (has & 0x200) !== 0 ? next() : size,
          flags: (has & 0x400) !== 0 ? next() : i === 0 && first !== undefined ? first : sampleFlags,
        };
        const raw = (has & 0x800) !== 0 ? next() : 0;
        const offset = signed ? raw | 0 : raw;
        if (position < 0 || position + own.size > bytes.length) throw new MediaError("a frame lies outside its fragment");
        result.push({
          timeUs: this.#us(ticks + BigInt(offset)),
          durationUs: Math.round((own.duration * 1e6) / this.timescale),
          keyframe: (own.flags & NOT_SYNC) === 0,
          data: bytes.subarray(position, position + own.size),
        });
        position += own.size;
        ticks += BigInt(own.duration);
      }
    }
  }

  #us(ticks: bigint): number {
    return Number((ticks * 1_000_000n) / BigInt(this.timescale));
  }
}
