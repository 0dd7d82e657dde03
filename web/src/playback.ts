// SPDX-License-Identifier: Apache-2.0
// Up to nine cameras looked back at on one clock: playing, shuttling, stepping, gaps. No elements of a page here.

import { MasterClock } from "./clock.ts";
import type { Day } from "./day.ts";
import type { RecordedPlayer, Status } from "./recorded.ts";
import { canDecode } from "./stills.ts";

export const SPEEDS = [-16, -8, -4, -2, -1, -0.5, 0.25, 0.5, 1, 2, 4, 8, 16] as const;
const SHUTTLE = [1, 2, 4, 8, 16];
/** At ordinary speed a gap that all cameras have is shown this long before it is passed over. */
const GAP_SHOWN_MS = 2000;
/** Footage that ends this close to now goes on. */
const GROWING_S = 15;

/** What happens to the playback, in words, to be said aloud. */
export type Say = (text: string, subject: string) => void;

export class Playback {
  readonly clock = new MasterClock();
  readonly #say: Say;
  #players: readonly RecordedPlayer[] = [];
  #day: Day;
  #statuses = new Map<RecordedPlayer, Status>();
  /** What was said of each last. */
  #told = new Map<RecordedPlayer, Status>();
  #inGapSince: number | undefined;
  #scrubbing = false;
  #stepping = false;

  constructor(day: Day, say: Say) {
    this.#day = day;
    this.#say = say;
  }

  get day(): Day {
    return this.#day;
  }

  get scrubbing(): boolean {
    return this.#scrubbing;
  }

  statusOf(player: RecordedPlayer): Status | undefined {
    return this.#statuses.get(player);
  }

  /** Other cameras, or another day. The players are closed by whoever made them. */
  show(day: Day, players: readonly RecordedPlayer[]): void {
    for (const player of this.#players) this.clock.letGo(player);
    this.#day = day;
    this.#players = players;
    this.#statuses.clear();
    this.#told.clear();
    this.clock.limit(0, day.length);
    this.#inGapSince = undefined;
  }

  /** To be called on every animation frame. */
  tick(): void {
    const { clock } = this;
    this.#limit();
    for (const player of this.#players) {
      const status = player.follow(clock);
      if (status.hold && clock.playing) clock.hold(player);
      else clock.letGo(player);
      this.#tell(player, status);
    }
    if (clock.moving && !this.#scrubbing) this.#passGap();
  }

  seek(at: number): void {
    this.#endScrub();
    this.clock.seek(at);
    this.#inGapSince = undefined;
    for (const player of this.#players) {
      player.seek();
      // What is needed is asked for at once, not at the next frame of the screen.
      if (player.follow(this.clock).hold && this.clock.playing) this.clock.hold(player);
    }
  }

  /** The cursor is dragged: keyframes are shown, and playing waits. */
  scrub(at: number): void {
    this.#scrubbing = true;
    this.clock.hold(this);
    this.clock.seek(at);
    for (const player of this.#players) player.preview(at);
  }

  play(rate = this.clock.rate): void {
    if (rate !== this.clock.rate) for (const player of this.#players) player.seek();
    this.clock.play(rate);
    this.#say(rate === 1 ? "Playing." : `Playing ${rateInWords(rate)}.`, "playing");
  }

  pause(): void {
    if (!this.clock.playing) return;
    this.clock.pause();
    this.#say(`Paused at ${this.#day.label(this.clock.time)}.`, "playing");
  }

  toggle(): void {
    if (this.clock.playing) this.pause();
    else this.play();
  }

  /** J and L: plays that way, at each further press at twice the speed. */
  shuttle(direction: 1 | -1): void {
    const { playing, rate } = this.clock;
    const same = playing && Math.sign(rate) === direction && Math.abs(rate) >= 1;
    const next = same ? (SHUTTLE.find((speed) => speed > Math.abs(rate)) ?? 16) : 1;
    this.play(direction * next);
  }

  /** One frame of one camera; the others show the same moment. */
  async step(direction: 1 | -1, player: RecordedPlayer | undefined): Promise<void> {
    if (this.#stepping || player === undefined) return;
    if (this.clock.playing) this.pause();
    if (!canDecode()) {
      this.#say("This browser decodes single frames on HTTPS pages alone.", "step");
      return;
    }
    this.#stepping = true;
    try {
      const moment = await player.step(this.clock.time, direction);
      if (moment === undefined) {
        this.#say(direction === 1 ? "No later frame here." : "No earlier frame here.", "step");
        return;
      }
      this.clock.seek(moment);
    } catch (error) {
      this.#say(error instanceof Error ? error.message : String(error), "step");
    } finally {
      this.#stepping = false;
    }
  }

  #endScrub(): void {
    if (!this.#scrubbing) return;
    this.#scrubbing = false;
    this.clock.letGo(this);
    for (const player of this.#players) player.endPreview();
  }

  /** The clock stays where something may be seen. */
  #limit(): void {
    if (this.#players.length === 0) return;
    const all = this.#players.map((player) => player.recordings);
    const from = Math.min(...all.map((each) => each.from));
    const to = Math.max(from, ...all.map((each) => Math.max(each.spans.at(-1)?.end ?? 0, each.gaps.at(-1)?.end ?? 0)));
    this.clock.limit(from, to);
  }

  #passGap(): void {
    const { clock } = this;
    const at = clock.time;
    const direction = clock.rate < 0 ? -1 : 1;
    if (clock.atEnd && this.#players.length > 0) {
      const growing = this.#players.some(
        ({ recordings }) =>
          recordings.now < this.#day.length && recordings.now - (recordings.spans.at(-1)?.end ?? 0) < GROWING_S,
      );
      if (direction === 1 && growing) return;
      clock.pause();
      this.#say(direction === 1 ? "This is where the footage ends." : "This is where the footage begins.", "playing");
      return;
    }
    if (this.#players.some((player) => player.recordings.spanAt(at) !== undefined)) {
      this.#inGapSince = undefined;
      return;
    }
    this.#inGapSince ??= performance.now();
    if (Math.abs(clock.rate) <= 1 && performance.now() - this.#inGapSince < GAP_SHOWN_MS) return;
    const next = this.#players
      .map((player) => player.recordings.footageFrom(at, direction))
      .filter((moment) => moment !== undefined);
    if (next.length === 0) return;
    // Going back, the last moment of a span is just before its end.
    this.seek(direction === 1 ? Math.min(...next) : Math.max(...next) - 0.001);
  }

  #tell(player: RecordedPlayer, status: Status): void {
    this.#statuses.set(player, status);
    if (this.#scrubbing || status.kind === "waiting") return;
    const before = this.#told.get(player);
    this.#told.set(player, status);
    if (before === undefined || (before.kind === status.kind && before.text === status.text)) return;
    const { camera } = player.footage;
    if (status.kind !== "picture") this.#say(`${camera}: ${status.text}`, camera);
    else if (before.kind === "gap" || before.kind === "damage" || before.kind === "failed") {
      this.#say(`${camera}: recording again.`, camera);
    }
  }
}

export function rateInWords(rate: number): string {
  return rate < 0 ? `backwards at ${-rate}×` : `at ${rate}×`;
}
