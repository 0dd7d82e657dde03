// SPDX-License-Identifier: Apache-2.0
// Recorded fragments in a video element by Media Source Extensions, on the axis of a day.

import type { Day } from "./day.ts";
import type { Configuration, Fragment } from "./footage.ts";
import type { Bytes } from "./records.ts";

/**
 * A player's time is seconds since local midnight plus this much: what is negative is thrown away by browsers, and the
 * keyframe that the first picture of a day needs may lie before midnight.
 */
const BEFORE_MIDNIGHT_S = 60;
/** A moment is asked for this much late, so that rounding to microseconds never shows the frame before. */
const ROUNDING_S = 0.0002;
/** Seams between fragments that a browser plays over. */
const TOLERANCE_S = 0.02;

/** Whether a codec can be played here. */
export function playable(codec: string): boolean {
  return typeof MediaSource !== "undefined" && MediaSource.isTypeSupported(mimeType(codec));
}

function mimeType(codec: string): string {
  return `video/mp4; codecs="${codec}"`;
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

function joined(parts: readonly Bytes[]): Bytes {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Holds one MediaSource for the life of a video element's day. */
export class MediaBuffer {
  readonly #video: HTMLVideoElement;
  readonly #source = new MediaSource();
  readonly #url: string;
  readonly #offset: number;
  readonly #opened: Promise<void>;
  #buffer: SourceBuffer | undefined;
  #configuration: Configuration | undefined;
  #waiting: Fragment[] = [];
  #working = false;
  #restart = false;
  #error: Error | undefined;

  constructor(video: HTMLVideoElement, day: Day) {
    this.#video = video;
    this.#offset = BEFORE_MIDNIGHT_S - day.startUs / 1e6;
    this.#opened = new Promise((done) => this.#source.addEventListener("sourceopen", () => done(), { once: true }));
    this.#url = URL.createObjectURL(this.#source);
    video.src = this.#url;
  }

  /** The moment that the element stands at. */
  get time(): number {
    return this.#video.currentTime - BEFORE_MIDNIGHT_S;
  }

  set time(at: number) {
    this.#video.currentTime = at + BEFORE_MIDNIGHT_S + ROUNDING_S;
  }

  /** Why nothing can be appended any more. */
  get error(): Error | undefined {
    return this.#error;
  }

  /** A moment of a frame's metadata on the day's axis. */
  moment(mediaTime: number): number {
    return mediaTime - BEFORE_MIDNIGHT_S;
  }

  /**
   * Empties the buffer: what comes next begins with a keyframe elsewhere. Pieces that were fetched apart are not kept beside
   * each other: where one ends within a group of pictures of the next, browsers drop the rest of that group and show the
   * frame after it.
   */
  restart(): void {
    this.#waiting = [];
    if (this.#buffer === undefined) return;
    this.#restart = true;
    if (!this.#working) void this.#work();
  }

  append(fragment: Fragment): void {
    this.#waiting.push(fragment);
    if (!this.#working) void this.#work();
  }

  /** Whether everything handed over is in the buffer. */
  get idle(): boolean {
    return !this.#working;
  }

  /** Up to where pictures lie from `at` on without a hole; nothing if none lies there. */
  endFrom(at: number): number | undefined {
    if (this.#restart) return undefined;
    const wanted = at + BEFORE_MIDNIGHT_S + ROUNDING_S;
    const ranges = this.#buffer?.buffered;
    for (let i = 0; i < (ranges?.length ?? 0); i++) {
      const [start, end] = [ranges?.start(i) ?? 0, ranges?.end(i) ?? 0];
      if (wanted >= start - TOLERANCE_S && wanted < end) return end - BEFORE_MIDNIGHT_S;
    }
    return undefined;
  }

  /** Lets go of what lies outside a span. */
  async keep(from: number, to: number): Promise<void> {
    const buffer = this.#buffer;
    if (buffer === undefined || this.#working || this.#source.readyState !== "open") return;
    const [start, end] = [Math.max(0, from + BEFORE_MIDNIGHT_S), Math.max(0, to + BEFORE_MIDNIGHT_S)];
    const ranges = buffer.buffered;
    if (ranges.length === 0) return;
    this.#working = true;
    try {
      if (start > ranges.start(0)) await this.#update(buffer, () => buffer.remove(0, start));
      const last = buffer.buffered;
      if (last.length > 0 && end < last.end(last.length - 1)) await this.#update(buffer, () => buffer.remove(end, Infinity));
    } finally {
      this.#working = false;
    }
    if (this.#restart || this.#waiting.length > 0) void this.#work();
  }

  close(): void {
    this.#waiting = [];
    this.#error = new Error("closed");
    this.#video.removeAttribute("src");
    this.#video.load();
    URL.revokeObjectURL(this.#url);
  }

  async #work(): Promise<void> {
    this.#working = true;
    try {
      await this.#opened;
      while ((this.#restart || this.#waiting.length > 0) && this.#error === undefined) {
        if (this.#restart) await this.#empty();
        else await this.#appendNext();
      }
    } catch (error) {
      this.#error ??= error instanceof Error ? error : new Error(String(error));
    } finally {
      this.#working = false;
    }
  }

  async #empty(): Promise<void> {
    const buffer = this.#buffer;
    this.#restart = false;
    if (buffer === undefined || this.#source.readyState !== "open") return;
    buffer.abort();
    if (buffer.buffered.length > 0) await this.#update(buffer, () => buffer.remove(0, Infinity));
  }

  async #appendNext(): Promise<void> {
    const configuration = this.#waiting[0]?.configuration;
    if (configuration === undefined) return;
    const buffer = this.#bufferFor(configuration);
    const parts: Bytes[] = [];
    if (this.#configuration === undefined || !same(this.#initialisation, configuration.track.initialisation)) {
      if (this.#configuration !== undefined && this.#configuration.codec !== configuration.codec) {
        buffer.changeType(mimeType(configuration.codec));
      }
      this.#configuration = configuration;
      parts.push(configuration.track.initialisation);
    }
    while (this.#waiting[0] !== undefined && this.#sameAs(this.#waiting[0].configuration)) {
      parts.push((this.#waiting.shift() as Fragment).data);
    }
    const data = joined(parts);
    try {
      await this.#update(buffer, () => buffer.appendBuffer(data));
    } catch (error) {
      if (!(error instanceof DOMException) || error.name !== "QuotaExceededError") throw error;
      const here = this.#video.currentTime;
      await this.#update(buffer, () => buffer.remove(0, Math.max(0.1, here - 1)));
      await this.#update(buffer, () => buffer.appendBuffer(data));
    }
  }

  get #initialisation(): Uint8Array {
    return this.#configuration?.track.initialisation ?? new Uint8Array();
  }

  #sameAs(configuration: Configuration): boolean {
    return configuration === this.#configuration || same(this.#initialisation, configuration.track.initialisation);
  }

  #bufferFor(configuration: Configuration): SourceBuffer {
    if (this.#buffer === undefined) {
      if (!playable(configuration.codec)) {
        throw new Error(`This browser cannot play what was recorded here (${configuration.codec}).`);
      }
      this.#buffer = this.#source.addSourceBuffer(mimeType(configuration.codec));
      this.#buffer.timestampOffset = this.#offset;
      this.#source.duration = BEFORE_MIDNIGHT_S + 26 * 3600;
    }
    return this.#buffer;
  }

  /** Starts an operation of a source buffer and waits until it is done. */
  #update(buffer: SourceBuffer, operation: () => void): Promise<void> {
    return new Promise((done, failed) => {
      const finish = (event: Event) => {
        for (const name of ["updateend", "error"]) buffer.removeEventListener(name, finish);
        if (event.type === "error") failed(this.#video.error ?? new Error("The browser cannot read this footage."));
        else done();
      };
      for (const name of ["updateend", "error"]) buffer.addEventListener(name, finish);
      try {
        operation();
      } catch (error) {
        for (const name of ["updateend", "error"]) buffer.removeEventListener(name, finish);
        failed(error);
      }
    });
  }
}
