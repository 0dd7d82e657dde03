// SPDX-License-Identifier: Apache-2.0
// Live pictures by Media Source Extensions: fragments from a WebSocket into a video element, kept at the live edge.
// `currentTime` is seconds since the local midnight at which the day of the page's start began: one axis for all cameras.

import { LiveEdge } from "./live-edge.ts";
import type { Engine, EngineListener } from "./live-engine.ts";
import { recordsOf, RecordError, type Bytes, type ConfigurationHeader } from "./records.ts";
import { MediaError, VideoTrack } from "./video-track.ts";

/** What stays behind the picture, in seconds; and when it is looked at whether there is more. */
const KEEP_S = 6;
const TRIM_S = 20;
const TICK_MS = 100;
/** So far behind the newest picture a jump leads, at least: a decoder wants a few frames before it gives the first. */
const JUMP_S = 0.25;
/** An element that has not moved for so long, with so much ahead, is stuck. */
const STUCK_S = 1.5;
const STUCK_AHEAD_S = 1;
/** Holes up to this length are played over by browsers. */
const HOLE_S = 0.1;
/** Fragments waiting while the browser takes none: about ten seconds. */
const MOST_WAITING = 64;
const UNSUPPORTED_DATA = 1003;

interface Configuration {
  readonly codec: string;
  readonly track: VideoTrack;
}

interface Waiting {
  readonly configuration: Configuration;
  readonly data: Uint8Array;
}

/** The codec of the video track. */
export function videoCodec(header: ConfigurationHeader): string {
  return header.tracks.find((track) => track.kind === "video")?.rfc6381 ?? "";
}

export function mimeType(codec: string): string {
  return `video/mp4; codecs="${codec}"`;
}

export function playableByMse(codec: string): boolean {
  return "MediaSource" in globalThis && MediaSource.isTypeSupported(mimeType(codec));
}

export class MseEngine implements Engine {
  readonly name = "mse";
  readonly element: HTMLVideoElement;
  readonly #listener: EngineListener;
  readonly #originS: number;
  readonly #configurations = new Map<number, Configuration>();
  readonly #edge = new LiveEdge();
  readonly #ticker: ReturnType<typeof setInterval>;
  #socket: WebSocket | undefined;
  #source: MediaSource | undefined;
  #url = "";
  #buffer: SourceBuffer | undefined;
  #appended: Configuration | undefined;
  #waiting: Waiting[] = [];
  #errorMessage = "";
  #lastShown = NaN;
  /** Whether a picture was shown since the last jump. */
  #playing = false;
  #standing = { at: -1, since: 0, pushed: false };
  #closed = false;

  /** `originUs`: what `currentTime` counts from, in microseconds since the Unix epoch. */
  constructor(listener: EngineListener, originUs: number) {
    this.#listener = listener;
    this.#originS = originUs / 1e6;
    const video = document.createElement("video");
    video.muted = true;
    video.playsInline = true;
    video.disablePictureInPicture = true;
    video.disableRemotePlayback = true;
    // The tile around it says what it shows; the bare element would only be named "video".
    video.setAttribute("aria-hidden", "true");
    video.tabIndex = -1;
    video.addEventListener("waiting", () => this.#stopped());
    video.addEventListener("error", () => this.#broken(video.error?.message ?? "The video could not be decoded."));
    this.element = video;
    this.#ticker = setInterval(() => this.#keepUp(), TICK_MS);
    this.#watchFrames();
  }

  open(url: string, protocols: string[]): void {
    this.#configurations.clear();
    this.#errorMessage = "";
    const socket = new WebSocket(url, protocols);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    socket.addEventListener("message", (event) => {
      if (socket !== this.#socket) return;
      try {
        this.#take(event.data as ArrayBuffer);
      } catch (error) {
        if (!(error instanceof RecordError || error instanceof MediaError)) throw error;
        this.#errorMessage = error.message;
        socket.close();
        this.#end(UNSUPPORTED_DATA);
      }
    });
    socket.addEventListener("close", (event) => {
      if (socket === this.#socket) this.#end(event.code);
    });
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#ticker);
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.close();
    this.#letGo();
  }

  #end(code: number): void {
    this.#socket = undefined;
    this.#listener.ended({ code, message: this.#errorMessage });
  }

  // --- what comes ------------------------------------------------------------------------------------------------------

  #take(message: ArrayBuffer): void {
    for (const record of recordsOf(message)) {
      if (record.kind === "configuration") {
        const codec = videoCodec(record.header);
        if (!playableByMse(codec)) {
          this.close();
          this.#listener.unplayable(codec);
          return;
        }
        this.#configurations.set(record.header.id, { codec, track: new VideoTrack(record.payload) });
      } else if (record.kind === "fragment") {
        const configuration = this.#configurations.get(record.header.configuration);
        if (configuration === undefined) throw new RecordError("a fragment came before its configuration");
        this.#waiting.push({ configuration, data: configuration.track.alone(record.payload) });
        this.#edge.arrived(this.#ahead(), seconds());
        const { start_us: startUs, duration_us: durationUs, recorded } = record.header;
        this.#listener.received(startUs, startUs + durationUs, recorded);
      } else if (record.kind === "state") this.#listener.camera(record.header);
      else if (record.kind === "dropped") this.#listener.dropped();
      else if (record.kind === "error") this.#errorMessage = record.header.message;
    }
    // A browser that takes nothing more is started anew; what comes meanwhile begins with the next keyframe's group.
    if (this.#waiting.length > MOST_WAITING) this.#broken("The browser does not take the pictures as fast as they come.");
    else this.#append();
  }

  #append(): void {
    if (this.#waiting.length === 0) return;
    if (this.#source === undefined) {
      this.#begin();
      return;
    }
    if (this.#source.readyState !== "open" || this.#buffer?.updating === true) return;
    const { configuration } = this.#waiting[0] as Waiting;
    const count = this.#waiting.findIndex((each) => each.configuration !== configuration);
    const parts = this.#waiting.splice(0, count === -1 ? this.#waiting.length : count).map((each) => each.data);
    try {
      const buffer = this.#bufferFor(configuration);
      if (configuration !== this.#appended) parts.unshift(configuration.track.initialisation);
      this.#appendTo(buffer, joined(parts));
      this.#appended = configuration;
    } catch (error) {
      this.#broken(error instanceof Error ? error.message : String(error));
    }
  }

  #appendTo(buffer: SourceBuffer, data: Bytes): void {
    try {
      buffer.appendBuffer(data);
    } catch (error) {
      if (!(error instanceof DOMException) || error.name !== "QuotaExceededError") throw error;
      // Nothing behind the picture is needed; that there is too much ahead cannot be, but for a broken clock.
      buffer.remove(0, Infinity);
      this.#appended = undefined;
    }
  }

  #begin(): void {
    const source = new MediaSource();
    this.#source = source;
    this.#url = URL.createObjectURL(source);
    source.addEventListener(
      "sourceopen",
      () => {
        if (source === this.#source) this.#append();
      },
      { once: true },
    );
    this.element.src = this.#url;
  }

  #bufferFor(configuration: Configuration): SourceBuffer {
    const type = mimeType(configuration.codec);
    if (this.#buffer === undefined) {
      const buffer = (this.#source as MediaSource).addSourceBuffer(type);
      buffer.timestampOffset = -this.#originS;
      buffer.addEventListener("updateend", () => {
        if (buffer !== this.#buffer) return;
        this.#keepUp();
        this.#append();
      });
      buffer.addEventListener("error", () => this.#broken("The browser could not read the pictures."));
      this.#buffer = buffer;
    } else if (this.#appended !== undefined && this.#appended.codec !== configuration.codec) {
      this.#buffer.changeType(type);
    }
    return this.#buffer;
  }

  /** Begins anew: the element is emptied, and the connection is made again, which brings a whole group first. */
  #broken(message: string): void {
    if (this.#closed || this.#source === undefined) return;
    this.#letGo();
    const socket = this.#socket;
    this.#errorMessage = message;
    if (socket !== undefined) {
      socket.close();
      this.#end(UNSUPPORTED_DATA);
    }
    this.#listener.emptied(message);
  }

  #letGo(): void {
    this.#waiting = [];
    this.#buffer = undefined;
    this.#appended = undefined;
    if (this.#source === undefined) return;
    this.#source = undefined;
    URL.revokeObjectURL(this.#url);
    this.element.removeAttribute("src");
    this.element.load();
  }

  // --- the live edge ---------------------------------------------------------------------------------------------------

  #ahead(): number {
    const ranges = this.element.buffered;
    return ranges.length === 0 ? 0 : Math.max(0, ranges.end(ranges.length - 1) - this.element.currentTime);
  }

  /** The element waits: for a seek, for the first picture, or because its decoder has run out. Only that counts. */
  #stopped(): void {
    if (!this.element.seeking && this.#playing) this.#edge.stopped(this.#ahead(), seconds());
  }

  #keepUp(): void {
    const { element: video } = this;
    const ranges = video.buffered;
    const last = ranges.length - 1;
    if (last < 0) return;
    const [start, end] = [ranges.start(last), ranges.end(last)];
    if (video.paused && !document.hidden) void video.play().catch(() => undefined); // tried again on the next tick
    if (video.seeking) {
      this.#stuck();
      return;
    }
    if (video.currentTime < start - HOLE_S || video.currentTime > end + 1) {
      this.#jump(Math.max(start, end - Math.max(this.#edge.margin, JUMP_S)));
      return;
    }
    if (this.#stuck()) return;
    const advice = this.#edge.advise(end - video.currentTime, seconds());
    if ("jumpTo" in advice) this.#jump(Math.max(start, end + advice.jumpTo));
    else if (video.playbackRate !== advice.rate) video.playbackRate = advice.rate;
    const buffer = this.#buffer;
    if (buffer !== undefined && !buffer.updating && ranges.start(0) < video.currentTime - TRIM_S) {
      buffer.remove(0, video.currentTime - KEEP_S);
    }
  }

  /** A browser now and then never comes out of a seek or a wait, whatever it is given: it is pushed, then begun anew. */
  #stuck(): boolean {
    const { element: video } = this;
    const now = seconds();
    const here = video.currentTime;
    if (document.hidden || this.#ahead() < STUCK_AHEAD_S || here !== this.#standing.at) {
      this.#standing = { at: here, since: now, pushed: false };
      return false;
    }
    if (now - this.#standing.since < (this.#standing.pushed ? 2 * STUCK_S : STUCK_S)) return false;
    if (this.#standing.pushed) this.#broken("The browser stopped playing.");
    else {
      this.#jump(here + this.#ahead() - JUMP_S);
      this.#standing = { at: video.currentTime, since: now, pushed: true };
    }
    return true;
  }

  #jump(to: number): void {
    this.element.playbackRate = 1;
    this.element.currentTime = to;
    this.#playing = false;
    this.#edge.moved();
  }

  #watchFrames(): void {
    const video = this.element;
    const told = (at: number) => {
      if (this.#closed || at === this.#lastShown) return;
      this.#lastShown = at;
      this.#playing = true;
      this.#listener.shown(Math.round((at + this.#originS) * 1e6));
    };
    if (!("requestVideoFrameCallback" in video)) {
      // An older browser does not say which frame it shows: where the element stands is at most one frame off.
      (video as HTMLVideoElement).addEventListener("timeupdate", () => told((video as HTMLVideoElement).currentTime));
      return;
    }
    const each = (_now: number, frame: VideoFrameCallbackMetadata) => {
      told(frame.mediaTime);
      if (!this.#closed) video.requestVideoFrameCallback(each);
    };
    video.requestVideoFrameCallback(each);
  }
}

function seconds(): number {
  return performance.now() / 1000;
}

function joined(parts: readonly Uint8Array[]): Bytes {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
