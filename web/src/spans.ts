// SPDX-License-Identifier: Apache-2.0
// What of one local day is recorded, and why the rest is not. Times are seconds since local midnight (see day.ts).

import type { Day } from "./day.ts";

export interface Stretch {
  readonly start: number;
  readonly end: number;
}

export interface Gap extends Stretch {
  /** One of the causes in docs/reference/states-and-causes.md; "damage": cannot be given back; "before": never was. */
  readonly cause: string;
  readonly detail: string;
  /** It lasts: `end` is now, and moves. */
  readonly lasting: boolean;
}

/** The answer of `GET /cameras/C/STREAM/spans`. */
export interface SpansAnswer {
  readonly spans: readonly { readonly start_us: number; readonly end_us: number }[];
  readonly gaps: readonly {
    readonly start_us: number;
    readonly end_us: number | null;
    readonly cause: string;
    readonly detail: string;
  }[];
  /** Before this moment of the span nothing was ever recorded; null: nothing was before its end. */
  readonly first_us: number | null;
  readonly now_us: number;
}

/** Shorter than a frame at one a second: the seam of two sessions, not something anybody missed. */
const SEAM_S = 0.05;

/** Before now there may be footage on its way to the disk: that much is not yet a gap unless somebody says so. */
const ON_ITS_WAY_S = 10;

const CAUSES: Readonly<Record<string, string>> = {
  camera: "camera",
  network: "network",
  authentication: "camera refused the password",
  disk: "disk",
  stopped: "stopped",
  clock: "clock was changed",
  deleted: "deleted at the end of its retention",
  before: "before the first recording",
  unknown: "cause not known",
  damage: "damaged on the disk",
};

/** "network - no answer for 5 s". */
export function causeInWords(gap: Pick<Gap, "cause" | "detail">): string {
  const cause = CAUSES[gap.cause] ?? gap.cause;
  return gap.detail === "" ? cause : `${cause} - ${gap.detail}`;
}

/** "2 h 3 min", "1 min 53 s", "0.4 s". */
export function durationInWords(seconds: number): string {
  if (seconds < 10) return `${Math.round(seconds * 10) / 10} s`;
  const whole = Math.round(seconds);
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const parts = [h > 0 ? `${h} h` : "", m > 0 ? `${m} min` : "", s > 0 && h === 0 ? `${s} s` : ""];
  return parts.filter((part) => part !== "").join(" ");
}

/** "No recording 08:20:10-08:22:03: network - no answer for 5 s". */
export function gapInWords(gap: Gap, day: Day): string {
  const until = gap.lasting ? "now" : gap.end >= day.length ? "midnight" : day.label(gap.end);
  const what = gap.cause === "damage" ? "Recording damaged" : "No recording";
  return `${what} ${day.label(gap.start)}-${until}: ${causeInWords(gap)}`;
}

function joined(stretches: readonly Stretch[]): Stretch[] {
  const result: { start: number; end: number }[] = [];
  for (const { start, end } of [...stretches].sort((a, b) => a.start - b.start)) {
    const last = result.at(-1);
    if (last !== undefined && start - last.end <= SEAM_S) last.end = Math.max(last.end, end);
    else if (end > start) result.push({ start, end });
  }
  return result;
}

/**
 * Spans and gaps of one stream on one day, immutable. `now` is where the day ends for the time being, `from` where what may be
 * seen begins (the ring, for who holds the live right alone). What is neither recorded nor explained is a gap of unknown cause:
 * between `from` and `now` there is no moment of which nothing is known.
 */
export class Recordings {
  readonly spans: readonly Stretch[];
  readonly gaps: readonly Gap[];
  readonly from: number;
  readonly now: number;

  private constructor(spans: readonly Stretch[], gaps: readonly Gap[], from: number, now: number) {
    this.spans = spans;
    this.gaps = gaps;
    this.from = from;
    this.now = now;
  }

  static nothing(): Recordings {
    return new Recordings([], [], 0, 0);
  }

  static read(answer: SpansAnswer, day: Day, fromUs = day.startUs): Recordings {
    const from = Math.max(0, day.secondsAt(fromUs));
    const now = Math.max(from, Math.min(day.length, day.secondsAt(answer.now_us)));
    const cut = (us: number) => Math.min(Math.max(day.secondsAt(us), from), day.length);
    const spans = joined(answer.spans.map((each) => ({ start: cut(each.start_us), end: cut(each.end_us) })));
    const told = answer.gaps
      .map((each) => ({
        start: cut(each.start_us),
        end: each.end_us === null ? now : Math.min(cut(each.end_us), now),
        cause: each.cause,
        detail: each.detail,
        lasting: each.end_us === null && now < day.length,
      }))
      .filter((gap) => gap.end - gap.start > SEAM_S);
    const first = answer.first_us === null ? now : Math.min(cut(answer.first_us), now);
    if (first - from > SEAM_S) told.push({ start: from, end: first, cause: "before", detail: "", lasting: false });
    return new Recordings(spans, explained(spans, told, from, now), from, now);
  }

  /** This, with everything from `since` on replaced by a later answer: how the list of today is kept fresh. */
  renewed(later: Recordings, since: number): Recordings {
    const kept = this.spans.filter((span) => span.start < since).map((span) => clip(span, this.from, since));
    const spans = joined([...kept, ...later.spans.map((span) => clip(span, since, Infinity))]);
    const gaps = [
      ...this.gaps.filter((gap) => gap.end <= since),
      ...this.gaps.filter((gap) => gap.start < since && gap.end > since && !later.gaps.some((l) => l.start <= since)),
      ...later.gaps.filter((gap) => gap.end > since).map((gap) => this.#begunBefore(gap, since)),
    ].map((gap) => ({ ...gap, end: gap.lasting ? later.now : Math.min(gap.end, later.now) }));
    return new Recordings(spans, explained(spans, gaps, this.from, later.now), this.from, later.now);
  }

  #begunBefore(gap: Gap, since: number): Gap {
    const earlier = this.gaps.find((each) => each.start < since && each.end >= since - SEAM_S);
    return gap.start <= since && earlier !== undefined ? { ...gap, start: earlier.start } : gap;
  }

  spanAt(at: number): Stretch | undefined {
    return this.spans.find((span) => at >= span.start && at < span.end);
  }

  /** The gap that a moment lies in. A moment after now lies in none. */
  gapAt(at: number): Gap | undefined {
    if (this.spanAt(at) !== undefined) return undefined;
    return this.gaps.find((gap) => at >= gap.start && at < gap.end);
  }

  /** The first moment at or after `at` (going back: at or before it) that has footage. */
  footageFrom(at: number, direction: 1 | -1 = 1): number | undefined {
    if (this.spanAt(at) !== undefined) return at;
    return direction === 1
      ? this.spans.find((span) => span.start >= at)?.start
      : this.spans.findLast((span) => span.end <= at)?.end;
  }

  nextGap(at: number): Gap | undefined {
    return this.gaps.find((gap) => gap.start > at + SEAM_S);
  }

  /** The last gap that ended before `at`. */
  previousGap(at: number): Gap | undefined {
    return this.gaps.findLast((gap) => gap.end < at - SEAM_S);
  }

  /** Recorded seconds. */
  get recorded(): number {
    return this.spans.reduce((sum, span) => sum + span.end - span.start, 0);
  }
}

function clip(span: Stretch, from: number, to: number): Stretch {
  return { start: Math.max(span.start, from), end: Math.min(span.end, to) };
}

/** Gaps in order, cut where footage covers them, and what nobody explained in between. */
function explained(spans: readonly Stretch[], told: readonly Gap[], from: number, now: number): Gap[] {
  const result: Gap[] = [];
  let at = from;
  for (const span of [...spans, { start: now, end: now }]) {
    if (span.start - at > SEAM_S) result.push(...explainedHole(at, Math.min(span.start, now), told));
    at = Math.max(at, span.end);
  }
  const last = result.at(-1);
  if (spans.length > 0 && last?.cause === "unknown" && last.end === now && now - last.start < ON_ITS_WAY_S) result.pop();
  return result;
}

function explainedHole(start: number, end: number, told: readonly Gap[]): Gap[] {
  const result: Gap[] = [];
  let at = start;
  for (const gap of told.filter((each) => each.start < end && each.end > start).sort((a, b) => a.start - b.start)) {
    const from = Math.max(gap.start, at);
    const to = Math.min(gap.end, end);
    if (to <= from) continue;
    if (from - at > SEAM_S) result.push(unexplained(at, from));
    result.push({ ...gap, start: from - at > SEAM_S ? from : at, end: to, lasting: gap.lasting && to >= gap.end });
    at = to;
  }
  if (end - at > SEAM_S) result.push(unexplained(at, end));
  return result;
}

function unexplained(start: number, end: number): Gap {
  return { start, end, cause: "unknown", detail: "", lasting: false };
}
