// SPDX-License-Identifier: Apache-2.0
// A tour in progress: which of its layouts is shown, and when the next one comes. Pure, but for the clock that it is given.

import type { Layout, Tour } from "./room.ts";

export class Touring {
  readonly tour: Tour;
  /** Somebody holds it with the button or the key. */
  held = false;
  readonly #steps: readonly { readonly layout: Layout; readonly seconds: number }[];
  #at = 0;
  /** Milliseconds that are left of the step. */
  #left: number;
  #told: number;

  /** `now`: milliseconds of a clock that never jumps. */
  constructor(tour: Tour, layouts: readonly Layout[], now: number) {
    this.tour = tour;
    this.#steps = tour.steps.flatMap(({ layout, seconds }) => {
      const found = layouts.find((each) => each.id === layout);
      return found === undefined ? [] : [{ layout: found, seconds }];
    });
    this.#left = (this.#steps[0]?.seconds ?? 0) * 1000;
    this.#told = now;
  }

  get layout(): Layout | undefined {
    return this.#steps[this.#at]?.layout;
  }

  /** What comes next: its pictures can be asked for already. */
  get next(): Layout | undefined {
    return this.#steps[(this.#at + 1) % Math.max(1, this.#steps.length)]?.layout;
  }

  get step(): number {
    return this.#at + 1;
  }

  get steps(): number {
    return this.#steps.length;
  }

  /** Seconds until the next layout. */
  get secondsLeft(): number {
    return Math.max(0, Math.ceil(this.#left / 1000));
  }

  /** Lets time pass, which does not count while it is held or `looked` at; true when another layout is to be shown. */
  tick(now: number, looked: boolean): boolean {
    const passed = now - this.#told;
    this.#told = now;
    if (this.held || looked || this.#steps.length < 2) return false;
    this.#left -= passed;
    if (this.#left > 0) return false;
    this.go(1);
    return true;
  }

  /** Goes on, or back, at once. */
  go(by: 1 | -1): void {
    const count = this.#steps.length;
    if (count === 0) return;
    this.#at = (this.#at + by + count) % count;
    this.#left = (this.#steps[this.#at]?.seconds ?? 0) * 1000;
  }
}
