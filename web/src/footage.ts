// SPDX-License-Identifier: Apache-2.0
// Recorded footage of one stream on one day, asked of the recorder by time (docs/reference/media-plane.md).
// Times are seconds since local midnight of the day.

import type { Day } from "./day.ts";
import type { Bytes, ConfigurationRecord, MediaRecord } from "./records.ts";
import { RequestError } from "./session.ts";
import { Recordings, type SpansAnswer } from "./spans.ts";
import { MediaError, VideoTrack } from "./video-track.ts";

/** What is needed of a session with the recorder. Both reject with an Error whose message is for people. */
export interface Recorder {
  json(path: string, signal?: AbortSignal): Promise<unknown>;
  records(path: string, signal?: AbortSignal): AsyncIterable<MediaRecord>;
}

export interface Configuration {
  /** Of the video track alone, RFC 6381. */
  readonly codec: string;
  readonly width: number;
  readonly height: number;
  readonly track: VideoTrack;
}

export interface Fragment {
  readonly kind: "fragment";
  readonly configuration: Configuration;
  readonly start: number;
  readonly end: number;
  readonly keyframe: boolean;
  /** `moof` and `mdat`, pictures alone. */
  readonly data: Bytes;
}

/** Footage that the recorder cannot give back, or has not. */
export interface Missing {
  readonly kind: "missing";
  readonly start: number;
  readonly end: number;
  /** A gap's cause, or "damage". */
  readonly cause: string;
  readonly detail: string;
}

export type Piece = Fragment | Missing;

function configurationOf(record: ConfigurationRecord): Configuration {
  const video = record.header.tracks.find((track) => track.kind === "video");
  if (video === undefined) throw new MediaError("The footage has no pictures.");
  return { codec: video.rfc6381, width: video.width, height: video.height, track: new VideoTrack(record.payload) };
}

export class Footage {
  readonly camera: string;
  readonly stream: string;
  readonly day: Day;
  readonly #recorder: Recorder;

  constructor(recorder: Recorder, camera: string, stream: string, day: Day) {
    this.#recorder = recorder;
    this.camera = camera;
    this.stream = stream;
    this.day = day;
  }

  /** What is recorded between two moments. Nothing before `from` is said to be missing. */
  async recordings(from: number, to: number, signal?: AbortSignal): Promise<Recordings> {
    const answer = await this.#recorder.json(this.#path("spans", from, to), signal);
    return Recordings.read(answer as SpansAnswer, this.day, this.day.utcUsAt(from));
  }

  /** Fragments that overlap a span, in order; with `lead`, from the last keyframe before it. */
  fragments(from: number, to: number, { lead, signal }: { lead: boolean; signal: AbortSignal }): AsyncGenerator<Piece> {
    return this.#pieces(from, to, "fragments", lead ? "&lead=keyframe" : "", signal);
  }

  /** Keyframes of a span, none closer than `every` seconds to another: fragments of one frame each. */
  keyframes(from: number, to: number, every: number, signal: AbortSignal): AsyncGenerator<Piece> {
    return this.#pieces(from, to, "keyframes", `&every=${Math.round(every * 1e9)}`, signal);
  }

  /** The keyframe at or before a moment; nothing where there is no footage. */
  async still(at: number, signal: AbortSignal): Promise<Fragment | undefined> {
    const path = `${this.#base}/still?at=${this.day.nanosecondsAt(at)}`;
    try {
      for await (const piece of this.#read(path, signal)) {
        if ("kind" in piece && piece.kind === "fragment") return piece;
      }
    } catch (error) {
      if (!(error instanceof RequestError) || error.status !== 404) throw error;
    }
    return undefined;
  }

  async *#pieces(from: number, to: number, what: string, more: string, signal: AbortSignal): AsyncGenerator<Piece> {
    let start = from;
    while (start < to) {
      let next: number | undefined;
      for await (const piece of this.#read(this.#path(what, start, to) + more, signal)) {
        if ("kind" in piece) yield piece;
        else next = piece.next;
      }
      if (next === undefined || next <= start) return;
      start = next;
      more = more.replace("&lead=keyframe", "");
    }
  }

  /** What a body of records holds, up to its end; a body without one was cut off. */
  async *#read(path: string, signal: AbortSignal): AsyncGenerator<Piece | { next: number | undefined }> {
    const configurations = new Map<number, Configuration>();
    for await (const record of this.#recorder.records(path, signal)) {
      switch (record.kind) {
        case "configuration":
          configurations.set(record.header.id, configurationOf(record));
          break;
        case "fragment": {
          const { header } = record;
          const configuration = configurations.get(header.configuration);
          if (configuration === undefined) throw new MediaError("A fragment came before its configuration.");
          const start = this.day.secondsAt(header.start_us);
          yield {
            kind: "fragment",
            configuration,
            start,
            end: start + header.duration_us / 1e6,
            keyframe: header.keyframe,
            data: configuration.track.alone(record.payload),
          };
          break;
        }
        case "damage":
          yield { ...this.#stretch(record.header), cause: "damage", detail: record.header.detail };
          break;
        case "gap":
          yield { ...this.#stretch(record.header), cause: record.header.cause, detail: record.header.detail };
          break;
        case "error":
          throw new MediaError(record.header.message);
        case "end":
          yield { next: record.header.next_us === undefined ? undefined : this.day.secondsAt(record.header.next_us) };
          return;
      }
    }
    if (path.includes("/still?")) return;
    throw new MediaError("The recorder’s answer was cut off.");
  }

  #stretch(header: { start_us: number; end_us: number | null }) {
    return {
      kind: "missing" as const,
      start: this.day.secondsAt(header.start_us),
      end: header.end_us === null ? Infinity : this.day.secondsAt(header.end_us),
    };
  }

  get #base(): string {
    return `/cameras/${encodeURIComponent(this.camera)}/${encodeURIComponent(this.stream)}`;
  }

  #path(what: string, from: number, to: number): string {
    return `${this.#base}/${what}?from=${this.day.nanosecondsAt(from)}&to=${this.day.nanosecondsAt(to)}`;
  }
}
