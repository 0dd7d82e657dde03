// SPDX-License-Identifier: Apache-2.0
// What of the past a session opens: the recorded right within the grant's times, the live right for the ring alone.

import type { Day } from "./day.ts";
import type { Permission } from "./session.ts";

/** How far back the live right reaches: the recorder's ring (`ring_s`). */
export const RING_S = 600;
/** Kept clear of the ring's end, which moves on while a request is under way. */
const MARGIN_S = 5;

export interface Opened {
  /** Seconds since local midnight. */
  readonly from: number;
  readonly to: number;
  /** Opened by the live right alone. */
  readonly ring: boolean;
}

/** The longest stretch of a day that may be looked at; nothing if there is none. */
export function opened(may: readonly Permission[], camera: string, day: Day, nowUs: number): Opened | undefined {
  const stretches: Opened[] = [];
  for (const each of may) {
    if (!each.cameras.includes(camera)) continue;
    const from = Math.max(0, each.from_us === null ? 0 : day.secondsAt(each.from_us));
    const to = Math.min(day.length, each.to_us === null ? day.length : day.secondsAt(each.to_us));
    if (each.rights.includes("recorded")) stretches.push({ from, to, ring: false });
    if (each.rights.includes("live")) {
      const now = day.secondsAt(nowUs);
      stretches.push({ from: Math.max(from, now - RING_S + MARGIN_S), to: Math.min(to, now), ring: true });
    }
  }
  const open = stretches.filter((stretch) => stretch.to > stretch.from);
  const recorded = open.filter((stretch) => !stretch.ring);
  const [longest] = (recorded.length > 0 ? recorded : open).sort((a, b) => b.to - b.from - (a.to - a.from));
  return longest;
}
