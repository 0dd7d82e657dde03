// SPDX-License-Identifier: Apache-2.0
// <overt-timeline>: one day of several cameras, what is recorded and what is not, and the cursor in it. Whatever a drag
// does, a button, a key or the box for a time does as well; the table says the same as the picture.
//
// Events (all bubble): "scrub" and "seek" with {at} in seconds since local midnight, while and after the cursor is moved;
// "toggle" where somebody presses Space on it, as on a player.

import { LitElement, css, html, nothing, type PropertyValues } from "lit";
import { announce } from "./announce.ts";
import type { Day } from "./day.ts";
import { causeInWords, durationInWords, gapInWords } from "./spans.ts";
import { AXIS_PX, View, draw, gutterFor, heightFor, type Colours, type Lane } from "./timeline-view.ts";

const ZOOM = 2;
/** Rows of the table; beyond, it says how many more there are. */
const MOST_ROWS = 500;

/** Seconds by which a key moves the cursor. */
const KEYS: Readonly<Record<string, number>> = {
  ArrowLeft: -5,
  ArrowRight: 5,
  ArrowDown: -5,
  ArrowUp: 5,
  PageDown: -600,
  PageUp: 600,
};

interface Row {
  readonly camera: string;
  readonly start: number;
  readonly end: number;
  readonly words: string;
}

export class OvertTimeline extends LitElement {
  static override properties = {
    day: { attribute: false },
    lanes: { attribute: false },
    at: { attribute: false },
    now: { attribute: false },
    markIn: { attribute: false },
    markOut: { attribute: false },
    view: { state: true },
    listed: { state: true },
    message: { state: true },
    pointed: { state: true },
  };

  declare day: Day | undefined;
  declare lanes: readonly Lane[];
  /** Where the cursor is. */
  declare at: number;
  /** The present, on the day's axis; beyond its end on days that are over. */
  declare now: number;
  declare markIn: number | undefined;
  declare markOut: number | undefined;
  declare view: View;
  declare listed: boolean;
  declare message: string;
  declare pointed: number | undefined;
  #dragging: { pointer: number; at: number } | undefined;
  #drawn = 0;
  /** Pixels before the day begins: the names of the lanes. */
  #gutter = 0;
  #resized: ResizeObserver | undefined;

  static override styles = css`
    :host { display: block; color: var(--text, #f2f4f7); font: inherit; }
    .bar { display: flex; flex-wrap: wrap; gap: 6px 8px; align-items: center; padding: 4px 0; }
    .bar form { display: flex; gap: 4px; align-items: center; }
    button, input {
      min-height: 1.75rem; min-width: 1.75rem; padding: 2px 8px; font: inherit; color: inherit;
      background: var(--raised, #2a3038); border: 1px solid var(--quiet, #aab4c2); border-radius: 3px;
    }
    button:hover { background: var(--hover, #3a4350); }
    button:focus-visible, input:focus-visible, [role="slider"]:focus-visible, .list:focus-visible {
      outline: 3px solid var(--focus, #ffdd00); outline-offset: 1px;
    }
    input { width: 8.5em; }
    .where { position: absolute; inset: 0 0 auto auto; padding: 1px 8px; background: var(--raised, #2a3038);
      border: 1px solid var(--quiet, #aab4c2); border-radius: 3px; font-variant-numeric: tabular-nums; pointer-events: none; }
    [role="slider"] { position: relative; cursor: crosshair; touch-action: none; user-select: none; }
    canvas { display: block; width: 100%; }
    .message { margin: 0; color: var(--warn, #ffd866); }
    .list { max-height: min(40vh, 12rem); overflow: auto; border: 1px solid var(--quiet, #aab4c2); }
    table { width: 100%; border-collapse: collapse; }
    caption { text-align: start; padding: 4px 8px; }
    th, td { text-align: start; padding: 3px 8px; border-bottom: 1px solid var(--raised, #2a3038); font-weight: normal; }
    thead th { position: sticky; top: 0; background: var(--panel, #1b2026); font-weight: bold; }
    td.time { font-variant-numeric: tabular-nums; white-space: nowrap; }
  `;

  constructor() {
    super();
    this.lanes = [];
    this.at = 0;
    this.now = 0;
    this.view = View.whole(86_400);
    this.listed = false;
    this.message = "";
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#resized = new ResizeObserver(() => this.#draw());
    this.#resized.observe(this);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#resized?.disconnect();
    cancelAnimationFrame(this.#drawn);
    this.#drawn = 0;
  }

  /** Shows what is recorded of the day, and the whole of it where that is much. */
  fit(): void {
    this.view = View.of(
      this.lanes.flatMap(({ recordings }) => recordings.spans),
      this.day?.length ?? 86_400,
    ).following(this.at);
  }

  /** Larger around the cursor. */
  zoom(factor: number): void {
    this.view = this.view.zoomed(factor, this.at);
  }

  showGap(direction: 1 | -1): void {
    const gaps = this.lanes
      .map(({ recordings }) => (direction === 1 ? recordings.nextGap(this.at) : recordings.previousGap(this.at)))
      .filter((gap) => gap !== undefined);
    const gap = gaps.sort((a, b) => direction * (a.start - b.start))[0];
    if (gap === undefined || this.day === undefined) {
      announce(direction === 1 ? "No later gap on this day." : "No earlier gap on this day.", "gap");
      return;
    }
    announce(gapInWords(gap, this.day), "gap");
    this.#go(gap.start);
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has("day") && this.day !== undefined) this.view = View.whole(this.day.length);
    const before = changed.get("at");
    const left = before !== undefined && before >= this.view.from && before <= this.view.to;
    if (left && this.#dragging === undefined) this.view = this.view.following(this.at);
  }

  protected override updated(): void {
    this.#draw();
  }

  protected override render() {
    const { day } = this;
    if (day === undefined) return nothing;
    const label = day.label(this.at);
    return html`
      <div class="bar">
        <form @submit=${this.#submitted}>
          <label for="time">Go to time</label>
          <input id="time" name="time" autocomplete="off" inputmode="text" placeholder="08:20:10"
            aria-describedby=${this.message === "" ? nothing : "message"} />
          <button>Go</button>
        </form>
        <button type="button" @click=${() => this.showGap(-1)}>Previous gap</button>
        <button type="button" @click=${() => this.showGap(1)}>Next gap</button>
        <button type="button" aria-label="Zoom out" title="Zoom out (-)" @click=${() => this.zoom(1 / ZOOM)}>−</button>
        <button type="button" aria-label="Zoom in" title="Zoom in (+)" @click=${() => this.zoom(ZOOM)}>+</button>
        <button type="button" aria-label="Show earlier" title="Show earlier" @click=${() => this.#move(-0.5)}>‹</button>
        <button type="button" aria-label="Show later" title="Show later" @click=${() => this.#move(0.5)}>›</button>
        <button type="button" @click=${() => (this.view = View.whole(day.length))}>Whole day</button>
        <button type="button" aria-expanded=${this.listed} aria-controls="list"
          @click=${() => (this.listed = !this.listed)}>List of recordings</button>
        <slot name="tools"></slot>
      </div>
      ${this.message === "" ? nothing : html`<p class="message" id="message" role="alert">${this.message}</p>`}
      <div role="slider" tabindex="0" aria-label="Moment of the day" aria-orientation="horizontal"
        aria-valuemin="0" aria-valuemax=${Math.round(day.length)} aria-valuenow=${Math.round(this.at)}
        aria-valuetext=${`${label}, ${this.#stateInWords(this.at)}`}
        @keydown=${this.#keyPressed}
        @pointerdown=${this.#pressed} @pointermove=${this.#moved} @pointerup=${this.#released}
        @pointercancel=${this.#cancelled} @pointerleave=${() => (this.pointed = undefined)}>
        ${this.pointed === undefined ? nothing : html`<span class="where" aria-hidden="true">${this.#pointedInWords()}</span>`}
        <canvas @wheel=${{ handleEvent: (event: WheelEvent) => this.#wheeled(event), passive: false }}></canvas>
      </div>
      <div id="list" class="list" tabindex="0" role="region" aria-label="List of recordings" ?hidden=${!this.listed}>
        ${this.listed ? this.#table(day) : nothing}
      </div>
    `;
  }

  #table(day: Day) {
    const rows = this.#rows();
    return html`<table>
      <caption>
        Recordings and gaps, ${day.longDate}.
        ${rows.length > MOST_ROWS ? `The first ${MOST_ROWS} of ${rows.length} lines.` : nothing}
      </caption>
      <thead><tr>
        <th scope="col">Camera</th><th scope="col">From</th><th scope="col">To</th><th scope="col">Length</th>
        <th scope="col">What</th><th scope="col">Go</th>
      </tr></thead>
      <tbody>${rows.slice(0, MOST_ROWS).map((row) => {
        const from = day.label(row.start);
        return html`<tr>
          <th scope="row">${row.camera}</th>
          <td class="time">${from}</td><td class="time">${day.label(row.end)}</td>
          <td class="time">${durationInWords(row.end - row.start)}</td><td>${row.words}</td>
          <td><button type="button" aria-label=${`Go there: ${from}, ${row.camera}`}
            @click=${() => this.#go(row.start)}>Go there</button></td>
        </tr>`;
      })}</tbody>
    </table>`;
  }

  #rows(): Row[] {
    const rows = this.lanes.flatMap(({ camera, recordings }) => [
      ...recordings.spans.map(({ start, end }) => ({ camera, start, end, words: "Recorded" })),
      ...recordings.gaps.map((gap) => ({
        camera,
        start: gap.start,
        end: gap.end,
        words: `No recording: ${causeInWords(gap)}${gap.lasting ? " (lasts)" : ""}`,
      })),
    ]);
    return rows.sort((a, b) => a.start - b.start || a.camera.localeCompare(b.camera));
  }

  /** "recorded" or what is missing, of all lanes. */
  #stateInWords(at: number): string {
    if (this.day === undefined || this.lanes.length === 0) return "no camera chosen";
    if (at > this.now) return "still to come";
    const missing = this.lanes.filter(({ recordings }) => recordings.spanAt(at) === undefined);
    if (missing.length === 0) return this.lanes.length === 1 ? "recorded" : "all recorded";
    return missing
      .map(({ camera, recordings }) => {
        const gap = recordings.gapAt(at);
        return `${camera}: ${gap === undefined ? "nothing recorded" : `no recording, ${causeInWords(gap)}`}`;
      })
      .join("; ");
  }

  #pointedInWords(): string {
    if (this.pointed === undefined || this.day === undefined) return "";
    return `${this.day.label(this.pointed)}: ${this.#stateInWords(this.pointed)}`;
  }

  #go(at: number): void {
    const to = Math.min(Math.max(at, 0), this.day?.length ?? at);
    this.view = this.view.following(to);
    this.dispatchEvent(new CustomEvent("seek", { detail: { at: to }, bubbles: true, composed: true }));
  }

  #move(share: number): void {
    this.view = this.view.moved(this.view.span * share);
  }

  #submitted(event: SubmitEvent): void {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const text = String(new FormData(form).get("time") ?? "");
    const reading = this.day?.read(text);
    if (reading === undefined) return;
    if (reading.kind !== "moments") {
      this.message = reading.message;
      return;
    }
    const [first = 0, ...others] = reading.seconds;
    this.message =
      others.length === 0 || this.day === undefined
        ? ""
        : `This time comes twice on this day. This is ${this.day.label(first)}; for the other write ${others
            .map((at) => this.day?.label(at))
            .join(", ")}.`;
    this.#go(first);
    // The keys of the player count from here on, not those of the box.
    this.renderRoot.querySelector<HTMLElement>('[role="slider"]')?.focus();
  }

  #keyPressed(event: KeyboardEvent): void {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const arrow = event.key.startsWith("Arrow");
    const seconds = KEYS[event.key];
    const at =
      event.key === "Home" ? 0 : event.key === "End" ? Math.min(this.now, this.day?.length ?? 0) : undefined;
    if (seconds !== undefined) this.#go(this.at + (arrow && event.shiftKey ? Math.sign(seconds) * 60 : seconds));
    else if (at !== undefined) this.#go(at);
    else if (event.key === " ") this.dispatchEvent(new Event("toggle", { bubbles: true, composed: true }));
    else if (event.key === "+" || event.key === "=") this.zoom(ZOOM);
    else if (event.key === "-") this.zoom(1 / ZOOM);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #wheeled(event: WheelEvent): void {
    event.preventDefault();
    const sideways = event.shiftKey ? event.deltaY : event.deltaX;
    if (Math.abs(sideways) > Math.abs(event.shiftKey ? 0 : event.deltaY)) this.#move(sideways / 500);
    else this.view = this.view.zoomed(Math.exp(-event.deltaY / 300), this.#atPointer(event));
  }

  #atPointer(event: MouseEvent): number {
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
    return this.view.at(event.clientX - box.left - this.#gutter, box.width - this.#gutter);
  }

  #pressed(event: PointerEvent): void {
    if (event.button !== 0) return;
    const slider = event.currentTarget as HTMLElement;
    slider.setPointerCapture(event.pointerId);
    this.#dragging = { pointer: event.pointerId, at: this.at };
    this.#scrub(this.#atPointer(event));
  }

  #moved(event: PointerEvent): void {
    const at = this.#atPointer(event);
    this.pointed = at;
    if (this.#dragging?.pointer === event.pointerId) this.#scrub(at);
  }

  #released(event: PointerEvent): void {
    if (this.#dragging?.pointer !== event.pointerId) return;
    this.#dragging = undefined;
    this.#go(this.#atPointer(event));
  }

  /** The system took the pointer away: the cursor returns to where the drag began. */
  #cancelled(): void {
    if (this.#dragging === undefined) return;
    const { at } = this.#dragging;
    this.#dragging = undefined;
    this.#go(at);
  }

  #scrub(at: number): void {
    this.dispatchEvent(new CustomEvent("scrub", { detail: { at }, bubbles: true, composed: true }));
  }

  #draw(): void {
    if (this.#drawn !== 0) return;
    this.#drawn = requestAnimationFrame(() => {
      this.#drawn = 0;
      this.#drawNow();
    });
  }

  #drawNow(): void {
    const canvas = this.renderRoot.querySelector("canvas");
    const { day } = this;
    if (canvas === null || day === undefined) return;
    // Drawn as large as the page's own text is.
    const scale = Math.max(1, parseFloat(getComputedStyle(document.documentElement).fontSize) / 16);
    const [width, height] = [canvas.clientWidth / scale, heightFor(this.lanes.length)];
    const pixels = devicePixelRatio * scale;
    const [across, down] = [Math.round(width * pixels), Math.round(height * pixels)];
    if (canvas.width !== across) canvas.width = across;
    if (canvas.height !== down) {
      canvas.height = down;
      canvas.style.height = `${height * scale}px`;
    }
    const context = canvas.getContext("2d");
    if (context === null || width < AXIS_PX) return;
    context.setTransform(pixels, 0, 0, pixels, 0, 0);
    const { view, lanes, at, now, markIn, markOut } = this;
    const gutter = gutterFor(context, lanes, width);
    this.#gutter = gutter * scale;
    const room = { gutter, width: width - gutter };
    draw(context, room, { day, view, lanes, at, now, markIn, markOut }, this.#colours());
  }

  #colours(): Colours {
    const style = getComputedStyle(this);
    const of = (name: string, fallback: string) => style.getPropertyValue(name).trim() || fallback;
    return {
      ground: of("--panel", "#1b2026"),
      text: of("--text", "#f2f4f7"),
      faint: of("--quiet", "#aab4c2"),
      recorded: of("--recorded", "#3f6fa8"),
      gap: of("--gap", "#e0a54a"),
      cursor: of("--cursor", "#ff5c5c"),
      mark: of("--mark", "#7fd6a2"),
    };
  }
}

customElements.define("overt-timeline", OvertTimeline);

declare global {
  interface HTMLElementTagNameMap {
    "overt-timeline": OvertTimeline;
  }
}
