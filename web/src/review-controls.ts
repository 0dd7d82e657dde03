// SPDX-License-Identifier: Apache-2.0
// The buttons and keys of looking back. What they do is the view's own business.

import { html, nothing } from "lit";

import type { MasterClock } from "./clock.ts";
import type { Day } from "./day.ts";
import type { Shortcut } from "./keys.ts";
import { SPEEDS } from "./playback.ts";
import { NO_DECODER, canDecode } from "./stills.ts";

export interface ReviewActions {
  toggle(): void;
  play(rate: number): void;
  shuttle(direction: 1 | -1): void;
  pause(): void;
  by(seconds: number): void;
  step(direction: 1 | -1): void;
  showGap(direction: 1 | -1): void;
  zoom(factor: number): void;
  mark(what: "in" | "out" | "clear"): void;
  snapshot(): void;
  goToDay(date: string): void;
  clip(): void;
}

/** Going from day to day. */
export function daysOf(day: Day, today: Day, act: ReviewActions) {
  return html`<div class="group">
    <button type="button" aria-label="Day before" title="Day before" @click=${() => act.goToDay(day.plus(-1).date)}>‹</button>
    <label for="date">Day</label>
    <input id="date" type="date" .value=${day.date} max=${today.date}
      @change=${(event: Event) => act.goToDay((event.currentTarget as HTMLInputElement).value)} />
    <button type="button" aria-label="Day after" title="Day after" ?disabled=${day.date >= today.date}
      @click=${() => act.goToDay(day.plus(1).date)}>›</button>
    <button type="button" @click=${() => act.goToDay(today.date)}>Today</button>
  </div>`;
}

/** Playing, stepping, speed. */
export function transportOf(day: Day, at: number, clock: MasterClock | undefined, act: ReviewActions) {
  const playing = clock?.playing ?? false;
  const decodes = canDecode();
  return html`<div class="row">
    <span class="now">${day.label(at)}</span>
    <div class="group">
      <button type="button" @click=${() => act.by(-5)} aria-label="−5 s: back 5 seconds" title="Back 5 seconds (←)">−5 s</button>
      <button type="button" @click=${() => act.step(-1)} aria-label="Previous frame" title="Previous frame ( , )"
        ?disabled=${!decodes}>◂|</button>
      <button type="button" class="play" @click=${() => act.toggle()} title="Play or pause (Space)">
        ${playing ? "Pause" : "Play"}</button>
      <button type="button" @click=${() => act.step(1)} aria-label="Next frame" title="Next frame ( . )"
        ?disabled=${!decodes}>|▸</button>
      <button type="button" @click=${() => act.by(5)} aria-label="+5 s: on 5 seconds" title="On 5 seconds (→)">+5 s</button>
    </div>
    <div class="group speed" role="group" aria-label="Speed">
      ${SPEEDS.map(
        (speed) => html`<button type="button" aria-pressed=${clock?.rate === speed}
          aria-label=${speed < 0 ? `Backwards ${-speed} times` : `${speed} times`}
          ?disabled=${!decodes && speed < 0} title=${!decodes && speed < 0 ? NO_DECODER : nothing}
          @click=${() => act.play(speed)}>${speed < 0 ? `−${-speed}` : speed}×</button>`,
      )}
    </div>
  </div>`;
}

/** Marks and what is done with a picture; they stand with the timeline's own buttons. */
export function toolsOf(
  day: Day,
  marks: { readonly in: number | undefined; readonly out: number | undefined },
  mayClip: boolean,
  act: ReviewActions,
) {
  const label = (at: number | undefined) => (at === undefined ? "" : ` ${day.label(at)}`);
  return html`<div class="group" slot="tools">
    <button type="button" @click=${() => act.mark("in")} title="Mark the beginning (I)">In${label(marks.in)}</button>
    <button type="button" @click=${() => act.mark("out")} title="Mark the end (O)">Out${label(marks.out)}</button>
    ${marks.in === undefined && marks.out === undefined
      ? nothing
      : html`<button type="button" @click=${() => act.mark("clear")}>Clear marks</button>`}
    <button type="button" @click=${() => act.snapshot()} title="Picture as a file (S)">Snapshot</button>
    ${mayClip
      ? html`<button type="button" ?disabled=${marks.in === undefined || marks.out === undefined}
          title="Mark the beginning (I) and the end (O) first" @click=${() => act.clip()}>Save clip</button>`
      : nothing}
  </div>`;
}

export function shortcutsOf(act: ReviewActions): Shortcut[] {
  const run = (key: string, words: string, action: (event: KeyboardEvent) => void, label?: string): Shortcut =>
    label === undefined ? { key, words, run: action } : { key, words, label, run: action };
  return [
    run(" ", "Play or pause", () => act.toggle(), "Space"),
    run("j", "Play backwards; again: faster", () => act.shuttle(-1), "J"),
    run("k", "Pause", () => act.pause(), "K"),
    run("l", "Play; again: faster", () => act.shuttle(1), "L"),
    run(",", "Previous frame", () => act.step(-1)),
    run(".", "Next frame", () => act.step(1)),
    run("ArrowLeft", "Back 5 seconds (with Shift: a minute)", (event) => act.by(event.shiftKey ? -60 : -5), "←"),
    run("ArrowRight", "On 5 seconds (with Shift: a minute)", (event) => act.by(event.shiftKey ? 60 : 5), "→"),
    run("g", "Next gap (with Shift: previous)", (event) => act.showGap(event.shiftKey ? -1 : 1), "G"),
    run("i", "Mark the beginning", () => act.mark("in"), "I"),
    run("o", "Mark the end", () => act.mark("out"), "O"),
    run("s", "Picture as a file", () => act.snapshot(), "S"),
    run("+", "Zoom in", () => act.zoom(2)),
    run("-", "Zoom out", () => act.zoom(0.5)),
  ];
}
