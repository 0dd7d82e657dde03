// SPDX-License-Identifier: Apache-2.0
// The axis of one local day: seconds elapsed since local midnight, as every player, lane and clock of a page counts them.
// A night on which the clocks change has 23 or 25 hours on it; what the wall clock showed is a label, made here.

const HOUR_US = 3_600_000_000;

/** A run of time in which the wall clock keeps one distance from UTC. */
interface Run {
  readonly fromUs: number;
  /** Local time minus UTC. */
  readonly offsetUs: number;
  /** "BST", "GMT": how people of the place call it. */
  readonly name: string;
}

/** How a time of day that somebody typed came out. */
export type Reading =
  | { readonly kind: "moments"; readonly seconds: readonly number[] }
  | { readonly kind: "never"; readonly message: string }
  | { readonly kind: "unreadable"; readonly message: string };

const formats = new Map<string, { date: Intl.DateTimeFormat; name: Intl.DateTimeFormat }>();

function formatsOf(timeZone: string) {
  let found = formats.get(timeZone);
  if (found === undefined) {
    found = {
      date: new Intl.DateTimeFormat("en-GB", {
        timeZone,
        calendar: "iso8601",
        numberingSystem: "latn",
        hourCycle: "h23",
        year: "numeric",
        month: "2-digit",
        day: "2-digit",
        hour: "2-digit",
        minute: "2-digit",
        second: "2-digit",
      }),
      name: new Intl.DateTimeFormat("en-GB", { timeZone, timeZoneName: "short" }),
    };
    formats.set(timeZone, found);
  }
  return found;
}

/** What the wall clock shows at a moment, written as if it were UTC, in whole seconds of microseconds. */
function wallUs(timeZone: string, utcUs: number): number {
  const field: Record<string, number> = {};
  for (const part of formatsOf(timeZone).date.formatToParts(Math.floor(utcUs / 1e6) * 1000)) {
    if (part.type !== "literal") field[part.type] = Number(part.value);
  }
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = field;
  return Date.UTC(year, month - 1, day, hour, minute, second) * 1000;
}

function offsetUs(timeZone: string, utcUs: number): number {
  return wallUs(timeZone, utcUs) - Math.floor(utcUs / 1e6) * 1e6;
}

function nameAt(timeZone: string, utcUs: number): string {
  const parts = formatsOf(timeZone).name.formatToParts(utcUs / 1000);
  return parts.find((part) => part.type === "timeZoneName")?.value ?? timeZone;
}

/** The runs of one offset that overlap a span, found by looking every hour and halving between. */
function runsBetween(timeZone: string, fromUs: number, toUs: number): Run[] {
  const runs: Run[] = [{ fromUs, offsetUs: offsetUs(timeZone, fromUs), name: nameAt(timeZone, fromUs) }];
  let last = runs[0] as Run;
  for (let at = fromUs + HOUR_US; at <= toUs; at += HOUR_US) {
    const offset = offsetUs(timeZone, at);
    if (offset === last.offsetUs) continue;
    let before = at - HOUR_US;
    let after = at;
    while (after - before > 1e6) {
      const middle = Math.floor((before + after) / 2e6) * 1e6;
      if (offsetUs(timeZone, middle) === last.offsetUs) before = middle;
      else after = middle;
    }
    last = { fromUs: after, offsetUs: offset, name: nameAt(timeZone, after) };
    runs.push(last);
  }
  return runs;
}

function dateOfWall(us: number): string {
  return new Date(us / 1000).toISOString().slice(0, 10);
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}

/** The first moment of a local date: midnight, or where the clocks skip it, the moment they do. */
function firstMoment(timeZone: string, date: string): number {
  const wall = Date.parse(`${date}T00:00:00Z`) * 1000;
  const from = wall - 26 * HOUR_US;
  const to = wall + 26 * HOUR_US;
  const runs = runsBetween(timeZone, from, to);
  for (const [i, run] of runs.entries()) {
    const until = runs[i + 1]?.fromUs ?? to;
    const midnight = wall - run.offsetUs;
    if (midnight >= run.fromUs && midnight < until) return midnight;
    if (run.fromUs > midnight && dateOfWall(run.fromUs + run.offsetUs) === date) return run.fromUs;
  }
  throw new RangeError(`${date} does not exist in ${timeZone}: choose another date.`);
}

export class Day {
  /** ISO 8601, local: "2026-10-25". */
  readonly date: string;
  /** IANA name: "Europe/London". */
  readonly timeZone: string;
  /** UTC microseconds since the Unix epoch of the first moment of the date. */
  readonly startUs: number;
  /** The first moment of the next date. */
  readonly endUs: number;
  readonly #runs: readonly Run[];

  /** Raises RangeError for a date that is none, or that the time zone skipped. */
  constructor(date: string, timeZone: string) {
    const parsed = Date.parse(`${date}T00:00:00Z`);
    if (!/^\d{4}-\d{2}-\d{2}$/.test(date) || Number.isNaN(parsed) || dateOfWall(parsed * 1000) !== date) {
      throw new RangeError(`“${date}” is not a date: write it as 2026-10-25.`);
    }
    this.date = date;
    this.timeZone = timeZone;
    this.startUs = firstMoment(timeZone, date);
    this.endUs = firstMoment(timeZone, dateOfWall(parsed * 1000 + 24 * HOUR_US));
    this.#runs = runsBetween(timeZone, this.startUs, this.endUs - 1e6);
  }

  static containing(utcUs: number, timeZone: string): Day {
    return new Day(dateOfWall(wallUs(timeZone, utcUs)), timeZone);
  }

  /** Length in seconds: 86,400 but for the nights on which the clocks change. */
  get length(): number {
    return (this.endUs - this.startUs) / 1e6;
  }

  /** The date that lies so many days after this one. */
  plus(days: number): Day {
    return new Day(dateOfWall(Date.parse(`${this.date}T00:00:00Z`) * 1000 + days * 24 * HOUR_US), this.timeZone);
  }

  secondsAt(utcUs: number): number {
    return (utcUs - this.startUs) / 1e6;
  }

  utcUsAt(seconds: number): number {
    return this.startUs + Math.round(seconds * 1e6);
  }

  /** For queries: decimal nanoseconds since the Unix epoch. */
  nanosecondsAt(seconds: number): string {
    return String(BigInt(this.utcUsAt(seconds)) * 1000n);
  }

  /**
   * What the wall clock shows: "01:30:05". Where it shows the same twice on this day, the name of the time says which:
   * "01:30:05 BST". `decimals` of a second are cut, not rounded: a clock never shows a moment that has not come.
   */
  label(seconds: number, { decimals = 0, seconds: withSeconds = true } = {}): string {
    const { local, run } = this.#localAt(seconds);
    const whole = Math.floor(local / 1e6);
    let text = `${two(Math.floor(whole / 3600) % 24)}:${two(Math.floor(whole / 60) % 60)}`;
    if (withSeconds) text += `:${two(whole % 60)}`;
    if (withSeconds && decimals > 0) {
      const fraction = String(Math.floor(local - whole * 1e6)).padStart(6, "0");
      text += `.${fraction.slice(0, decimals)}`;
    }
    return this.#twice(local) ? `${text} ${run.name}` : text;
  }

  /** "08:20:10 to 08:22:03" on this day. */
  labelSpan(start: number, end: number): string {
    return `${this.label(start)} to ${this.label(end)}`;
  }

  /** "Sunday 25 October 2026". */
  get longDate(): string {
    return new Intl.DateTimeFormat("en-GB", { dateStyle: "full", timeZone: "UTC" }).format(
      Date.parse(`${this.date}T12:00:00Z`),
    );
  }

  /** "The clocks go back: 01:00 to 02:00 comes twice.", or nothing on an ordinary day. */
  get clockChange(): string {
    const [before, after] = this.#runs;
    if (before === undefined || after === undefined) return "";
    const from = this.#timeOfWall(after.fromUs + before.offsetUs);
    const to = this.#timeOfWall(after.fromUs + after.offsetUs);
    return after.offsetUs > before.offsetUs
      ? `The clocks go forward on this day: ${from} to ${to} does not exist.`
      : `The clocks go back on this day: ${to} to ${from} comes twice, first ${before.name}, then ${after.name}.`;
  }

  /**
   * Reads a time of day as people type it: "8:20", "08:20:10", "08:20:10.5", "082010", each with or without "BST".
   * A time that comes twice gives two moments, one with its name gives one.
   */
  read(text: string): Reading {
    const match = /^\s*(\d{1,2})[:.]?(\d{2})(?:[:.]?(\d{2})(?:[.,](\d{1,6}))?)?\s*([A-Za-z][A-Za-z0-9+:-]*)?\s*$/.exec(
      text,
    );
    const [hour, minute, second] = [Number(match?.[1]), Number(match?.[2]), Number(match?.[3] ?? 0)];
    if (match === null || hour > 23 || minute > 59 || second > 59) {
      return { kind: "unreadable", message: `“${text.trim()}” is not a time of day: write it as 08:20 or 08:20:10.` };
    }
    const fraction = Number((match[4] ?? "").padEnd(6, "0"));
    const local = ((hour * 60 + minute) * 60 + second) * 1e6 + fraction;
    const wanted = match[5]?.toUpperCase();
    if (wanted !== undefined && !this.#runs.some((run) => run.name.toUpperCase() === wanted)) {
      const names = [...new Set(this.#runs.map((run) => run.name))].join(" or ");
      return { kind: "unreadable", message: `No clock here shows ${wanted} on this day: leave it out, or write ${names}.` };
    }
    const seconds = this.#momentsOf(local, wanted);
    if (seconds.length > 0) return { kind: "moments", seconds };
    return { kind: "never", message: `${text.trim()} does not exist on this day. ${this.clockChange}`.trimEnd() };
  }

  /** The moments in a span at which the wall clock shows whole multiples of `step` seconds: the marks of an axis. */
  ticks(from: number, to: number, step: number): number[] {
    const found: number[] = [];
    for (const [i, run] of this.#runs.entries()) {
      const wall = (us: number) => (us + run.offsetUs - this.#midnightWall) / 1e6;
      const start = Math.max(this.startUs, run.fromUs, this.utcUsAt(from));
      const end = Math.min(this.#runs[i + 1]?.fromUs ?? this.endUs + 1, this.utcUsAt(to) + 1);
      for (let at = Math.ceil(wall(start) / step) * step; at < wall(end); at += step) {
        found.push(this.secondsAt(at * 1e6 - run.offsetUs + this.#midnightWall));
      }
    }
    return found;
  }

  get #midnightWall(): number {
    return Date.parse(`${this.date}T00:00:00Z`) * 1000;
  }

  /** Microseconds of the wall clock since its midnight, and the run they lie in. */
  #localAt(seconds: number): { local: number; run: Run } {
    const us = Math.min(Math.max(this.utcUsAt(seconds), this.startUs), this.endUs);
    const run = this.#runs.findLast((each) => each.fromUs <= us) ?? (this.#runs[0] as Run);
    return { local: us + run.offsetUs - this.#midnightWall, run };
  }

  #momentsOf(local: number, name?: string): number[] {
    const found: number[] = [];
    for (const [i, run] of this.#runs.entries()) {
      if (name !== undefined && run.name.toUpperCase() !== name) continue;
      const us = local + this.#midnightWall - run.offsetUs;
      const until = this.#runs[i + 1]?.fromUs ?? this.endUs;
      if (us >= Math.max(run.fromUs, this.startUs) && us < until) found.push(this.secondsAt(us));
    }
    return found;
  }

  #twice(local: number): boolean {
    return this.#runs.length > 1 && this.#momentsOf(local).length > 1;
  }

  #timeOfWall(us: number): string {
    const minutes = Math.floor((us - this.#midnightWall) / 60e6);
    return `${two(Math.floor(minutes / 60) % 24)}:${two(minutes % 60)}`;
  }
}
