// SPDX-License-Identifier: Apache-2.0
// How a live picture fares, in words and as one of a few shapes; and which stream of a camera is shown. Pure.

import { sentence, type StreamInfo } from "./session.ts";

export type Phase =
  | "connecting"
  | "live"
  | "unrecorded"
  | "stale"
  | "lost"
  | "away"
  | "off"
  | "unauthorised"
  | "unplayable";

export interface Status {
  readonly phase: Phase;
  /** Two or three words: "No signal". */
  readonly words: string;
  /** A sentence more, or nothing. */
  readonly detail: string;
}

/** A picture that has been on the screen for longer is stale. */
export const STALE_MS = 2000;
/** Nothing has come for so long: what came last was some hundred milliseconds old then, so it is stale within two seconds. */
export const SILENT_MS = 1400;

/** A player that was begun anew has so long until what it shows is told as that of any other. */
export const RESTART_MS = 4000;

/** What is known of a feed at a moment. Times in milliseconds of one clock that never jumps. */
export interface Observed {
  readonly now: number;
  /** When the last picture appeared on the screen. */
  readonly shownAt: number | undefined;
  /** When something came last, shown or not. */
  readonly receivedAt: number | undefined;
  /** Milliseconds between the last two pictures: a camera may send one a minute. */
  readonly intervalMs: number;
  /** As the last fragment said. */
  readonly recorded: boolean | undefined;
  /** What the recorder says of the camera. */
  readonly camera: { readonly state: string; readonly reason: string } | undefined;
  /** Whether the connection to the recorder stands. */
  readonly connected: boolean;
  /** When the browser's player was begun anew, and why: no picture is on the screen since. */
  readonly restarting: { readonly at: number; readonly why: string } | undefined;
  /** Close code with which the recorder refused, and what it said. */
  readonly refusal: { readonly code: number; readonly message: string } | undefined;
  /** Why the session is over. */
  readonly ended: string | undefined;
}

const CAMERA_WORDS: Record<string, string> = {
  stalled: "The camera sends no picture.",
  refused: "The camera refuses the recorder.",
  unreachable: "The camera cannot be reached.",
  failed: "The recorder has failed on this camera.",
};

export function statusOf(seen: Observed): Status {
  if (seen.ended !== undefined) return { phase: "unauthorised", words: "Not allowed", detail: seen.ended };
  const refused = refusalOf(seen.refusal);
  if (refused !== undefined) return refused;
  const age = seen.shownAt === undefined ? Infinity : seen.now - seen.shownAt;
  const silence = seen.receivedAt === undefined ? Infinity : seen.now - seen.receivedAt;
  const { camera } = seen;
  if (camera?.state === "stopped") {
    return { phase: "off", words: "Off", detail: camera.reason || "This camera is not recorded at present." };
  }
  const slow = 2 * seen.intervalMs;
  if (age <= Math.max(STALE_MS, slow) && silence <= Math.max(SILENT_MS, slow)) return current(seen);
  const { restarting } = seen;
  if (restarting !== undefined && seen.now - restarting.at <= RESTART_MS) {
    return { phase: "connecting", words: "Starting again", detail: `${sentence(restarting.why)} Starting it again.` };
  }
  if (!seen.connected) {
    const words = seen.shownAt === undefined && seen.camera === undefined ? "Connecting" : "Recorder lost";
    if (words === "Connecting") return { phase: "connecting", words, detail: "Connecting to the recorder." };
    return { phase: "away", words, detail: "The recorder cannot be reached. Trying again." };
  }
  const lost = CAMERA_WORDS[camera?.state ?? ""];
  if (camera !== undefined && lost !== undefined) {
    return { phase: "lost", words: "No signal", detail: camera.reason === "" ? lost : `${lost} ${sentence(camera.reason)}` };
  }
  if (camera?.state === "connecting" && seen.shownAt !== undefined) {
    return { phase: "lost", words: "No signal", detail: "The recorder is connecting to the camera again." };
  }
  if (seen.shownAt === undefined) {
    const detail = camera?.state === "connecting" ? "The recorder is connecting to the camera." : "Waiting for a picture.";
    return { phase: "connecting", words: "Connecting", detail };
  }
  return { phase: "stale", words: "Stale", detail: `No new picture for ${duration(Math.max(age, silence))}.` };
}

function current(seen: Observed): Status {
  if (seen.recorded === false) {
    return { phase: "unrecorded", words: "Live, not recorded", detail: "These pictures are not being kept." };
  }
  return { phase: "live", words: "Live", detail: "" };
}

function refusalOf(refusal: Observed["refusal"]): Status | undefined {
  switch (refusal?.code) {
    case 4403:
      return { phase: "unauthorised", words: "Not allowed", detail: refusal.message };
    case 4404:
      return { phase: "off", words: "Off", detail: refusal.message || "The recorder does not have this camera now." };
    case 4429:
      return { phase: "away", words: "Too many viewers", detail: refusal.message };
    default:
      return undefined;
  }
}

/** "14 s", "2 min 5 s", "3 h 2 min". */
export function duration(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min ${seconds % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export interface Choice {
  /** Nothing if no stream can be played. */
  readonly stream: string | undefined;
  /** Why it is not the one that was wanted, or why it is none. */
  readonly note: string;
}

/**
 * The stream to show: the wanted one, else one that can be played. `codecOf` says what is known of a stream's video codec
 * (nothing before its first fragment: it is tried); `plays` whether this browser has it.
 */
export function chooseStream(
  streams: readonly StreamInfo[],
  wanted: string,
  codecOf: (stream: StreamInfo) => string,
  plays: (codec: string) => boolean,
): Choice {
  const first = streams.find((each) => each.stream === wanted);
  const rest = streams.filter((each) => each !== first).sort((a, b) => a.width * a.height - b.width * b.height);
  const ordered = first === undefined ? rest : [first, ...rest];
  const fits = (each: StreamInfo) => codecOf(each) === "" || plays(codecOf(each));
  const chosen = ordered.find(fits);
  if (chosen === undefined) {
    const codecs = [...new Set(ordered.map((each) => codecName(codecOf(each))))].join(" and ");
    if (codecs === "") return { stream: wanted, note: "" };
    return {
      stream: undefined,
      note: `This browser cannot play ${codecs}. Use another browser, or give the camera a second stream in H.264.`,
    };
  }
  if (first === undefined || chosen === first) return { stream: chosen.stream, note: "" };
  const name = codecName(codecOf(first));
  return { stream: chosen.stream, note: `${name} cannot be played here: showing stream “${chosen.stream}” instead.` };
}

/** The everyday name of a video codec (RFC 6381). */
export function codecName(codec: string): string {
  const kind = codec.slice(0, 4).toLowerCase();
  const names: Record<string, string> = { avc1: "H.264", avc3: "H.264", hvc1: "H.265", hev1: "H.265", av01: "AV1" };
  return names[kind] ?? (/^(mp4v\.6c|jpeg|mjpa)/i.test(codec) ? "Motion JPEG" : codec);
}

export function isJpeg(codec: string): boolean {
  return codecName(codec) === "Motion JPEG";
}
