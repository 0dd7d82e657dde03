// SPDX-License-Identifier: Apache-2.0
// One camera on one day as the looking-back view needs it: which stream, what of it is open to the viewer, what is recorded.

import type { Day } from "./day.ts";
import { Footage, type Recorder } from "./footage.ts";
import { playable } from "./media-buffer.ts";
import { opened, type Opened } from "./opened.ts";
import { chooseStream, codecName } from "./recorded.ts";
import type { CameraInfo, Permission } from "./session.ts";
import { Recordings } from "./spans.ts";

/** So much before the last answer is asked for again: what was being written then is whole now. */
const AGAIN_S = 60;

export interface Situation {
  readonly recorder: Recorder;
  readonly may: readonly Permission[];
  /** The recorder's clock, microseconds since the Unix epoch. */
  readonly nowUs: number;
  readonly day: Day;
  /** Whether it is the only picture on the screen. */
  readonly alone: boolean;
}

export interface LookedAt {
  readonly camera: string;
  /** Nothing if nothing can be shown; `note` says why. */
  readonly footage: Footage | undefined;
  readonly recordings: Recordings;
  readonly note: string;
}

/** What there is of a camera on a day. Rejects as the recorder does. */
export async function lookAt(camera: CameraInfo, situation: Situation, signal: AbortSignal): Promise<LookedAt> {
  const { recorder, may, nowUs, day, alone } = situation;
  const name = camera.camera;
  const nothing = (note: string, recordings = Recordings.nothing()): LookedAt => ({
    camera: name,
    footage: undefined,
    recordings,
    note,
  });
  const open = opened(may, name, day, nowUs);
  if (open === undefined) return nothing("Your grant opens nothing of this camera on this day.");
  const streams = [...camera.streams];
  const choice = chooseStream(streams, alone, playable);
  if (choice === undefined) {
    const codecs = streams.map((stream) => `${stream.stream}: ${codecName(stream.codecs)}`).join(", ");
    const [first] = streams;
    if (first === undefined) return nothing("The recorder knows no stream of this camera.");
    // What is recorded is as true as ever, and shown on the timeline.
    const recordings = await read(new Footage(recorder, name, first.stream, day), open, day, nowUs, signal);
    return nothing(`This browser cannot play this camera’s recordings (${codecs}).`, recordings);
  }
  const footage = new Footage(recorder, name, choice.stream, day);
  const recordings = await read(footage, open, day, nowUs, signal);
  if (recordings.spans.length === 0) {
    // A stream may have come later than the other: what was recorded then is better than nothing.
    for (const other of streams.filter((stream) => stream.stream !== choice.stream && mayPlay(stream.codecs))) {
      const instead = new Footage(recorder, name, other.stream, day);
      const found = await read(instead, open, day, nowUs, signal);
      if (found.spans.length > 0) {
        return { camera: name, footage: instead, recordings: found, note: `Shown from the stream “${other.stream}”: the other was not recorded.` };
      }
    }
  }
  return { camera: name, footage, recordings, note: open.ring ? RING_NOTE : choice.note };
}

export const RING_NOTE = "You hold the live right: the last ten minutes are open to you, no more.";

/** The same a little later: what is recorded by now. */
export async function renew(known: LookedAt, situation: Situation, signal: AbortSignal): Promise<Recordings> {
  const { footage, recordings } = known;
  if (footage === undefined) return recordings;
  const open = opened(situation.may, known.camera, situation.day, situation.nowUs);
  if (open === undefined) return Recordings.nothing();
  if (open.ring || recordings.now === 0) return read(footage, open, situation.day, situation.nowUs, signal);
  const since = Math.max(open.from, recordings.now - AGAIN_S);
  return recordings.renewed(await read(footage, { ...open, from: since }, situation.day, situation.nowUs, signal), since);
}

async function read(footage: Footage, open: Opened, day: Day, nowUs: number, signal: AbortSignal): Promise<Recordings> {
  // A day that has not begun has nothing to ask for.
  if (day.secondsAt(nowUs) <= open.from) return Recordings.nothing();
  return footage.recordings(open.from, open.to, signal);
}

function mayPlay(codecs: string): boolean {
  return codecs === "" || playable(codecs.split(",")[0] ?? "");
}

/** Cameras of one recorder begin within moments of each other. */
const TOGETHER_S = 2;

/**
 * A moment, or where nobody recorded then, one in the footage next to it: its beginning (of all the cameras that begin about
 * then, the last), or `before` seconds from its end.
 */
export function nearestTo(at: number, recordings: readonly Recordings[], before: number): number {
  if (recordings.some((each) => each.spanAt(at) !== undefined)) return at;
  const spans = recordings.flatMap((each) => each.spans);
  const near = spans.map(({ start, end }) => (start > at ? start : Math.max(start, end - before)));
  const nearest = near.sort((a, b) => Math.abs(a - at) - Math.abs(b - at))[0] ?? at;
  const together = spans.filter(({ start }) => start >= nearest && start - nearest < TOGETHER_S);
  return Math.max(nearest, ...together.map(({ start }) => start));
}
