// SPDX-License-Identifier: Apache-2.0
// A clip as files to be kept: the fragments of a span as the camera sent them, put behind their initialisation, with time
// counted from the clip's beginning. Where the camera changed its codec, a further file begins. Nothing is decoded.

import { MediaError, boxes, path, viewOf } from "./boxes.ts";
import type { Recorder } from "./footage.ts";
import type { Bytes } from "./records.ts";

/** More is an export, not a clip. */
export const LONGEST_CLIP_S = 3600;

export interface ClipFile {
  /** When its first frame was taken, in microseconds since the Unix epoch. */
  readonly startUs: number;
  readonly parts: readonly Bytes[];
}

export interface Clip {
  readonly files: readonly ClipFile[];
  /** What of the span is not in it, in words of the recorder. */
  readonly missing: readonly string[];
}

export interface ClipSpan {
  readonly camera: string;
  readonly stream: string;
  /** Microseconds since the Unix epoch. */
  readonly fromUs: number;
  readonly toUs: number;
}

/** Fetches a clip; it begins with the keyframe before its beginning. Rejects as the recorder does, or with MediaError. */
export async function fetchClip(recorder: Recorder, span: ClipSpan, signal: AbortSignal): Promise<Clip> {
  const base = `/cameras/${encodeURIComponent(span.camera)}/${encodeURIComponent(span.stream)}/fragments`;
  const files: { startUs: number; parts: Bytes[]; timescales: ReadonlyMap<number, number> }[] = [];
  const missing: string[] = [];
  let from = span.fromUs;
  let current = "";
  for (let lead = "&lead=keyframe"; from < span.toUs; lead = "") {
    const known = new Map<number, Bytes>();
    let next: number | undefined;
    let whole = false;
    for await (const record of recorder.records(`${base}?from=${ns(from)}&to=${ns(span.toUs)}${lead}`, signal)) {
      if (record.kind === "configuration") known.set(record.header.id, record.payload);
      else if (record.kind === "fragment") {
        const initialisation = known.get(record.header.configuration);
        if (initialisation === undefined) throw new MediaError("A fragment came before its configuration.");
        const identity = identityOf(initialisation);
        if (identity !== current) {
          current = identity;
          files.push({ startUs: record.header.start_us, parts: [initialisation.slice()], timescales: timescalesOf(initialisation) });
        }
        const file = files.at(-1);
        file?.parts.push(fromBeginning(record.payload.slice(), file.startUs, file.timescales));
      } else if (record.kind === "gap" || record.kind === "damage") missing.push(record.header.detail || record.kind);
      else if (record.kind === "error") throw new MediaError(record.header.message);
      else if (record.kind === "end") {
        whole = true;
        next = record.header.next_us;
      }
    }
    if (!whole) throw new MediaError("The recorder’s answer was cut off.");
    if (next === undefined || next <= from) break;
    from = next;
  }
  return { files, missing };
}

function ns(us: number): string {
  return String(BigInt(Math.round(us)) * 1000n);
}

/** Two initialisations of the same bytes are one. */
function identityOf(bytes: Bytes): string {
  return String.fromCharCode(...bytes);
}

/** Ticks per second of each track. Raises MediaError. */
export function timescalesOf(initialisation: Bytes): Map<number, number> {
  const view = viewOf(initialisation);
  const moov = path(view, { body: 0, end: initialisation.length }, "moov");
  const found = new Map<number, number>();
  for (const trak of boxes(view, moov.body, moov.end)) {
    if (trak.kind !== "trak") continue;
    const tkhd = path(view, trak, "tkhd");
    const mdhd = path(view, trak, "mdia", "mdhd");
    const id = view.getUint32(tkhd.body + (view.getUint8(tkhd.body) === 1 ? 20 : 12));
    found.set(id, view.getUint32(mdhd.body + (view.getUint8(mdhd.body) === 1 ? 20 : 12)));
  }
  return found;
}

/**
 * A fragment whose decode times count from a moment instead of from the Unix epoch: most players take a first frame decades
 * on for a very long film. Changed in place; a track whose time lies before the moment begins at it.
 */
export function fromBeginning(fragment: Bytes, startUs: number, timescales: ReadonlyMap<number, number>): Bytes {
  const view = viewOf(fragment);
  for (const moof of boxes(view, 0, fragment.length)) {
    if (moof.kind !== "moof") continue;
    for (const traf of boxes(view, moof.body, moof.end)) {
      if (traf.kind !== "traf") continue;
      const id = view.getUint32(path(view, traf, "tfhd").body + 4);
      const tfdt = path(view, traf, "tfdt");
      const timescale = timescales.get(id);
      if (timescale === undefined || view.getUint8(tfdt.body) !== 1) throw new MediaError("a fragment’s times cannot be read");
      const base = (BigInt(Math.round(startUs)) * BigInt(timescale)) / 1_000_000n;
      const ticks = view.getBigUint64(tfdt.body + 4) - base;
      view.setBigUint64(tfdt.body + 4, ticks < 0n ? 0n : ticks);
    }
  }
  return fragment;
}

/** A clip's file name: the camera as people call it, and when the clip begins. */
export function clipName(camera: string, date: string, time: string, part: number): string {
  const name = camera.replaceAll(/[^\p{L}\p{N}]+/gu, "-").replaceAll(/^-|-$/g, "") || "camera";
  return `${name}_${date}_${time.replaceAll(":", "-").replaceAll(" ", "_")}${part > 0 ? `_part${part + 1}` : ""}.mp4`;
}
