// SPDX-License-Identifier: Apache-2.0
// The last month as a strip of days: how much of each is recorded, of the cameras that are chosen.

import { html, svg, type TemplateResult } from "lit";
import { Day } from "./day.ts";
import type { Recorder } from "./footage.ts";
import { opened } from "./opened.ts";
import type { CameraInfo, Permission } from "./session.ts";
import { Recordings, durationInWords, type SpansAnswer } from "./spans.ts";

const DAYS = 31;
/** A strip that was asked for is asked for again after so long. */
const FRESH_MS = 300_000;

export class RecordedDays {
  readonly #recorder: Recorder;
  readonly #changed: () => void;
  #asked = "";
  #askedAt = 0;
  /** Recorded seconds of the camera that has most, by date. */
  #recorded = new Map<string, number>();
  #days: Day[] = [];

  constructor(recorder: Recorder, changed: () => void) {
    this.#recorder = recorder;
    this.#changed = changed;
  }

  /** Asks for the days up to a day, or up to today where that is less than a month on. */
  want(names: readonly string[], cameras: readonly CameraInfo[], day: Day, may: readonly Permission[], nowUs: number): void {
    const today = Day.containing(nowUs, day.timeZone);
    const behind = Math.round((today.startUs - day.startUs) / 86_400e6);
    const last = behind < DAYS ? today : day.plus(Math.min(behind, DAYS >> 1));
    const asked = `${last.date} ${names.join(" ")}`;
    if (asked === this.#asked && performance.now() - this.#askedAt < FRESH_MS) return;
    this.#asked = asked;
    this.#askedAt = performance.now();
    this.#days = Array.from({ length: DAYS }, (_, i) => last.plus(i - DAYS + 1));
    this.#recorded.clear();
    for (const name of names) {
      const camera = cameras.find((each) => each.camera === name);
      if (camera !== undefined) void this.#ask(camera, may, nowUs, asked);
    }
  }

  render(day: Day, go: (date: string) => void): TemplateResult {
    // One stop of the tabulator for all of them: the day that is shown, or else the last.
    const stop = this.#days.some((each) => each.date === day.date) ? day.date : this.#days.at(-1)?.date;
    return html`<div class="days" role="toolbar" aria-label="Recorded days" @keydown=${along}>
      ${this.#days.map((each) => {
        const seconds = this.#recorded.get(each.date) ?? 0;
        const share = Math.min(1, seconds / each.length);
        const height = seconds === 0 ? 0 : Math.max(1, share * 10);
        const words = seconds === 0 ? "nothing recorded" : `${durationInWords(seconds)} recorded`;
        return html`<button type="button" aria-current=${each.date === day.date ? "date" : "false"}
          tabindex=${each.date === stop ? 0 : -1}
          aria-label=${`${each.longDate}: ${words}`} title=${`${each.longDate}: ${words}`} @click=${() => go(each.date)}>
          <span>${Number(each.date.slice(8))}</span>
          <svg viewBox="0 0 20 10" preserveAspectRatio="none" aria-hidden="true">
            ${svg`<rect x="0" y=${10 - height} width="20" height=${height}></rect>`}
          </svg>
        </button>`;
      })}
    </div>`;
  }

  async #ask(camera: CameraInfo, may: readonly Permission[], nowUs: number, asked: string): Promise<void> {
    const stream = camera.streams[0]?.stream;
    const [first] = this.#days;
    if (stream === undefined || first === undefined) return;
    // One request for as much of the month as is open without a break.
    const open = this.#days.map((day) => ({ day, opened: opened(may, camera.camera, day, nowUs) }));
    const from = open.find((each) => each.opened !== undefined);
    const to = open.findLast((each) => each.opened !== undefined);
    if (from?.opened === undefined || to?.opened === undefined) return;
    const path = `/cameras/${encodeURIComponent(camera.camera)}/${encodeURIComponent(stream)}/spans`;
    const query = `?from=${from.day.nanosecondsAt(from.opened.from)}&to=${to.day.nanosecondsAt(to.opened.to)}`;
    // The strip is a help: where it cannot be had, the day itself says why.
    const answer = (await this.#recorder.json(path + query).catch(() => undefined)) as SpansAnswer | undefined;
    if (answer === undefined || asked !== this.#asked) return;
    for (const day of this.#days) {
      const seconds = Recordings.read(answer, day).recorded;
      this.#recorded.set(day.date, Math.max(this.#recorded.get(day.date) ?? 0, seconds));
    }
    this.#changed();
  }
}

/** Arrow keys go from day to day. */
function along(event: KeyboardEvent): void {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const days = [...(event.currentTarget as HTMLElement).querySelectorAll("button")];
  const at = days.indexOf(event.target as HTMLButtonElement);
  const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: days.length - 1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  days[to]?.focus();
}
