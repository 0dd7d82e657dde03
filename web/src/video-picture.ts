// SPDX-License-Identifier: Apache-2.0
// Recorded footage in a video element, following the clock: forward, at the speeds that a browser plays every frame of.

import { correction, type MasterClock } from "./clock.ts";
import type { Footage, Missing } from "./footage.ts";
import { MediaBuffer } from "./media-buffer.ts";
import type { Recordings } from "./spans.ts";

/** How a picture stands towards the moment that the clock shows. */
export type Showing =
  | { readonly kind: "shown" }
  /** It is being fetched: the clock should wait. */
  | { readonly kind: "waiting" }
  /** The recorder has said that there is nothing. */
  | { readonly kind: "missing"; readonly why: Missing | undefined }
  | { readonly kind: "failed"; readonly message: string };

/** Seconds of footage per second of real time that are kept ready ahead. */
const AHEAD_S = 4;
const CHUNK_S = 8;
/** The same while the clock stands: enough for a start without waiting. */
const STANDING_S = 1.5;
/** Kept behind, so that going back a little asks for nothing. */
const BEHIND_S = 20;
const FAR_AHEAD_S = 90;
const TIDY_MS = 3000;
/** After a failure the recorder is asked again. */
const RETRY_MS = 1500;
const FRAME_S = 0.02;
/** With so much ahead every decoder gives a frame, however many it holds back. */
const ENOUGH_S = 0.8;
/** Up to so much of a recording's end may be without a frame. */
const TAIL_S = 0.3;
/** Frames are stored in the order of decoding: one that is shown may lie so much before its place. */
const REORDER_S = 0.25;
/** Footage comes to the disk this much later at most. */
const NOT_YET_S = 10;

interface Run {
  /** What was asked for first. */
  readonly from: number;
  /** Up to here the recorder has answered. */
  reached: number;
  readonly controller: AbortController;
  active: boolean;
  /** Milliseconds of `performance.now` before which nothing more is asked: the last answer held nothing new. */
  patience: number;
}

export class VideoPicture {
  readonly #video: HTMLVideoElement;
  readonly #footage: Footage;
  #buffer: MediaBuffer;
  #run: Run | undefined;
  #missing: Missing[] = [];
  #target: number | undefined;
  #failure: { message: string; at: number } | undefined;
  #tidied = 0;
  #now = 0;
  #late: number[] = [];
  /** The frame on the screen: its moment, and when it was painted (milliseconds of `performance.now`). */
  painted: { moment: number; at: number } | undefined;

  constructor(video: HTMLVideoElement, footage: Footage) {
    this.#video = video;
    this.#footage = footage;
    video.muted = true;
    video.preservesPitch = false;
    this.#buffer = new MediaBuffer(video, footage.day);
    this.#watchFrames();
  }

  /** Whether this machine keeps falling behind at the present speed. */
  get struggling(): boolean {
    const since = performance.now() - 4000;
    return this.#late.filter((at) => at > since).length >= 3;
  }

  /** The clock was set elsewhere: show that moment even if it is near. */
  seek(): void {
    this.#target = undefined;
    this.#late = [];
  }

  /** To be called on every animation frame while this picture is the one that is shown. */
  follow(clock: MasterClock, recordings: Recordings): Showing {
    const at = clock.time;
    if (this.#buffer.error !== undefined) this.#reopen(this.#buffer.error);
    const showing = this.#showing(clock, recordings);
    if (showing.kind !== "waiting") return showing;
    // Where recording ends, the last frames may never come out of the decoder: what is shown stays, and nobody waits for more.
    const span = recordings.spanAt(at);
    const over = span !== undefined && span.end - at < TAIL_S && (this.#run?.reached ?? 0) >= span.end - FRAME_S;
    return over ? { kind: "shown" } : showing;
  }

  #showing(clock: MasterClock, recordings: Recordings): Showing {
    const at = clock.time;
    const end = this.#buffer.endFrom(at);
    this.#fetch(at, end, clock, recordings);
    this.#tidy(at);
    if (end === undefined) return this.#without(at);
    const behind = at - this.#buffer.time;
    if (!clock.moving) return this.#stand(at, behind, !clock.playing);
    const next = correction(behind, clock.rate);
    if (this.#target === undefined || (next.seek && !this.#video.seeking)) {
      if (this.#target !== undefined) this.#late.push(performance.now());
      this.#set(at);
    }
    if (this.#video.paused) void this.#video.play().catch(() => undefined); // pausing again soon after is no failure
    if (!next.seek && this.#video.playbackRate !== next.rate) this.#video.playbackRate = next.rate;
    return this.#state();
  }

  /** Fetches what the clock will come to after a gap. */
  prepare(at: number): void {
    const onItsWay = this.#run !== undefined && at >= this.#run.from - FRAME_S && at <= this.#run.reached + CHUNK_S;
    if (!onItsWay && this.#buffer.endFrom(at) === undefined) this.#begin(at, 2);
  }

  /** Stops where it is: nothing of it belongs on the screen now. */
  rest(): void {
    if (!this.#video.paused) this.#video.pause();
    this.#target = undefined;
  }

  /** Another picture is shown now. */
  leave(): void {
    this.#video.pause();
    this.#stop();
    this.#target = undefined;
  }

  close(): void {
    this.leave();
    this.#buffer.close();
  }

  #set(at: number): void {
    this.#target = at;
    this.#buffer.time = at;
  }

  /** The clock stands: show its moment; exactly, unless it only waits for another camera. */
  #stand(at: number, behind: number, exact: boolean): Showing {
    if (!this.#video.paused) this.#video.pause();
    if (this.#target === undefined || Math.abs(behind) > (exact ? 0.001 : 0.1)) this.#set(at);
    return this.#state();
  }

  #state(): Showing {
    const ready = !this.#video.seeking && this.#video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA;
    return { kind: ready ? "shown" : "waiting" };
  }

  /** Nothing is buffered at the moment: either it is on its way, or there is nothing to come. */
  #without(at: number): Showing {
    this.#video.pause();
    this.#target = undefined;
    if (this.#failure !== undefined) return { kind: "failed", message: this.#failure.message };
    const run = this.#run;
    if (run !== undefined && run.reached > at + FRAME_S && this.#buffer.idle) {
      return { kind: "missing", why: this.#missing.find((each) => each.start <= at && each.end > at) };
    }
    return { kind: "waiting" };
  }

  #fetch(at: number, end: number | undefined, clock: MasterClock, recordings: Recordings): void {
    this.#now = recordings.now;
    if (this.#failure !== undefined && performance.now() - this.#failure.at < RETRY_MS) return;
    const speed = clock.playing ? Math.max(1, Math.abs(clock.rate)) : 1;
    const run = this.#run;
    if (end === undefined || run === undefined) {
      const onItsWay = run !== undefined && at >= run.from && at < run.reached + (run.active ? CHUNK_S * speed : 0);
      if (run === undefined || !onItsWay) this.#begin(at, clock.playing ? 2 * speed : 1);
      else if (!run.active && run.reached <= at + FRAME_S) this.#go(run, run.reached, CHUNK_S * speed, false);
      return;
    }
    const [ahead, chunk] = clock.playing ? [AHEAD_S * speed, CHUNK_S * speed] : [STANDING_S, STANDING_S];
    if (run.active || run.reached - at > ahead) return;
    // The first picture comes first: nothing else is asked for while it is being decoded, if there is enough for a decoder.
    if (this.#video.seeking && end - at > ENOUGH_S && !clock.moving) return;
    if (recordings.footageFrom(run.reached) !== undefined) this.#go(run, run.reached, chunk, false);
  }

  /** Asks anew, from the keyframe before a moment. */
  #begin(at: number, length: number): void {
    this.#stop();
    this.#missing = [];
    this.#buffer.restart();
    const run = { from: at, reached: at, controller: new AbortController(), active: false, patience: 0 };
    this.#run = run;
    this.#go(run, at, length, true);
  }

  #go(run: Run, from: number, length: number, lead: boolean): void {
    if (performance.now() < run.patience) return;
    run.active = true;
    this.#failure = undefined;
    void this.#receive(run, lead ? from - REORDER_S : from, Math.min(from + length, this.#footage.day.length), lead)
      .catch((error: unknown) => {
        if (run.controller.signal.aborted) return;
        const message = error instanceof Error ? error.message : String(error);
        this.#failure = { message, at: performance.now() };
        this.#run = undefined;
      })
      .finally(() => {
        run.active = false;
        if (run.reached <= from + FRAME_S) run.patience = performance.now() + 500;
      });
  }

  async #receive(run: Run, from: number, to: number, lead: boolean): Promise<void> {
    if (to <= from) return;
    let known = lead ? -Infinity : run.reached - 0.001;
    for await (const piece of this.#footage.fragments(from, to, { lead, signal: run.controller.signal })) {
      if (run.controller.signal.aborted) return;
      if (piece.kind === "missing") this.#missing.push(piece);
      else if (piece.start >= known) {
        // A fragment that came before is not appended twice: going back in time a buffer waits for a keyframe.
        known = piece.start + 0.001;
        this.#buffer.append(piece);
      }
      run.reached = Math.max(run.reached, Math.min(piece.end, to + 1));
    }
    // What was not recorded yet when it was asked for may be there later: that much has not been answered.
    if (to < this.#now - NOT_YET_S) run.reached = Math.max(run.reached, to);
  }

  #stop(): void {
    this.#run?.controller.abort();
    this.#run = undefined;
  }

  #tidy(at: number): void {
    if (performance.now() - this.#tidied < TIDY_MS) return;
    this.#tidied = performance.now();
    void this.#buffer.keep(at - BEHIND_S, at + FAR_AHEAD_S);
  }

  /** A buffer that failed takes nothing any more: go on with a new one. */
  #reopen(error: Error): void {
    this.#failure = { message: error.message, at: performance.now() };
    this.#stop();
    this.#buffer.close();
    this.#buffer = new MediaBuffer(this.#video, this.#footage.day);
    this.#target = undefined;
  }

  #watchFrames(): void {
    if (!("requestVideoFrameCallback" in HTMLVideoElement.prototype)) return;
    const frame = (_now: number, metadata: VideoFrameCallbackMetadata) => {
      this.painted = { moment: this.#buffer.moment(metadata.mediaTime), at: metadata.expectedDisplayTime };
      this.#video.requestVideoFrameCallback(frame);
    };
    this.#video.requestVideoFrameCallback(frame);
  }
}
