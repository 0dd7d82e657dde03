// SPDX-License-Identifier: Apache-2.0
// One clock for all cameras that are looked back at together. It says which moment of the day belongs on the screen now;
// each player follows it by itself. Times are seconds since local midnight.

/** A player that differs by less is in step: a third of a frame at 25 a second. */
const IN_STEP_S = 0.012;
/** A player that differs by more is set to the moment instead of hurrying there. */
const TOO_FAR_S = 0.4;
/** Within this many seconds of real time a player is to be back in step. */
const CATCH_UP_S = 0.5;
const MOST_CHANGE = 0.2;

export type Correction = { readonly seek: true } | { readonly seek: false; readonly rate: number };

/**
 * What a video that plays forward at `rate` should do about being `behind` by so many seconds of footage (negative: ahead).
 * Rates are rounded to a hundredth, so that they are not set anew on every frame.
 */
export function correction(behind: number, rate: number): Correction {
  if (Math.abs(behind) > TOO_FAR_S * rate) return { seek: true };
  if (Math.abs(behind) <= IN_STEP_S * Math.max(1, rate)) return { seek: false, rate };
  const change = Math.min(MOST_CHANGE, Math.max(-MOST_CHANGE, behind / (CATCH_UP_S * rate)));
  return { seek: false, rate: Math.max(0.0625, Math.round(rate * (1 + change) * 100) / 100) };
}

export class MasterClock {
  readonly #now: () => number;
  readonly #holders = new Set<unknown>();
  #at = 0;
  #since: number;
  #rate = 1;
  #playing = false;
  #from = 0;
  #to = Infinity;

  /** `now`: seconds of a clock that never jumps. */
  constructor(now: () => number = () => performance.now() / 1000) {
    this.#now = now;
    this.#since = now();
  }

  /** The moment that belongs on the screen. */
  get time(): number {
    const moved = this.moving ? (this.#now() - this.#since) * this.#rate : 0;
    return Math.min(Math.max(this.#at + moved, this.#from), this.#to);
  }

  /** Seconds of footage per second; negative: backwards. */
  get rate(): number {
    return this.#rate;
  }

  /** Whether playing is wanted, even while a player that is not ready holds the clock. */
  get playing(): boolean {
    return this.#playing;
  }

  get moving(): boolean {
    return this.#playing && this.#holders.size === 0;
  }

  get held(): boolean {
    return this.#holders.size > 0;
  }

  /** Whether the clock stands at the end that it runs towards. */
  get atEnd(): boolean {
    return this.#rate > 0 ? this.time >= this.#to : this.time <= this.#from;
  }

  play(rate = this.#rate): void {
    this.#settle();
    this.#rate = rate;
    this.#playing = true;
  }

  pause(): void {
    this.#settle();
    this.#playing = false;
  }

  seek(at: number): void {
    this.#at = at;
    this.#since = this.#now();
  }

  /** Between which moments the clock stays. `to` may move on as footage is recorded. */
  limit(from: number, to: number): void {
    this.#settle();
    this.#from = from;
    this.#to = to;
    this.#at = Math.min(Math.max(this.#at, from), to);
  }

  /** The clock stands still until everyone who holds it lets go. */
  hold(who: unknown): void {
    if (this.#holders.has(who)) return;
    this.#settle();
    this.#holders.add(who);
  }

  letGo(who: unknown): void {
    if (!this.#holders.has(who)) return;
    this.#settle();
    this.#holders.delete(who);
  }

  #settle(): void {
    this.#at = this.time;
    this.#since = this.#now();
  }
}
