// SPDX-License-Identifier: Apache-2.0
// The control room's page for looking back: cameras are chosen from the tree, each day is opened when somebody goes to it,
// and what lies between two marks is saved as a clip.

import { html, nothing } from "lit";

import { announce } from "../announce.ts";
import { nameOf } from "../camera-names.ts";
import { LONGEST_CLIP_S, clipName, fetchClip } from "../clip.ts";
import { Day } from "../day.ts";
import { keys, pageStorage } from "../keys.ts";
import type { ClipRequest, OvertReview } from "../review.ts";
import "../review.ts";
import "./camera-tree.ts";
import "./key-dialog.ts";
import "./reason.ts";
import type { OvertCameraTree } from "./camera-tree.ts";
import type { Answer, Wanted } from "./granted.ts";
import type { Catalogue, Why } from "./room.ts";
import { RoomPage } from "./room-page.ts";

const TREE_STORED = "overt-review-tree";
/** Where somebody comes from the wall without a moment to go to. */
const BEFORE_NOW_US = 30_000_000;
/** Recorded since keys were touched: from then on it is offered to open that too. */
const LATER_US = 60_000_000;

export class OvertReviewPage extends RoomPage {
  static override readonly properties = {
    ...RoomPage.properties,
    tree: { state: true },
    chosen: { state: true },
    saving: { state: true },
    why: { state: true },
    locked: { state: true },
    openedUntilUs: { state: true },
  };

  declare tree: boolean;
  declare chosen: ReadonlySet<string>;
  /** What is being fetched, or what became of it. */
  declare saving: string;
  /** For what purpose somebody looks back; nothing is asked for without it. */
  declare why: Why | undefined;
  /** Whether keys were asked for, and not touched. */
  declare locked: boolean;
  /** What was recorded later than this is opened with another touch; 0: no key is needed, or none was touched. */
  declare openedUntilUs: number;
  #first: { camera: string; at_us: number } | undefined;
  readonly #storage = pageStorage();

  constructor() {
    super();
    this.tree = this.#storage?.getItem(TREE_STORED) !== "off" && window.innerWidth >= 900;
    this.chosen = new Set();
    this.saving = "";
    this.locked = false;
    this.openedUntilUs = 0;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    keys.add({
      title: "This page",
      active: () => this.catalogue !== undefined,
      shortcuts: [
        { key: "c", words: "Find a camera", label: "C", run: () => void this.#find() },
        { key: "w", words: "Live wall", label: "W", run: () => location.assign("/wall") },
      ],
    });
  }

  get #review(): OvertReview | null {
    return this.querySelector("overt-review");
  }

  protected override opened(catalogue: Catalogue): void {
    const query = new URLSearchParams(location.search);
    const camera = query.get("camera") ?? "";
    if (!catalogue.cameras.some((each) => each.key === camera)) return;
    const at = Number(query.get("at"));
    const at_us = Number.isSafeInteger(at) && at > 0 ? at : Date.now() * 1000 - BEFORE_NOW_US;
    void this.updateComplete.then(() => this.#begin(camera, at_us));
  }

  /** Asks why, then shows the first camera; with it the session begins. */
  async #begin(camera: string, at_us: number): Promise<void> {
    if (this.why === undefined && !(await this.#askWhy())) return;
    this.#first = { camera, at_us };
    this.chosen = new Set([camera]);
    await this.want(this.#wish([camera], Day.containing(at_us, this.catalogue?.time_zone ?? "UTC")));
  }

  /** Whether it was said for what purpose. */
  async #askWhy(): Promise<boolean> {
    const why = await this.querySelector("overt-reason")?.ask();
    if (why !== undefined) this.why = why;
    return why !== undefined;
  }

  /** Another purpose for what is shown from now on. */
  async #changeWhy(): Promise<void> {
    if (!(await this.#askWhy())) return;
    const review = this.#review;
    if (review?.day !== undefined) await this.want(this.#wish([...this.chosen], review.day));
  }

  /** What is asked for to look back at a day of some cameras: what is recorded, and of the last minutes what is in memory. */
  #wish(cameras: readonly string[], day: Day): Wanted {
    const recorded = cameras.filter((each) => this.camera(each)?.recorded === true);
    const live = cameras.filter((each) => this.camera(each)?.replay === true && this.camera(each)?.live === true);
    const why = this.why === undefined ? {} : { why: this.why };
    if (recorded.length === 0) return { live, ...why };
    return { live, recorded: { cameras: recorded, from_us: day.startUs, to_us: day.endUs }, ...why };
  }

  readonly #opener = async (cameras: readonly string[], day: Day): Promise<ReadonlyMap<string, string>> => {
    const given = await this.want(this.#wish(cameras, day));
    const answer = given?.shut === true ? await this.#unlock(given) : given;
    this.chosen = new Set(cameras);
    const shut = new Map<string, string>();
    for (const camera of cameras) {
      const words = answer?.refused.find((each) => each.camera === camera)?.words;
      shut.set(camera, words ?? (this.failure || `You may not look back at ${nameOf(camera)}.`));
    }
    return shut;
  };

  /** Has the keys touched that footage is sealed to; without them the grant is as it was. */
  async #unlock(given: Answer): Promise<Answer> {
    const opened = await this.querySelector("overt-key-dialog")?.ask(given.id);
    this.locked = opened === undefined;
    if (opened === undefined) return given;
    this.granted.adopt(opened);
    this.openedUntilUs = opened.opened_until_us;
    await this._session?.check();
    return opened;
  }

  /** Opens what was left shut, or has been recorded since. */
  async #unlockMore(): Promise<void> {
    const { answer } = this.granted;
    if (answer === undefined) return;
    await this.#unlock(answer);
    if (!this.locked) this.#review?.reload();
  }

  #key(): unknown {
    const now = this._session?.nowUs ?? 0;
    const later = this.openedUntilUs > 0 && now - this.openedUntilUs > LATER_US && this.#review?.day !== undefined && now < this.#review.day.endUs;
    if (!this.locked && !later) return nothing;
    return html`<button type="button" @click=${() => void this.#unlockMore()}>
      ${this.locked ? "Open it with your key" : "Open what was recorded since, with your key"}</button>`;
  }

  #add(camera: string): void {
    if (this._session === undefined) {
      void this.#begin(camera, Date.now() * 1000 - BEFORE_NOW_US);
      return;
    }
    this.#review?.add(camera);
  }

  protected override updated(): void {
    const review = this.#review;
    if (this._session !== undefined) this._session.closely = true;
    if (review !== null && this.#first !== undefined && this._session?.info !== undefined) {
      const { camera, at_us } = this.#first;
      this.#first = undefined;
      review.open(camera, at_us);
    }
  }

  async #find(): Promise<void> {
    this.#showTree(true);
    await this.updateComplete;
    this.querySelector<OvertCameraTree>("overt-camera-tree")?.focus();
  }

  #showTree(shown: boolean): void {
    this.tree = shown;
    this.#storage?.setItem(TREE_STORED, shown ? "on" : "off");
  }

  // --- clips ---------------------------------------------------------------------------------------------------------------

  async #save(request: ClipRequest): Promise<void> {
    const session = this._session;
    const grant = this.granted.answer;
    if (session === undefined || grant === undefined) return;
    if (request.toUs - request.fromUs > LONGEST_CLIP_S * 1e6) {
      this.#tell("A clip is at most one hour long: move a mark. Longer footage is exported on the recorder.");
      return;
    }
    const day = Day.containing(request.fromUs, this.catalogue?.time_zone ?? "UTC");
    try {
      const body = { cameras: request.cameras, from_us: request.fromUs, to_us: request.toUs };
      // It is written down who takes what before they have it.
      await this.room.ask("POST", `/viewing/grants/${grant.id}/clips`, body);
      const saved: string[] = [];
      for (const camera of request.cameras) {
        this.#tell(`Fetching the clip of ${nameOf(camera)}…`);
        const stream = this._cameras?.find((each) => each.camera === camera)?.streams[0]?.stream ?? "main";
        const span = { camera, stream, fromUs: request.fromUs, toUs: request.toUs };
        const { files, missing } = await fetchClip(session, span, new AbortController().signal);
        for (const [part, file] of files.entries()) {
          const time = day.label(day.secondsAt(file.startUs));
          const name = clipName(nameOf(camera), day.date, time, part);
          download(new Blob([...file.parts], { type: "video/mp4" }), name);
          saved.push(name);
        }
        if (files.length === 0) saved.push(`nothing of ${nameOf(camera)}: nothing is recorded there`);
        else if (missing.length > 0) saved.push(`parts are missing in it: ${[...new Set(missing)].join(", ")}`);
      }
      this.#tell(`Saved: ${saved.join("; ")}.`);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      this.#tell(`The clip was not saved. ${error.message}`);
    }
  }

  #tell(words: string): void {
    this.saving = words;
    announce(words, "clip");
  }

  #purpose(catalogue: Catalogue) {
    const why = this.why;
    if (why === undefined) return nothing;
    const name = catalogue.purposes.find((each) => each.id === why.purpose)?.name ?? "";
    return html`<button type="button" @click=${() => void this.#changeWhy()}>
      Purpose: ${name}${why.reference === "" ? "" : ` (${why.reference})`}. Change</button>`;
  }

  // --- what is shown -------------------------------------------------------------------------------------------------------

  protected override render() {
    const session = this._session;
    const instead = this.instead(session);
    if (instead !== undefined) return instead;
    const catalogue = this.catalogue as Catalogue;
    return html`
      ${this.notices(session, this.saving === "" ? nothing : html`<p class="warning">${this.saving}
        <button type="button" @click=${() => (this.saving = "")}>Hide this message</button></p>`)}
      <div class="room ${this.tree ? "with-tree" : ""}">
        ${this.tree
          ? html`<aside aria-label="Cameras"><overt-camera-tree .chosen=${this.chosen}
              .cameras=${catalogue.cameras.filter((each) => each.recorded || each.replay)}
              @choose=${(event: CustomEvent<{ camera: string }>) => this.#add(event.detail.camera)}
              @leave=${() => this.querySelector<HTMLElement>("main")?.focus()}></overt-camera-tree></aside>`
          : nothing}
        <main id="content" tabindex="-1">
          <h1 class="hidden">Look back</h1>
          <div class="tools review-tools">
            <button type="button" aria-pressed=${this.tree} @click=${() => this.#showTree(!this.tree)}>Cameras</button>
            ${this.#purpose(catalogue)}
            ${this.#key()}
            <span class="spacer"></span>
            <time class="clock">${this._clock}</time>
            <button type="button" @click=${() => this.help()}>Keys and help</button>
          </div>
          <overt-key-dialog .room=${this.room}></overt-key-dialog>
          <overt-reason .purposes=${catalogue.purposes} .last=${this.why ?? catalogue.why ?? undefined}></overt-reason>
          ${session?.info === undefined
            ? html`<div class="start">
                <p>Choose a camera to look back at: with the tree, or by its name.</p>
                ${catalogue.unlocked || !catalogue.cameras.some((each) => each.recorded)
                  ? nothing
                  : html`<p>Recorded footage is locked since the control room was started. What was recorded in the last ten
                      minutes can be seen by who may replay; for the rest somebody has to unlock it on the page
                      <a href="/footage-key">Footage key</a>.</p>`}
                ${this.tree ? nothing : html`<button type="button" @click=${() => void this.#find()}>Find a camera</button>`}
              </div>`
            : html`<overt-review .session=${session} .opener=${this.#opener} .exporting=${new Set(this.granted.answer?.export ?? [])}
                @overt-clip=${(event: CustomEvent<ClipRequest>) => void this.#save(event.detail)}></overt-review>`}
        </main>
      </div>
      ${this.helpDialog()}
    `;
  }
}

function download(content: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

customElements.define("overt-review-page", OvertReviewPage);
