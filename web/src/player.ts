// SPDX-License-Identifier: Apache-2.0
// <overt-player camera="yard" stream="sub" low-latency>: one live picture with its name, state and time.
// A stream that this browser cannot play gives way to one that it can; the low-latency engine gives way to the other.

import { LitElement, html, nothing, type PropertyValues } from "lit";

import { announce } from "./announce.ts";
import { nameOf } from "./camera-names.ts";
import { fullScreenIcon, lookBackIcon, selectedIcon, stateIcon } from "./icons.ts";
import { LiveFeed, type Hole } from "./live-feed.ts";
import { playableByMse } from "./live-mse.ts";
import { chooseStream, isJpeg, type Status } from "./live-status.ts";
import { webCodecsHere, workersDraw } from "./live-webcodecs.ts";
import { playerStyles } from "./player-styles.ts";
import type { Session, StreamInfo } from "./session.ts";

const LOOK_BACK_US = 30_000_000;
const TICK_MS = 125;
/** How long a note about pictures that were missing stays. */
const NOTE_MS = 30_000;
/** A state is announced once it has lasted so long: one that comes and goes is not news. */
const SETTLED_MS = 1500;
/** A second engine that shows nothing for so long takes the first one's place all the same: its state is the truth. */
const SWAP_MS = 4000;

export interface ReviewRequest {
  readonly camera: string;
  /** Microseconds since the Unix epoch. */
  readonly at_us: number;
}

/** Dispatches `overt-review` (a `ReviewRequest`) and `overt-state` (`{camera, phase, words, detail}`), both bubbling. */
export class OvertPlayer extends LitElement {
  static override readonly styles = playerStyles;
  static override readonly properties = {
    camera: {},
    stream: {},
    lowLatency: { type: Boolean, attribute: "low-latency" },
    selected: { type: Boolean, reflect: true },
    buttons: { attribute: false },
    number: { type: Number },
    session: { attribute: false },
    streams: { attribute: false },
    originUs: { attribute: false },
  };

  declare camera: string;
  /** The stream that is wanted: "main" or "sub". */
  declare stream: string;
  declare lowLatency: boolean;
  declare selected: boolean;
  /** Whether its buttons can be reached with Tab. */
  declare buttons: boolean;
  /** Place on the wall, from 1; 0: none. */
  declare number: number;
  declare session: Session | undefined;
  declare streams: readonly StreamInfo[];
  /** What `currentTime` counts from: local midnight, in microseconds since the Unix epoch. */
  declare originUs: number;

  /** On the screen. */
  #feed: LiveFeed | undefined;
  /** To take its place once it has a picture. */
  #next: LiveFeed | undefined;
  #nextSince = 0;
  #ticker: ReturnType<typeof setInterval> | undefined;
  #status: Status = { phase: "connecting", words: "Connecting", detail: "" };
  #statusSince = 0;
  #announced = "";
  #choiceNote = "";
  #nothingPlays = false;
  #hole: Hole | undefined;
  #holeAt = 0;
  #second = "";
  /** Codecs that turned out not to be playable, by stream. */
  readonly #codecs = new Map<string, string>();
  readonly #unplayable = new Set<string>();
  #webCodecsFailed = false;

  constructor() {
    super();
    this.camera = "";
    this.stream = "main";
    this.lowLatency = false;
    this.selected = false;
    this.buttons = true;
    this.number = 0;
    this.streams = [];
    this.originUs = 0;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#ticker = setInterval(() => this.#tick(), TICK_MS);
    this.#choose();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearInterval(this.#ticker);
    this.#closeFeeds();
  }

  /** When the picture on the screen was taken, in microseconds since the Unix epoch. */
  get pictureUs(): number | undefined {
    return this.#feed?.pictureUs;
  }

  get status(): Status {
    return this.#status;
  }

  lookBack(): void {
    const now = this.session?.nowUs ?? Date.now() * 1000;
    const detail: ReviewRequest = { camera: this.camera, at_us: Math.round((this.pictureUs ?? now) - LOOK_BACK_US) };
    this.dispatchEvent(new CustomEvent("overt-review", { detail, bubbles: true, composed: true }));
  }

  async fullScreen(): Promise<void> {
    if (document.fullscreenElement !== null) {
      await document.exitFullscreen();
      return;
    }
    try {
      await this.requestFullscreen();
    } catch {
      announce("This browser does not allow full screen here.");
    }
  }

  // --- which stream, by which engine -----------------------------------------------------------------------------------

  protected override willUpdate(changed: PropertyValues): void {
    if (changed.has("camera") || changed.has("session") || changed.has("originUs")) {
      this.#closeFeeds();
      this.#codecs.clear();
      this.#unplayable.clear();
      this.#hole = undefined;
    }
    if (["camera", "session", "originUs", "stream", "lowLatency", "streams"].some((name) => changed.has(name))) this.#choose();
  }

  #choose(): void {
    const { session } = this;
    if (!this.isConnected || session === undefined || this.camera === "") return;
    const choice = chooseStream(
      this.streams,
      this.stream,
      (stream) => this.#codecs.get(stream.stream) ?? stream.codecs.split(",")[0] ?? "",
      (codec) => this.#plays(codec),
    );
    this.#choiceNote = choice.note;
    this.#nothingPlays = choice.stream === undefined;
    if (choice.stream === undefined) {
      this.#closeFeeds();
      this.#tick();
      return;
    }
    const stream = choice.stream;
    const engine = this.#engineFor(stream);
    const wanted = (feed: LiveFeed | undefined) => feed?.stream === stream && feed.engine.name === engine;
    if (wanted(this.#next)) return;
    this.#next?.close();
    this.#next = undefined;
    if (wanted(this.#feed)) return;
    const feed = new LiveFeed({
      session,
      camera: this.camera,
      stream,
      engine,
      originUs: this.originUs,
      worker: new URL("decode-worker.js", import.meta.url),
    });
    feed.addEventListener("unplayable", () => {
      this.#codecs.set(stream, feed.codec);
      this.#gaveUp(feed, engine, feed.codec);
    });
    feed.addEventListener("failed", () => this.#gaveUp(feed, engine, ""));
    feed.addEventListener("hole", () => {
      if (feed === this.#feed) this.#missed(feed.hole);
    });
    feed.addEventListener("picture", () => {
      this.#swap(feed);
      this.#tick();
    });
    this.#put(feed);
    this.#next = feed;
    this.#nextSince = performance.now();
    if (this.#feed?.pictureUs === undefined) this.#swap(feed);
  }

  #plays(codec: string): boolean {
    if (isJpeg(codec)) return workersDraw();
    return !this.#unplayable.has(codec) && playableByMse(codec);
  }

  #engineFor(stream: string): "mse" | "webcodecs" {
    const codec = this.#codecs.get(stream) ?? this.streams.find((each) => each.stream === stream)?.codecs ?? "";
    if (isJpeg(codec)) return "webcodecs";
    return this.lowLatency && webCodecsHere() && !this.#webCodecsFailed ? "webcodecs" : "mse";
  }

  /** An engine has ended for good: the other one, or another stream, takes its place. */
  #gaveUp(feed: LiveFeed, engine: "mse" | "webcodecs", codec: string): void {
    if (engine === "webcodecs") this.#webCodecsFailed = true;
    else this.#unplayable.add(codec);
    feed.close();
    if (feed === this.#next) this.#next = undefined;
    if (feed === this.#feed) this.#feed = undefined;
    this.#choose();
  }

  #swap(feed: LiveFeed): void {
    if (feed !== this.#next) return;
    this.#next = undefined;
    this.#feed?.close();
    this.#feed = feed;
    feed.engine.element.classList.add("shown");
    this.setAttribute("engine", feed.engine.name);
    this.setAttribute("showing", feed.stream);
  }

  #closeFeeds(): void {
    this.#next?.close();
    this.#feed?.close();
    this.#next = this.#feed = undefined;
  }

  /** The picture's element lies beside what Lit draws: an engine brings its own. */
  #put(feed: LiveFeed): void {
    this.renderRoot.querySelector(".picture")?.append(feed.engine.element);
  }

  protected override firstUpdated(): void {
    for (const feed of [this.#feed, this.#next]) if (feed !== undefined) this.#put(feed);
  }

  // --- what is said ----------------------------------------------------------------------------------------------------

  #tick(): void {
    const now = performance.now();
    if (this.#next !== undefined && this.#feed !== undefined && now - this.#nextSince > SWAP_MS) this.#swap(this.#next);
    const status = this.#statusNow();
    const second = this.#time();
    if (this.#hole !== undefined && now - this.#holeAt > NOTE_MS) this.#hole = undefined;
    const changed = status.phase !== this.#status.phase || status.words !== this.#status.words;
    if (changed) {
      this.#statusSince = now;
      this.dispatchEvent(
        new CustomEvent("overt-state", { detail: { camera: this.camera, ...status }, bubbles: true, composed: true }),
      );
    }
    if (changed || status.detail !== this.#status.detail || second !== this.#second) this.requestUpdate();
    this.#status = status;
    this.#second = second;
    this.setAttribute("state", status.phase);
    this.#announce(now);
  }

  #statusNow(): Status {
    if (this.session?.state === "ended") return { phase: "unauthorised", words: "Not allowed", detail: this.session.reason };
    if (this.#nothingPlays) return { phase: "unplayable", words: "Cannot be played here", detail: this.#choiceNote };
    return this.#feed?.status() ?? { phase: "connecting", words: "Connecting", detail: "" };
  }

  /** News are said once, and not that everything works from the beginning. */
  #announce(now: number): void {
    const { phase, words, detail } = this.#status;
    if (now - this.#statusSince < SETTLED_MS || phase === "connecting" || words === this.#announced) return;
    const first = this.#announced === "";
    this.#announced = words;
    if (first && phase === "live") return;
    // How long it has lasted changes by the second; that it has begun is what is said.
    announce(`${nameOf(this.camera)}: ${phase === "stale" ? "no new picture" : `${words}. ${detail}`.trim()}.`.replace("..", "."), this.camera);
  }

  #missed(hole: Hole | undefined): void {
    if (hole === undefined) return;
    this.#hole = hole;
    this.#holeAt = performance.now();
    announce(`${nameOf(this.camera)}: ${this.#holeWords(hole)}`, this.camera);
    this.requestUpdate();
  }

  #holeWords(hole: Hole): string {
    const why = hole.cause === "recorder" ? "the connection to the recorder was lost" : "none came from the camera";
    return `No live picture from ${this.#clock(hole.fromUs)} to ${this.#clock(hole.toUs)}: ${why}.`;
  }

  #time(): string {
    const at = this.pictureUs;
    return at === undefined ? "" : this.#clock(at);
  }

  #clock(us: number): string {
    return clockOf(this.session?.info?.time_zone ?? "UTC").format(us / 1000);
  }

  protected override render() {
    const { phase, words, detail } = this.#status;
    const good = phase === "live" || phase === "unrecorded";
    const notes = [
      good && this.#hole !== undefined ? this.#holeWords(this.#hole) : "",
      good ? this.#choiceNote : "",
      good && this.#feed?.slow === true ? "Pictures are left out: this computer or its network is too slow." : "",
    ].filter((note) => note !== "");
    return html`
      <div class="picture ${good ? "" : "old"}"></div>
      ${good ? nothing : this.#banner()}
      <div class="bar">
        ${this.number > 0 ? html`<span class="number" aria-hidden="true">${this.number}</span>` : nothing}
        <span class="name">${nameOf(this.camera)}</span>
        ${this.selected ? html`<span class="selected">${selectedIcon}<span class="text">Selected</span></span>` : nothing}
        <span class="state ${phase}" title=${detail}>${stateIcon(phase)}<span class="words">${words}</span></span>
        <time class="time">${good ? this.#second : ""}</time>
        <button type="button" tabindex=${this.buttons ? 0 : -1} title="Look back 30 s" @click=${() => this.lookBack()}>
          ${lookBackIcon}<span class="text">−30 s</span><span class="hidden">Look back 30 s at ${nameOf(this.camera)}</span>
        </button>
        <button type="button" tabindex=${this.buttons ? 0 : -1} title="Full screen" @click=${() => void this.fullScreen()}>
          ${fullScreenIcon}<span class="hidden">Full screen: ${nameOf(this.camera)}</span>
        </button>
      </div>
      ${notes.length > 0 ? html`<p class="note">${notes.join(" ")}</p>` : nothing}
    `;
  }

  #banner() {
    const { phase, words, detail } = this.#status;
    return html`<div class="banner ${phase}">
      <p class="what">${stateIcon(phase)} ${words}</p>
      ${detail === "" ? nothing : html`<p class="why">${detail}</p>`}
      ${this.#second === "" ? nothing : html`<p class="last">Last picture ${this.#second}</p>`}
    </div>`;
  }
}

const clocks = new Map<string, Intl.DateTimeFormat>();

function clockOf(timeZone: string): Intl.DateTimeFormat {
  let clock = clocks.get(timeZone);
  if (clock === undefined) {
    clock = new Intl.DateTimeFormat("en-GB", { timeZone, timeStyle: "medium" });
    clocks.set(timeZone, clock);
  }
  return clock;
}

customElements.define("overt-player", OvertPlayer);

declare global {
  interface HTMLElementTagNameMap {
    "overt-player": OvertPlayer;
  }
}
