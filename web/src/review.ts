// SPDX-License-Identifier: Apache-2.0
// <overt-review>: looking back at up to nine cameras on one clock.
//
// Set `session`; `open(camera, at_us)` shows a camera at a moment. By itself it offers all cameras of the grant. With an
// `opener` the page says which cameras there are (`add`), and opens each day before it is shown; then "overt-clip" (a
// `ClipRequest`) asks the page to save what lies between the marks, where `exporting` names a camera that is shown.

import { LitElement, html, nothing, type PropertyValues } from "lit";
import { announce } from "./announce.ts";
import { nameOf } from "./camera-names.ts";
import { Day } from "./day.ts";
import { keys } from "./keys.ts";
import { RING_NOTE, lookAt, nearestTo, renew, type LookedAt, type Situation } from "./looked-at.ts";
import { Playback } from "./playback.ts";
import { RecordedDays } from "./recorded-days.ts";
import type { RecordedPlayer } from "./recorded.ts";
import { daysOf, shortcutsOf, toolsOf, transportOf, type ReviewActions } from "./review-controls.ts";
import {
  LAYOUTS,
  NOTHING,
  UNMARKED,
  alone,
  inLayout,
  marked,
  pickedFirst,
  withCamera,
  withTile,
  withoutCamera,
  type Layout,
  type Marks,
  type Shown,
} from "./review-layout.ts";
import type { OvertReviewTile } from "./review-tile.ts";
import "./review-tile.ts";
import { reviewStyles } from "./review-styles.ts";
import type { CameraInfo, Session, SessionInfo } from "./session.ts";
import { savePicture } from "./snapshot.ts";
import type { OvertTimeline } from "./timeline.ts";
import "./timeline.ts";
import type { Lane } from "./timeline-view.ts";

/** What decoded pictures of all cameras together may take. */
const PICTURES_BYTES = 200e6;
/** While playing, labels and the cursor are renewed so often; pictures at every frame. */
const LABELS_MS = 200;
const RENEW_MS = 5000;
/** Close to the newest footage it is asked after more often. */
const RENEW_NEAR_MS = 1500;
const NEAR_S = 20;
/** Without a moment to go to, today is opened this long before now. */
const BEFORE_NOW_S = 30;

/** Opens a day of some cameras; answers with what is to be said of those that stay shut. Rejects with an Error for people. */
export type Opener = (cameras: readonly string[], day: Day) => Promise<ReadonlyMap<string, string>>;

export interface ClipRequest {
  readonly cameras: readonly string[];
  /** Microseconds since the Unix epoch. */
  readonly fromUs: number;
  readonly toUs: number;
}

export class OvertReview extends LitElement {
  static override readonly styles = reviewStyles;
  static override readonly properties = {
    session: { attribute: false },
    opener: { attribute: false },
    exporting: { attribute: false },
    cameras: { state: true },
    info: { state: true },
    day: { state: true },
    lanes: { state: true },
    at: { state: true },
    shown: { state: true },
    marks: { state: true },
    message: { state: true },
  };

  declare session: Session | undefined;
  declare opener: Opener | undefined;
  /** Cameras of which clips may be saved. */
  declare exporting: ReadonlySet<string>;
  declare cameras: readonly CameraInfo[];
  declare info: SessionInfo | undefined;
  declare day: Day | undefined;
  declare lanes: readonly Lane[];
  declare at: number;
  declare shown: Shown;
  declare marks: Marks;
  declare message: string;

  #looked: (LookedAt | undefined)[] = [];
  #playback: Playback | undefined;
  #days: RecordedDays | undefined;
  #loading = new AbortController();
  #wanted: { camera: string; at_us: number } | undefined;
  #frame = 0;
  #labelled = 0;
  #renewed = 0;
  #renewing = false;
  #begun = false;
  /** Nobody has named a moment: where nothing is recorded then, the footage next to it is shown. */
  #opening = false;
  /** Where the clock is to be put once what is being loaded is there. */
  #pending: { at: number; play: boolean } | undefined;
  /** The date whose timeline was set to what is recorded. */
  #fitted = "";
  #noKeys: (() => void) | undefined;

  constructor() {
    super();
    this.cameras = [];
    this.exporting = new Set();
    this.shown = NOTHING;
    this.marks = UNMARKED;
    this.lanes = [];
    this.at = 0;
    this.message = "";
  }

  /** Shows a camera at a moment (microseconds since the Unix epoch) and plays from there. */
  open(camera: string, at_us: number): void {
    this.#wanted = { camera, at_us };
    if (this.#begun) this.#goToWanted();
  }

  /** Shows a further camera, at the moment at hand; beyond nine, in place of the one that is picked. */
  add(camera: string): void {
    const there = this.chosen.includes(camera);
    this.shown = withCamera(this.shown, camera);
    if (there) return;
    if (this.day !== undefined) this.#again();
    else if (this.info !== undefined) this.#showNow(this.info);
    announce(`${nameOf(camera)} shown.`, "cameras");
  }

  /** Loads what is shown anew, at the moment at hand: more of it can be opened now. */
  reload(): void {
    this.#again();
  }

  /** Shows a camera no more. */
  close(camera: string): void {
    this.shown = withoutCamera(this.shown, camera);
    this.#again();
  }

  /** Names of the cameras that are shown. */
  get chosen(): readonly string[] {
    return this.shown.cameras;
  }

  /** The players that have footage, in the order of the tiles; for measurements. */
  get players(): RecordedPlayer[] {
    return this.#tiles().flatMap((tile) => tile.player ?? []);
  }

  get playback(): Playback | undefined {
    return this.#playback;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#noKeys = keys.add({
      title: "Looking back",
      active: () => this.isConnected && this.checkVisibility(),
      shortcuts: shortcutsOf(this.#actions),
    });
    this.#frame = requestAnimationFrame(() => this.#tick());
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#noKeys?.();
    cancelAnimationFrame(this.#frame);
    this.#loading.abort();
    this.#playback?.clock.pause();
  }

  protected override updated(changed: PropertyValues<this>): void {
    if (changed.has("session") && this.session !== undefined && !this.#begun) void this.#begin(this.session);
  }

  async #begin(session: Session): Promise<void> {
    try {
      this.info = await session.me();
      const all = await session.cameras();
      const recorded = all.filter((camera) => camera.rights.includes("recorded"));
      this.cameras = recorded.length > 0 ? recorded : all.filter((camera) => camera.rights.includes("live"));
    } catch (error) {
      this.message = wordsOf(error);
      return;
    }
    if (this.cameras.length === 0 && this.opener === undefined) {
      this.message = "Your grant opens no camera to look back at.";
      return;
    }
    this.#begun = true;
    this.#days = new RecordedDays(session, () => this.requestUpdate());
    if (this.#wanted !== undefined) {
      this.#goToWanted();
      return;
    }
    if (this.opener === undefined) this.#fill(this.cameras.length >= 4 ? 4 : this.cameras.length >= 2 ? 2 : 1);
    this.#showNow(this.info);
  }

  #showNow(info: SessionInfo): void {
    const nowUs = this.session?.nowUs ?? 0;
    const day = Day.containing(nowUs - BEFORE_NOW_S * 1e6, info.time_zone);
    this.#opening = true;
    this.#show(day, day.secondsAt(nowUs) - BEFORE_NOW_S);
  }

  #goToWanted(): void {
    const wanted = this.#wanted;
    if (wanted === undefined || this.info === undefined) return;
    this.#wanted = undefined;
    if (this.opener !== undefined || this.cameras.some((camera) => camera.camera === wanted.camera)) {
      this.shown = alone(wanted.camera);
    } else {
      this.#fill(this.shown.layout);
      this.message = `Your grant does not open recordings of ${nameOf(wanted.camera)}.`;
    }
    const day = Day.containing(wanted.at_us, this.info.time_zone);
    this.#show(day, day.secondsAt(wanted.at_us), true);
  }

  /** So many tiles, with the cameras that were there and further ones behind them. */
  #fill(layout: Layout): void {
    // Where a look is opened, what somebody looks at is theirs to say: no camera is opened because there is room.
    const others = this.opener === undefined ? this.cameras.map((each) => each.camera) : [];
    this.shown = inLayout(this.shown, layout, others);
  }

  /** Loads the chosen cameras for a day and puts the clock on a moment of it. */
  #show(day: Day, at: number, play = this.#playback?.clock.playing ?? false): void {
    this.#loading.abort();
    this.#loading = new AbortController();
    const { signal } = this.#loading;
    this.#pending = { at, play };
    if (this.day?.date !== day.date) this.marks = UNMARKED;
    this.day = day;
    const before = this.#playback?.clock;
    before?.pause();
    this.#playback = new Playback(day, announce);
    if (before !== undefined && before.rate > 0) this.#playback.clock.play(before.rate);
    this.#playback.clock.pause();
    this.#looked = [];
    for (const tile of this.#tiles()) tile.clear();
    void this.#load(day, at, play, signal);
  }

  /** Has the page open the day; what is known of the cameras is what it is then. Nothing to show: false. */
  async #openDay(day: Day, signal: AbortSignal): Promise<ReadonlyMap<string, string> | undefined> {
    const { opener, session } = this;
    if (opener === undefined) return new Map();
    if (session === undefined || this.chosen.length === 0) return undefined;
    try {
      const shut = await opener(this.chosen, day);
      if (signal.aborted) return undefined;
      this.cameras = await session.cameras();
      this.info = session.info ?? this.info;
      return signal.aborted ? undefined : shut;
    } catch (error) {
      if (!signal.aborted) this.message = wordsOf(error);
      return undefined;
    }
  }

  async #load(day: Day, at: number, play: boolean, signal: AbortSignal): Promise<void> {
    const shut = await this.#openDay(day, signal);
    const situation = this.#situation(day);
    if (shut === undefined || situation === undefined || signal.aborted) return;
    this.#days?.want(this.chosen, this.cameras, day, this.info?.may ?? [], this.session?.nowUs ?? 0);
    this.#setLanes();
    const results = await Promise.all(
      this.chosen.map(async (name): Promise<LookedAt | string> => {
        const camera = this.cameras.find((each) => each.camera === name);
        if (camera === undefined) return shut.get(name) ?? "This camera is not known any more.";
        return lookAt(camera, situation, signal).catch((error: unknown) => wordsOf(error));
      }),
    );
    if (signal.aborted) return;
    await this.updateComplete;
    const players: RecordedPlayer[] = [];
    const tiles = this.#tiles();
    for (const [i, looked] of results.entries()) {
      const tile = tiles[i];
      if (tile === undefined) continue;
      if (typeof looked === "string" || looked.footage === undefined) {
        const text = typeof looked === "string" ? looked : looked.note;
        if (typeof looked !== "string") this.#looked[i] = looked;
        tile.status = { kind: "failed", text, note: "", hold: false };
        announce(`${nameOf(this.chosen[i] ?? "")}: ${text}`, this.chosen[i]);
        continue;
      }
      this.#looked[i] = looked;
      const player = tile.show(looked.footage, () => PICTURES_BYTES / Math.max(1, this.chosen.length));
      tile.note = looked.note === RING_NOTE ? "" : looked.note;
      if (player === undefined) continue;
      player.recordings = looked.recordings;
      players.push(player);
    }
    if (results.some((looked) => typeof looked !== "string" && looked.note === RING_NOTE)) this.message = RING_NOTE;
    this.#setLanes();
    const playback = this.#playback;
    playback?.show(day, players);
    playback?.seek(this.#opening ? nearestTo(at, players.map((player) => player.recordings), BEFORE_NOW_S) : at);
    this.#opening = false;
    this.#pending = undefined;
    if (play) playback?.play();
    this.#renewed = performance.now();
    this.#label();
    await this.updateComplete;
    if (this.#fitted !== day.date) this.#timeline?.fit();
    this.#fitted = day.date;
  }

  #situation(day: Day): Situation | undefined {
    const { session, info } = this;
    if (session === undefined || info === undefined) return undefined;
    const may = session.info?.may ?? info.may;
    return { recorder: session, may, nowUs: session.nowUs, day, alone: this.chosen.length === 1 };
  }

  #setLanes(): void {
    this.lanes = this.chosen.flatMap((camera, i) => {
      const recordings = this.#tiles()[i]?.player?.recordings ?? this.#looked[i]?.recordings;
      return recordings === undefined ? [] : [{ camera: nameOf(camera), recordings }];
    });
  }

  #tiles(): OvertReviewTile[] {
    return [...this.renderRoot.querySelectorAll("overt-review-tile")];
  }

  #tick(): void {
    this.#frame = requestAnimationFrame(() => this.#tick());
    const playback = this.#playback;
    if (playback === undefined || !this.checkVisibility()) return;
    playback.tick();
    for (const tile of this.#tiles()) {
      const status = tile.player === undefined ? undefined : playback.statusOf(tile.player);
      if (status !== undefined && (status.text !== tile.status?.text || status.kind !== tile.status.kind || status.note !== tile.status.note)) {
        tile.status = status;
      }
    }
    const now = performance.now();
    if (now - this.#labelled > LABELS_MS) this.#label();
    const near = this.#playback !== undefined && this.#nowOnDay() - playback.clock.time < NEAR_S;
    if (now - this.#renewed > (near && playback.clock.playing ? RENEW_NEAR_MS : RENEW_MS)) void this.#renew();
  }

  #label(): void {
    const playback = this.#playback;
    if (playback === undefined) return;
    this.#labelled = performance.now();
    this.at = playback.clock.time;
    for (const tile of this.#tiles()) {
      const painted = tile.player?.painted;
      const shown = tile.status?.kind === "picture" && painted !== undefined;
      tile.label = shown && this.day !== undefined ? this.day.label(painted.moment, { decimals: 3 }) : "";
    }
  }

  #nowOnDay(): number {
    return this.day === undefined ? 0 : this.day.secondsAt(this.session?.nowUs ?? 0);
  }

  /** Today grows: asks what has been recorded meanwhile. */
  async #renew(): Promise<void> {
    const { day } = this;
    this.#renewed = performance.now();
    const situation = day === undefined ? undefined : this.#situation(day);
    const growing = this.#looked.some((looked) => looked !== undefined && day !== undefined && looked.recordings.now < day.length);
    if (situation === undefined || !growing || this.#renewing) return;
    this.#renewing = true;
    const { signal } = this.#loading;
    const tiles = this.#tiles();
    await Promise.all(
      this.#looked.map(async (looked, i) => {
        if (looked === undefined) return;
        try {
          const recordings = await renew(looked, situation, signal);
          const player = tiles[i]?.player;
          if (signal.aborted || player === undefined || player.footage !== looked.footage) return;
          this.#looked[i] = { ...looked, recordings };
          player.recordings = recordings;
        } catch (error) {
          if (!signal.aborted) this.message = wordsOf(error);
        }
      }),
    );
    this.#renewing = false;
    if (!signal.aborted) this.#setLanes();
  }

  protected override render() {
    const { day, info } = this;
    if (day === undefined || info === undefined) {
      return html`<p class="message" role="status">${this.message || "Asking the recorder…"}</p>`;
    }
    return html`
      ${this.#renderDay(day)}
      ${this.message === "" ? nothing : html`<p class="message">${this.message}
        <button type="button" @click=${() => (this.message = "")}>Hide this message</button></p>`}
      <div class="tiles n${this.shown.layout}">
        ${this.chosen.map(
          (camera, i) => html`<overt-review-tile .number=${i + 1} .camera=${camera} ?picked=${i === this.shown.picked}
            .cameras=${this.opener === undefined ? this.cameras.map((each) => each.camera) : this.chosen}
            .removable=${this.opener !== undefined} @close=${() => this.close(camera)}
            @pick=${() => (this.shown = { ...this.shown, picked: i })}
            @choose=${(event: CustomEvent<{ camera: string }>) => this.#choose(i, event.detail.camera)}></overt-review-tile>`,
        )}
      </div>
      ${transportOf(day, this.at, this.#playback?.clock, this.#actions)}
      <overt-timeline .day=${day} .lanes=${this.lanes} .at=${this.at} .now=${this.#nowOnDay()}
        .markIn=${this.marks.in} .markOut=${this.marks.out}
        @scrub=${(event: CustomEvent<{ at: number }>) => this.#scrub(event.detail.at)}
        @seek=${(event: CustomEvent<{ at: number }>) => this.#seek(event.detail.at)}
        @toggle=${() => this.#playback?.toggle()}>${this.#renderTools(day)}</overt-timeline>
    `;
  }

  /** What buttons and keys do. */
  readonly #actions: ReviewActions = {
    toggle: () => this.#playback?.toggle(),
    play: (rate) => this.#playback?.play(rate),
    shuttle: (direction) => this.#playback?.shuttle(direction),
    pause: () => this.#playback?.pause(),
    by: (seconds) => this.#by(seconds),
    step: (direction) => this.#step(direction),
    showGap: (direction) => this.#timeline?.showGap(direction),
    zoom: (factor) => this.#timeline?.zoom(factor),
    mark: (what) => this.#mark(what),
    snapshot: () => void this.#snapshot(),
    goToDay: (date) => this.#goToDay(date),
    clip: () => this.#clip(),
  };

  #renderDay(day: Day) {
    const today = Day.containing(this.session?.nowUs ?? 0, day.timeZone);
    return html`<div class="row">
      ${daysOf(day, today, this.#actions)}
      ${this.#days?.render(day, (date) => this.#goToDay(date)) ?? nothing}
      ${day.clockChange === "" ? nothing : html`<p class="message">${day.clockChange}</p>`}
    </div>`;
  }

  #renderTools(day: Day) {
    const mayClip = this.chosen.some((each) => this.exporting.has(each));
    const offered = (this.opener === undefined ? this.cameras : this.chosen).length;
    return html`${toolsOf(day, this.marks, mayClip, this.#actions)}
      <div class="group spacer" slot="tools" role="group" aria-label="Number of pictures">
        ${LAYOUTS.filter((_, i) => i === 0 || (LAYOUTS[i - 1] ?? 0) < offered).map(
          (layout) => html`<button type="button" aria-pressed=${layout === this.shown.layout}
            aria-label=${layout === 1 ? "1 picture" : `${layout} pictures`}
            @click=${() => this.#relayout(layout)}>${layout}</button>`,
        )}
      </div>`;
  }

  get #timeline(): OvertTimeline | null {
    return this.renderRoot.querySelector("overt-timeline");
  }

  #choose(tile: number, camera: string): void {
    this.shown = withTile(this.shown, tile, camera);
    this.#again();
  }

  #relayout(layout: Layout): void {
    if (layout === 1) this.shown = pickedFirst(this.shown);
    this.#fill(layout);
    this.#again();
  }

  #again(): void {
    if (this.day === undefined) return;
    if (this.#pending === undefined) this.#show(this.day, this.#playback?.clock.time ?? 0);
    else this.#show(this.day, this.#pending.at, this.#pending.play);
  }

  #goToDay(date: string): void {
    if (this.day === undefined || date === "") return;
    try {
      const day = new Day(date, this.day.timeZone);
      this.#opening = true;
      this.#show(day, Math.min(this.#playback?.clock.time ?? 0, day.length - 1), false);
      announce(`${day.longDate}. ${day.clockChange}`.trim(), "day");
    } catch (error) {
      this.message = wordsOf(error);
    }
  }

  #by(seconds: number): void {
    const playback = this.#playback;
    if (playback === undefined || this.day === undefined) return;
    this.#seek(Math.min(Math.max(playback.clock.time + seconds, 0), this.day.length));
  }

  #seek(at: number): void {
    this.#playback?.seek(at);
    this.#label();
  }

  #scrub(at: number): void {
    this.#playback?.scrub(at);
    this.at = at;
  }

  #step(direction: 1 | -1): void {
    const player = this.#tiles()[this.shown.picked]?.player ?? this.players[0];
    void this.#playback?.step(direction, player).then(() => this.#label());
  }

  #mark(what: "in" | "out" | "clear"): void {
    const at = this.#playback?.clock.time;
    const { day } = this;
    if (at === undefined || day === undefined) return;
    this.marks = marked(this.marks, what, at);
    announce(what === "clear" ? "Marks cleared." : `Marked ${what} at ${day.label(at)}.`, "mark");
  }

  #clip(): void {
    const { day, marks } = this;
    if (day === undefined || marks.in === undefined || marks.out === undefined) return;
    const cameras = this.chosen.filter((each) => this.exporting.has(each));
    const detail: ClipRequest = { cameras, fromUs: day.utcUsAt(marks.in), toUs: day.utcUsAt(marks.out) };
    this.dispatchEvent(new CustomEvent("overt-clip", { detail, bubbles: true, composed: true }));
  }

  async #snapshot(): Promise<void> {
    if (this.day !== undefined) await savePicture(this.#tiles()[this.shown.picked]?.player, this.day, this.at);
  }
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

customElements.define("overt-review", OvertReview);

declare global {
  interface HTMLElementTagNameMap {
    "overt-review": OvertReview;
  }
}
