// SPDX-License-Identifier: Apache-2.0
// One live stream on the page: an engine, the connection it gets, and what is known of its pictures. Connects again by
// itself for as long as it is open.

import type { Engine, EngineListener, Ending } from "./live-engine.ts";
import { MseEngine } from "./live-mse.ts";
import { statusOf, type Status } from "./live-status.ts";
import { WebCodecsEngine } from "./live-webcodecs.ts";
import type { StateHeader } from "./records.ts";
import { RequestError, sentence, type Session } from "./session.ts";

const RETRY_MS = [100, 500, 1000, 2000, 4000];
/** Close codes of the media plane, and how long to wait after each. */
const NO_SESSION = 4401;
const NOT_ALLOWED = 4403;
const RETRY_AFTER_MS: Record<number, number> = { [NOT_ALLOWED]: 10_000, 4404: 3000, 4429: 5000 };
/** A hole between two pictures that is worth a word. */
const HOLE_US = 1_500_000;
/** Cameras that send a picture more seldom are stale in between. */
const LONGEST_INTERVAL_MS = 60_000;

export interface Hole {
  readonly fromUs: number;
  readonly toUs: number;
  readonly cause: "recorder" | "camera";
}

export interface FeedOptions {
  readonly session: Session;
  readonly camera: string;
  readonly stream: string;
  readonly engine: Engine["name"];
  /** What `currentTime` counts from, in microseconds since the Unix epoch. */
  readonly originUs: number;
  readonly worker: string | URL;
}

/** Dispatches `picture` at its first picture, `unplayable`, `failed` and `hole`. */
export class LiveFeed extends EventTarget {
  readonly camera: string;
  readonly stream: string;
  readonly engine: Engine;
  readonly #session: Session;
  #attempt = 0;
  #closed = false;
  #connected = false;
  #retry: ReturnType<typeof setTimeout> | undefined;
  /** Whether the refusal that stands has been doubted once. */
  #doubted = false;
  #refusal: Ending | undefined;
  #camera: StateHeader | undefined;
  #recorded: boolean | undefined;
  #shownAt: number | undefined;
  #restarting: { at: number; why: string } | undefined;
  #receivedAt: number | undefined;
  #intervalMs = 0;
  #lastIntervalMs = 0;
  #pictureUs: number | undefined;
  #droppedAt: number | undefined;
  #codec = "";
  #message = "";
  #hole: Hole | undefined;
  /** Up to where footage came, in microseconds since the Unix epoch. */
  #endUs: number | undefined;
  /** Whether the connection broke since the last picture. */
  #broke = false;

  constructor(options: FeedOptions) {
    super();
    this.camera = options.camera;
    this.stream = options.stream;
    this.#session = options.session;
    const listener: EngineListener = {
      shown: (pictureUs) => this.#shown(pictureUs),
      received: (startUs, endUs, recorded) => this.#received(startUs, endUs, recorded),
      camera: (state) => this.#cameraIs(state),
      dropped: () => (this.#droppedAt = performance.now()),
      ended: (ending) => this.#ended(ending),
      emptied: (message) => this.#emptied(message),
      unplayable: (codec) => this.#gaveUp("unplayable", codec),
      failed: (message) => this.#gaveUp("failed", message),
    };
    this.engine =
      options.engine === "mse" ? new MseEngine(listener, options.originUs) : new WebCodecsEngine(listener, options.worker);
    this.#session.addEventListener("change", this.#doubt);
    void this.#connect();
  }

  /** When the picture on the screen was taken, in microseconds since the Unix epoch. */
  get pictureUs(): number | undefined {
    return this.#pictureUs;
  }

  /** Codec that could not be played, after `unplayable`. */
  get codec(): string {
    return this.#codec;
  }

  /** What went wrong, after `failed`. */
  get message(): string {
    return this.#message;
  }

  /** The last time without pictures that ended with one. */
  get hole(): Hole | undefined {
    return this.#hole;
  }

  /** Since when the state lasts that the recorder reported, in microseconds since the Unix epoch. */
  get cameraSinceUs(): number | undefined {
    return this.#camera?.since_us;
  }

  /** Whether pictures were left out in the last seconds, because this viewer is too slow. */
  get slow(): boolean {
    return this.#droppedAt !== undefined && performance.now() - this.#droppedAt < 5000;
  }

  status(): Status {
    return statusOf({
      now: performance.now(),
      // A page in the background is painted on by no browser: there, what came counts.
      shownAt: document.hidden ? (this.#receivedAt ?? this.#shownAt) : this.#shownAt,
      receivedAt: this.#receivedAt,
      intervalMs: this.#intervalMs,
      recorded: this.#recorded,
      camera: this.#camera,
      connected: this.#connected,
      restarting: this.#restarting,
      refusal: this.#refusal,
      ended: this.#session.state === "ended" ? this.#session.reason : undefined,
    });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#session.removeEventListener("change", this.#doubt);
    this.engine.close();
    this.engine.element.remove();
  }

  async #connect(): Promise<void> {
    const mode = this.engine.name === "mse" ? "fragments" : "samples";
    try {
      const { url, protocols } = await this.#session.live(this.camera, this.stream, mode);
      if (!this.#closed) this.engine.open(url, protocols);
    } catch (error) {
      // The session has ended, which its state says: there is nothing to connect to any more.
      if (!(error instanceof RequestError)) throw error;
    }
  }

  #ended({ code, message }: Ending): void {
    if (this.#closed) return;
    if (this.#connected) this.#broke = true;
    this.#connected = false;
    if (code === NO_SESSION) this.#session.lost();
    this.#refusal = code in RETRY_AFTER_MS ? { code, message: sentence(message) } : undefined;
    this.#doubted = false;
    if (this.#refusal !== undefined) void this.#session.check();
    this.#attempt += 1;
    this.#connectIn(RETRY_AFTER_MS[code] ?? this.#soon);
  }

  #emptied(message: string): void {
    this.#restarting = { at: performance.now(), why: message };
    this.#shownAt = undefined;
  }

  /** How long to wait after so many attempts. */
  get #soon(): number {
    return RETRY_MS[Math.min(Math.max(0, this.#attempt - 1), RETRY_MS.length - 1)] ?? 4000;
  }

  #connectIn(milliseconds: number): void {
    clearTimeout(this.#retry);
    // Many tiles lose the recorder at once: they do not come back at once.
    this.#retry = setTimeout(() => void this.#connect(), milliseconds * (0.75 + Math.random() / 2));
  }

  /**
   * Refused, and yet the grant allows it as the recorder has it now: it was being changed when the connection was asked for.
   * A wall that is given other tiles twice within a moment comes to that.
   */
  readonly #doubt = (): void => {
    if (this.#closed || this.#doubted || this.#refusal?.code !== NOT_ALLOWED) return;
    if (this.#session.info?.may.some((each) => each.rights.includes("live") && each.cameras.includes(this.camera)) !== true) return;
    this.#doubted = true;
    this.#connectIn(this.#soon);
  };

  #received(startUs: number, endUs: number, recorded: boolean | undefined): void {
    const last = this.#endUs;
    if (last !== undefined && startUs - last > Math.max(HOLE_US, 3000 * this.#intervalMs)) {
      this.#hole = { fromUs: last, toUs: startUs, cause: this.#broke ? "recorder" : "camera" };
      this.dispatchEvent(new Event("hole"));
    }
    this.#endUs = Math.max(last ?? endUs, endUs);
    this.#recorded = recorded ?? this.#recorded;
    this.#receivedAt = performance.now();
    this.#broke = false;
    this.#attempt = 0;
    this.#heard();
  }

  /** Something came, so that the connection stands. */
  #heard(): void {
    this.#connected = true;
    this.#refusal = undefined;
  }

  #cameraIs(state: StateHeader): void {
    this.#camera = state;
    this.#heard();
  }

  #shown(pictureUs: number): void {
    const now = performance.now();
    const last = this.#pictureUs;
    this.#pictureUs = pictureUs;
    if (this.#shownAt !== undefined) {
      // The shorter of two: one long wait is an outage, two are the camera's way.
      const interval = Math.min(now - this.#shownAt, LONGEST_INTERVAL_MS);
      this.#intervalMs = Math.min(interval, this.#lastIntervalMs);
      this.#lastIntervalMs = interval;
    }
    this.#shownAt = now;
    this.#restarting = undefined;
    if (last === undefined) this.dispatchEvent(new Event("picture"));
  }

  #gaveUp(kind: "unplayable" | "failed", words: string): void {
    if (this.#closed) return;
    if (kind === "unplayable") this.#codec = words;
    else this.#message = words;
    this.dispatchEvent(new Event(kind));
  }
}
