// SPDX-License-Identifier: Apache-2.0
// Recorded playback of one camera: chooses how the clock's moment is shown (every frame, decoded groups of pictures, or
// keyframes alone) and says in words what cannot be shown.

import type { MasterClock } from "./clock.ts";
import type { Footage, Missing } from "./footage.ts";
import { FramePicture } from "./frames.ts";
import { KeyframePicture } from "./keyframe-picture.ts";
import { Painting } from "./painting.ts";
import type { StreamInfo } from "./session.ts";
import { Recordings, causeInWords, gapInWords } from "./spans.ts";
import { NO_DECODER, Preview, canDecode } from "./stills.ts";
import { VideoPicture, type Showing } from "./video-picture.ts";

/** Faster than this, keyframes alone are shown. */
export const FASTEST_FULL = 4;
/** A clock is not held by one camera for longer. */
const LONGEST_HOLD_MS = 2500;
/** Seconds of real time before the end of a gap in which what follows is fetched. */
const PREPARE_S = 3;
/** After a step the picture on the canvas is replaced by the full one, unless another step comes. */
const SETTLE_MS = 200;

export interface Status {
  readonly kind: "picture" | "gap" | "damage" | "waiting" | "future" | "failed";
  /** In words; empty while there is a picture. */
  readonly text: string;
  /** How the picture is shown, where it is not every frame. */
  readonly note: string;
  /** Whether the clock should wait for this camera. */
  readonly hold: boolean;
}

type Mode = "video" | "keyframes" | "frames";

export interface StreamChoice {
  readonly stream: string;
  /** What the viewer should know about the choice; often empty. */
  readonly note: string;
}

/**
 * Which stream to look back at. One camera alone: the largest that the browser plays; several: the smallest, because
 * no machine decodes nine large ones. Nothing if the browser plays none of them.
 */
export function chooseStream(
  streams: readonly StreamInfo[],
  alone: boolean,
  plays: (codec: string) => boolean,
): StreamChoice | undefined {
  const bySize = [...streams].sort((a, b) => b.width * b.height - a.width * a.height);
  // Of a stream that has not been seen since the recorder started nobody knows the codec: its footage will tell.
  const playable = bySize.filter((each) => videoCodec(each.codecs) === "" || plays(videoCodec(each.codecs)));
  const chosen = alone ? playable[0] : playable.at(-1);
  if (chosen === undefined) return undefined;
  const [largest] = bySize;
  const refused = alone && largest !== undefined && largest !== chosen && largest.width > chosen.width;
  return {
    stream: chosen.stream,
    note: refused
      ? `Shown from the stream “${chosen.stream}”: this browser cannot play ${codecName(largest.codecs)}.`
      : "",
  };
}

export function videoCodec(codecs: string): string {
  const all = codecs.split(",").map((codec) => codec.trim());
  return all.find((codec) => !/^(mp4a|opus|ulaw|alaw|ac-3)/i.test(codec)) ?? "";
}

export function codecName(codecs: string): string {
  const codec = videoCodec(codecs);
  if (/^(hvc1|hev1)/.test(codec)) return "H.265";
  if (/^(avc1|avc3)/.test(codec)) return "this kind of H.264";
  return codec === "" ? "a stream that has not been seen yet" : codec;
}

export class RecordedPlayer {
  readonly footage: Footage;
  /** What is recorded, renewed by whoever owns the player. */
  recordings = Recordings.nothing();
  readonly painting: Painting;
  readonly #video: HTMLVideoElement;
  readonly #canvas: HTMLCanvasElement;
  readonly #moving: VideoPicture;
  readonly #keyframes: KeyframePicture;
  readonly #frames: FramePicture;
  readonly #preview: Preview;
  #mode: Mode = "video";
  #previewing = false;
  /** Set by a step: the moment that the canvas shows, and when it was painted. */
  #stepped: { moment: number; at: number } | undefined;
  #waitingSince: number | undefined;
  #tired = false;

  /** `budget`: bytes that this camera's decoded pictures may take. */
  constructor(video: HTMLVideoElement, canvas: HTMLCanvasElement, footage: Footage, budget: () => number) {
    this.footage = footage;
    this.#video = video;
    this.#canvas = canvas;
    this.painting = new Painting(canvas);
    this.painting.hide();
    this.#moving = new VideoPicture(video, footage);
    this.#keyframes = new KeyframePicture(footage, this.painting);
    this.#frames = new FramePicture(footage, this.painting, budget);
    this.#preview = new Preview(footage, (still) => {
      if (still === undefined) this.painting.hide();
      else this.painting.paint(still.bitmap, still.moment);
      still?.bitmap.close();
    });
  }

  /** The picture on the screen: its moment, and when it was painted (milliseconds of `performance.now`). */
  get painted(): { moment: number; at: number } | undefined {
    return this.painting.shown ? this.painting.painted : this.#moving.painted;
  }

  /** To be called on every animation frame. */
  follow(clock: MasterClock): Status {
    if (this.#previewing) return status("picture", "");
    const at = clock.time;
    this.#enter(this.#modeFor(clock));
    if (this.recordings.spanAt(at) === undefined) return this.#nothingAt(at, clock);
    const showing = this.#follow(clock);
    if (showing.kind !== "waiting") this.#waitingSince = undefined;
    switch (showing.kind) {
      case "shown":
        return status("picture", "", this.#note(clock));
      case "waiting":
        this.#waitingSince ??= performance.now();
        return { ...status("waiting", "Loading…"), hold: performance.now() - this.#waitingSince < LONGEST_HOLD_MS };
      case "missing":
        this.painting.hide();
        return this.#lost(showing.why);
      case "failed":
        return status("failed", showing.message);
    }
  }

  /** The clock was set to another moment. */
  seek(): void {
    this.#stepped = undefined;
    this.#waitingSince = undefined;
    this.#tired = false;
    this.#moving.seek();
    this.#keyframes.seek();
    this.#frames.seek();
  }

  /** While the cursor is dragged: shows the keyframe before a moment. */
  preview(at: number): void {
    if (!this.#previewing) this.#moving.rest();
    this.#previewing = true;
    if (!canDecode()) return;
    if (this.recordings.spanAt(at) === undefined) this.painting.hide();
    else this.#preview.want(at, this.painting.width);
  }

  endPreview(): void {
    this.#previewing = false;
    this.#preview.stop();
  }

  /** Shows the next (previous) frame of a moment; answers with its moment, with nothing where the footage ends. */
  async step(at: number, direction: 1 | -1): Promise<number | undefined> {
    const moment = await this.#frames.step(at, direction, this.recordings);
    if (moment !== undefined) this.#stepped = { moment, at: performance.now() };
    return moment;
  }

  /** The picture on the screen in its own size, as PNG. */
  async snapshot(): Promise<Blob | undefined> {
    const [width, height] = [this.#video.videoWidth, this.#video.videoHeight];
    const copy = document.createElement("canvas");
    const source = this.painting.shown ? this.#canvas : this.#video;
    copy.width = this.painting.shown ? this.#canvas.width : width;
    copy.height = this.painting.shown ? this.#canvas.height : height;
    if (copy.width === 0 || copy.height === 0) return undefined;
    copy.getContext("2d")?.drawImage(source, 0, 0);
    return (await new Promise<Blob | null>((done) => copy.toBlob(done, "image/png"))) ?? undefined;
  }

  close(): void {
    this.#preview.close();
    this.#keyframes.close();
    this.#frames.leave();
    this.#moving.close();
  }

  #modeFor(clock: MasterClock): Mode {
    if (!clock.playing || !canDecode()) return "video";
    if (clock.rate < -1 || clock.rate > FASTEST_FULL) return "keyframes";
    if (clock.rate < 0) return "frames";
    if (clock.rate > 1 && this.#moving.struggling) this.#tired = true;
    return this.#tired && clock.rate > 1 ? "keyframes" : "video";
  }

  /** What was shown stays on the screen until the new mode has a picture. */
  #enter(mode: Mode): void {
    if (mode === this.#mode) return;
    if (this.#mode === "video") this.#moving.leave();
    else if (this.#mode === "keyframes") this.#keyframes.leave();
    if (mode !== "frames" && this.#mode === "frames") this.#frames.leave();
    this.#mode = mode;
  }

  #follow(clock: MasterClock): Showing {
    if (this.#mode === "keyframes") return this.#keyframes.follow(clock);
    if (this.#mode === "frames") return this.#frames.follow(clock, this.recordings);
    const stepped = this.#stepped;
    if (stepped !== undefined && clock.playing) this.#stepped = undefined;
    else if (stepped !== undefined && performance.now() - stepped.at < SETTLE_MS) return { kind: "shown" };
    const showing = this.#moving.follow(clock, this.recordings);
    if (showing.kind === "shown") this.painting.hide();
    return showing;
  }

  #nothingAt(at: number, clock: MasterClock): Status {
    this.painting.hide();
    this.#moving.rest();
    this.#waitingSince = undefined;
    const next = this.recordings.footageFrom(at);
    const near = next !== undefined && next - at < PREPARE_S * Math.max(1, Math.abs(clock.rate));
    if (near && this.#mode === "video" && clock.rate > 0) this.#moving.prepare(next);
    const gap = this.recordings.gapAt(at);
    if (gap !== undefined) return status("gap", gapInWords(gap, this.footage.day));
    if (at >= this.recordings.now) return status("future", "Not recorded yet.");
    return status("waiting", at < this.recordings.from ? "Not open to you." : "Not on the disk yet.");
  }

  #lost(why: Missing | undefined): Status {
    if (why === undefined || why.cause === "") return status("damage", "No picture until the next keyframe.");
    const gap = { ...why, end: Math.min(why.end, this.footage.day.length), lasting: why.end === Infinity };
    const kind = why.cause === "damage" ? "damage" : "gap";
    if (kind === "damage") return status(kind, gapInWords(gap, this.footage.day));
    return status(kind, `No recording: ${causeInWords(why)}`);
  }

  #note(clock: MasterClock): string {
    if (!clock.playing) return "";
    if (this.#mode === "keyframes") {
      return this.#tired && clock.rate > 0 && clock.rate <= FASTEST_FULL
        ? `Keyframes only: this machine cannot decode every frame at ${clock.rate}×.`
        : "Keyframes only at this speed.";
    }
    if (!canDecode() && (clock.rate < 0 || clock.rate > FASTEST_FULL)) return NO_DECODER;
    return "";
  }
}

function status(kind: Status["kind"], text: string, note = ""): Status {
  return { kind, text, note, hold: false };
}
