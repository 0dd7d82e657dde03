// SPDX-License-Identifier: Apache-2.0
// Keeps a live picture as close to the newest fragment as arrivals allow: small changes of speed, and a jump where those
// would take too long. Pure: all times are seconds, and handed in.

/** What should lie ahead of the picture when the next fragment comes: late arrivals eat it up. */
const LEAST_MARGIN = 0.03;
const FIRST_MARGIN = 0.05;
const MOST_MARGIN = 1;
/** A stop raises the margin by no more than this: it may have been the computer, busy for a moment. */
const MOST_STEP = 0.25;
/** Farther from the edge than this, a jump comes sooner than catching up. */
const JUMP = 1.2;
/** How long a trough counts. */
const MEMORY = 2.5;
const TOLERANCE = 0.015;
const FASTEST = 0.1;
const SLOWEST = 0.05;
/** Without a stop for so long, the margin is tried smaller; twice as long after each stop. */
const CALM = 8;
const LONGEST_CALM = 128;
const SMALLER = 0.93;

export type Advice = { readonly jumpTo: number } | { readonly rate: number };

export class LiveEdge {
  #margin = FIRST_MARGIN;
  #calm = CALM / 2;
  #calmSince = 0;
  #troughs: { at: number; ahead: number }[] = [];

  /** What should lie ahead when the next fragment comes. */
  get margin(): number {
    return this.#margin;
  }

  /** A fragment is about to be appended; `ahead` is what still lay ahead of the picture. */
  arrived(ahead: number, now: number): void {
    this.#troughs.push({ at: now, ahead });
    this.#troughs = this.#troughs.filter((each) => now - each.at <= MEMORY);
  }

  /**
   * The picture stood still although `ahead` was there: fragments came late, or the decoder holds frames back (one that
   * may expect reordered frames wants several before it gives the first).
   */
  stopped(ahead: number, now: number): void {
    const wanted = Math.max(this.#margin * 1.25 + 0.01, Math.min(ahead, this.#margin + MOST_STEP) + TOLERANCE);
    this.#margin = Math.min(MOST_MARGIN, wanted);
    this.#calm = Math.min(LONGEST_CALM, this.#calm * 2);
    this.#calmSince = now;
  }

  /** The picture was set to another place: what was learnt of its distance no longer holds. */
  moved(): void {
    this.#troughs = [];
  }

  /** What to do now that `end` lies `ahead` of the picture: where to jump, relative to the end, or how fast to play. */
  advise(ahead: number, now: number): Advice {
    if (now - this.#calmSince > this.#calm) {
      this.#margin = Math.max(LEAST_MARGIN, this.#margin * SMALLER);
      this.#calm = Math.max(CALM, this.#calm / 1.5);
      this.#calmSince = now;
    }
    const least = Math.min(...this.#troughs.map((each) => each.ahead));
    if (ahead > JUMP + this.#margin && (least === Infinity || least > JUMP)) return { jumpTo: -this.#margin };
    if (least === Infinity) return { rate: 1 };
    const excess = least - this.#margin;
    if (Math.abs(excess) <= TOLERANCE) return { rate: 1 };
    const change = Math.min(FASTEST, Math.max(-SLOWEST, excess * 0.6));
    return { rate: Math.round((1 + change) * 100) / 100 };
  }
}
