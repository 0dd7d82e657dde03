// SPDX-License-Identifier: Apache-2.0
// Stills and thumbnails, decoded in the browser from keyframes: the recorder decodes nothing.

import type { Configuration, Footage, Fragment } from "./footage.ts";

/** A decoded picture. Whoever holds it closes it. */
export interface Still {
  /** The moment of the frame, seconds since local midnight. */
  readonly moment: number;
  readonly bitmap: ImageBitmap;
}

/** WebCodecs exist on HTTPS and on this machine itself alone. */
export function canDecode(): boolean {
  return typeof VideoDecoder !== "undefined";
}

export const NO_DECODER =
  "This browser decodes single pictures on HTTPS pages alone: no reverse, no speeds above 4×, no preview while dragging.";

export function decoderConfig(configuration: Configuration): VideoDecoderConfig {
  const { codec, track } = configuration;
  const config: VideoDecoderConfig = { codec, optimizeForLatency: true };
  if (track.description !== undefined) config.description = track.description;
  return config;
}

/** Making a picture smaller costs more than painting one that is a little too large. */
const WORTH_SHRINKING = 1.5;

/** A bitmap of a decoded frame, not much wider than `width` pixels. */
export function bitmapOf(frame: VideoFrame, width: number): Promise<ImageBitmap> {
  if (frame.displayWidth <= width * WORTH_SHRINKING) return createImageBitmap(frame);
  const resizeHeight = Math.max(1, Math.round((frame.displayHeight * width) / frame.displayWidth));
  return createImageBitmap(frame, { resizeWidth: Math.round(width), resizeHeight, resizeQuality: "low" });
}

/** Decodes keyframes one at a time, in the order in which they are handed over. */
export class KeyframeDecoder {
  readonly #footage: Footage;
  #decoder: VideoDecoder | undefined;
  #configuration: Configuration | undefined;
  #frame: VideoFrame | undefined;
  #error: Error | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(footage: Footage) {
    this.#footage = footage;
  }

  /** Rejects if it is no keyframe, or the browser cannot decode it. */
  decode(fragment: Fragment, width: number): Promise<Still> {
    const done = this.#last.then(() => this.#decode(fragment, width));
    this.#last = done.catch(() => undefined);
    return done;
  }

  close(): void {
    if (this.#decoder?.state !== "closed") this.#decoder?.close();
    this.#decoder = undefined;
  }

  async #decode(fragment: Fragment, width: number): Promise<Still> {
    const [frame] = fragment.configuration.track.frames(fragment.data);
    if (frame === undefined) throw new Error("The keyframe is empty.");
    const decoder = this.#decoderFor(fragment.configuration);
    decoder.decode(new EncodedVideoChunk({ type: "key", timestamp: frame.timeUs, data: frame.data }));
    await decoder.flush();
    const decoded = this.#frame;
    this.#frame = undefined;
    if (decoded === undefined) throw this.#error ?? new Error("The browser decoded nothing.");
    try {
      return { moment: this.#footage.day.secondsAt(frame.timeUs), bitmap: await bitmapOf(decoded, width) };
    } finally {
      decoded.close();
    }
  }

  #decoderFor(configuration: Configuration): VideoDecoder {
    let decoder = this.#decoder;
    if (decoder === undefined || decoder.state === "closed") {
      decoder = new VideoDecoder({
        output: (frame) => {
          this.#frame?.close();
          this.#frame = frame;
        },
        error: (error) => {
          this.#error = error;
        },
      });
      this.#decoder = decoder;
      this.#configuration = undefined;
    }
    if (this.#configuration !== configuration) {
      this.#error = undefined;
      decoder.configure(decoderConfig(configuration));
      this.#configuration = configuration;
    }
    return decoder;
  }
}

/** A keyframe that was shown for a moment is shown again for moments this close behind it, without asking. */
const CLOSE_S = 0.5;

/**
 * Previews while the cursor is dragged: the keyframe before the wanted moment. While one is on its way only the last
 * wish is kept, so that a picture is never older than one answer.
 */
export class Preview {
  readonly #footage: Footage;
  readonly #decoder: KeyframeDecoder;
  readonly #show: (still: Still | undefined) => void;
  #wanted: { at: number; width: number } | undefined;
  #busy = false;
  #controller = new AbortController();
  #shown = Number.NaN;

  /** `show` gets what to paint, and nothing where there is no footage. It owns the bitmap. */
  constructor(footage: Footage, show: (still: Still | undefined) => void) {
    this.#footage = footage;
    this.#decoder = new KeyframeDecoder(footage);
    this.#show = show;
  }

  want(at: number, width: number): void {
    if (at >= this.#shown && at - this.#shown < CLOSE_S) return;
    this.#wanted = { at, width };
    if (!this.#busy) void this.#work();
  }

  /** Dragging is over: what is on its way is not shown any more. */
  stop(): void {
    this.#wanted = undefined;
    this.#controller.abort();
    this.#controller = new AbortController();
    this.#shown = Number.NaN;
  }

  close(): void {
    this.stop();
    this.#decoder.close();
  }

  async #work(): Promise<void> {
    this.#busy = true;
    while (this.#wanted !== undefined) {
      const { at, width } = this.#wanted;
      const { signal } = this.#controller;
      this.#wanted = undefined;
      // A preview that fails is none: the player says what is wrong when the drag ends there.
      const still = await this.#still(at, width, signal).catch(() => undefined);
      if (signal.aborted) still?.bitmap.close();
      else {
        this.#shown = still?.moment ?? Number.NaN;
        this.#show(still);
      }
    }
    this.#busy = false;
  }

  async #still(at: number, width: number, signal: AbortSignal): Promise<Still | undefined> {
    const fragment = await this.#footage.still(at, signal);
    return fragment === undefined ? undefined : this.#decoder.decode(fragment, width);
  }
}
