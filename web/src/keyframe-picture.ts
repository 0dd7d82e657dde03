// SPDX-License-Identifier: Apache-2.0
// Fast and backward playing: keyframes alone, decoded one by one and painted when the clock comes to them.

import type { MasterClock } from "./clock.ts";
import type { Footage, Missing } from "./footage.ts";
import type { Painting } from "./painting.ts";
import { KeyframeDecoder, type Still } from "./stills.ts";
import type { Showing } from "./video-picture.ts";

/** Pictures a second of real time: as many as the machine decodes, within these bounds. */
const MOST_A_SECOND = 12;
const LEAST_A_SECOND = 2;
/** Seconds of real time that one request covers, and that are kept ready ahead. */
const CHUNK_S = 1;
const READY_S = 1.5;
/** A clock that has run so many seconds of real time away from what is there is not waited for: pictures go on where it is. */
const LOST_S = 2;
const MOST_KEPT = 60;
/** Pictures that pass this quickly need no more pixels across; so 60 of them stay below 130 MB. */
const WIDEST = 960;
const RETRY_MS = 1500;

export class KeyframePicture {
  readonly #footage: Footage;
  readonly #painting: Painting;
  readonly #decoder: KeyframeDecoder;
  /** In order of time. */
  #stills: Still[] = [];
  #missing: Missing[] = [];
  /** The stretch that was asked for and answered. */
  #from = 0;
  #to = 0;
  #direction: 1 | -1 = 1;
  #aSecond = 8;
  #asking: AbortController | undefined;
  #failure: { message: string; at: number } | undefined;

  constructor(footage: Footage, painting: Painting) {
    this.#footage = footage;
    this.#painting = painting;
    this.#decoder = new KeyframeDecoder(footage);
  }

  seek(): void {
    this.#forget();
  }

  follow(clock: MasterClock): Showing {
    const at = clock.time;
    const direction = clock.rate < 0 ? -1 : 1;
    const rate = Math.abs(clock.rate);
    const lost = LOST_S * rate;
    if (direction !== this.#direction || at < this.#from - lost || at > this.#to + lost) this.#begin(at, direction);
    this.#fetch(at, rate);
    const still = this.#stills.findLast((each) => each.moment <= at);
    const missing = this.#missing.find((each) => each.start <= at && each.end > at);
    if (still !== undefined && (missing === undefined || still.moment >= missing.start)) {
      this.#painting.paint(still.bitmap, still.moment);
    }
    if (this.#failure !== undefined) return { kind: "failed", message: this.#failure.message };
    if (missing !== undefined) return { kind: "missing", why: missing };
    // Going back, pictures of a chunk come from its far end: nothing is shown until the chunk is there.
    const ready = direction === 1 ? this.#to > at : this.#from < at;
    return still === undefined && !ready ? { kind: "waiting" } : { kind: "shown" };
  }

  leave(): void {
    this.#forget();
  }

  close(): void {
    this.#forget();
    this.#decoder.close();
  }

  #begin(at: number, direction: 1 | -1): void {
    this.#forget();
    this.#direction = direction;
    this.#from = this.#to = at;
  }

  #fetch(at: number, rate: number): void {
    if (this.#asking !== undefined) return;
    if (this.#failure !== undefined && performance.now() - this.#failure.at < RETRY_MS) return;
    const ready = this.#direction === 1 ? this.#to - at : at - this.#from;
    if (ready > READY_S * rate) return;
    const edge = this.#direction === 1 ? this.#to : this.#from;
    const other = Math.min(Math.max(edge + this.#direction * CHUNK_S * rate, 0), this.#footage.day.length);
    if (other === edge) return;
    const asking = new AbortController();
    const began = performance.now();
    this.#asking = asking;
    void this.#receive(Math.min(edge, other), Math.max(edge, other), rate, asking.signal)
      .then(() => {
        if (asking.signal.aborted) return;
        this.#failure = undefined;
        this.#adapt((performance.now() - began) / 1000);
        if (this.#direction === 1) this.#to = other;
        else this.#from = other;
      })
      .catch((error: unknown) => {
        if (asking.signal.aborted) return;
        this.#failure = { message: error instanceof Error ? error.message : String(error), at: performance.now() };
      })
      .finally(() => {
        if (this.#asking === asking) this.#asking = undefined;
      });
  }

  /** Asks for fewer pictures where a chunk takes longer to come than to pass, for more where there is time. */
  #adapt(took: number): void {
    const factor = took > CHUNK_S * 0.7 ? 0.6 : took < CHUNK_S * 0.35 ? 1.3 : 1;
    this.#aSecond = Math.min(MOST_A_SECOND, Math.max(LEAST_A_SECOND, this.#aSecond * factor));
  }

  async #receive(from: number, to: number, rate: number, signal: AbortSignal): Promise<void> {
    const decoding: Promise<void>[] = [];
    for await (const piece of this.#footage.keyframes(from, to, rate / this.#aSecond, signal)) {
      if (signal.aborted) return;
      if (piece.kind === "missing") this.#missing.push(piece);
      else {
        const decoded = this.#decoder.decode(piece, Math.min(this.#painting.width, WIDEST));
        decoding.push(decoded.then((still) => this.#keep(still, signal)));
      }
    }
    await Promise.all(decoding);
  }

  #keep(still: Still, signal: AbortSignal): void {
    if (signal.aborted || this.#stills.some((each) => each.moment === still.moment)) {
      still.bitmap.close();
      return;
    }
    this.#stills.push(still);
    this.#stills.sort((a, b) => a.moment - b.moment);
    while (this.#stills.length > MOST_KEPT) {
      const behind = this.#direction === 1 ? this.#stills.shift() : this.#stills.pop();
      behind?.bitmap.close();
    }
  }

  #forget(): void {
    this.#asking?.abort();
    this.#asking = undefined;
    for (const still of this.#stills) still.bitmap.close();
    this.#stills = [];
    this.#missing = [];
    this.#failure = undefined;
    this.#from = this.#to = 0;
  }
}
