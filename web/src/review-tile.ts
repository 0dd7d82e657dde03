// SPDX-License-Identifier: Apache-2.0
// <overt-review-tile>: the picture of one camera that is looked back at, what is to be said about it, and which camera it is.
//
// Events (bubble): "choose" with {camera}; "close" where that is offered; "pick" when the tile becomes the one that is stepped and photographed.

import { LitElement, css, html, nothing } from "lit";
import { nameOf } from "./camera-names.ts";
import type { Footage } from "./footage.ts";
import { RecordedPlayer, type Status } from "./recorded.ts";

const SHAPES: Record<Status["kind"], string> = {
  picture: "",
  gap: "▨",
  damage: "⚠",
  waiting: "…",
  future: "›",
  failed: "✕",
};

export class OvertReviewTile extends LitElement {
  static override properties = {
    number: { attribute: false },
    camera: { attribute: false },
    cameras: { attribute: false },
    status: { attribute: false },
    note: { attribute: false },
    label: { attribute: false },
    picked: { type: Boolean, reflect: true },
    removable: { attribute: false },
  };

  /** Place of the tile, from 1. */
  declare number: number;
  declare camera: string;
  /** All that may be chosen. */
  declare cameras: readonly string[];
  declare status: Status | undefined;
  /** Something to know about the picture as such. */
  declare note: string;
  /** The moment of the frame on the screen, in words. */
  declare label: string;
  declare picked: boolean;
  /** Whether it can be closed. */
  declare removable: boolean;
  #player: RecordedPlayer | undefined;

  static override styles = css`
    :host { display: flex; flex-direction: column; min-width: 0; min-height: 0; background: #000;
      border: 2px solid var(--edge, #3a4350); color: var(--text, #f2f4f7); }
    :host([picked]) { border-color: var(--accent, #7fb4ff); }
    .picture { position: relative; flex: 1; min-height: 0; overflow: hidden; }
    video, canvas { position: absolute; inset: 0; width: 100%; height: 100%; object-fit: contain; }
    [hidden] { display: none !important; }
    .blank video, .blank canvas { visibility: hidden; }
    .words { position: absolute; inset: 0; display: grid; place-content: center; justify-items: center; text-align: center;
      padding: 8px; margin: 0; gap: 4px; overflow: auto; }
    .words .shape { font-size: 1.5rem; line-height: 1; color: var(--warn, #ffd866); }
    .waiting { inset: auto auto 6px 6px; padding: 2px 8px; background: rgb(0 0 0 / 0.8); }
    .note { position: absolute; inset: auto 0 0 0; margin: 0; padding: 2px 8px; background: rgb(0 0 0 / 0.8);
      border-inline-start: 4px solid var(--warn, #ffd866); font-size: 0.8125rem; }
    .bar { display: flex; align-items: center; gap: 6px; background: var(--panel, #1b2026); padding: 2px 4px; min-height: 1.875rem; }
    select, button { min-height: 1.625rem; min-width: 1.625rem; font: inherit; color: inherit; background: var(--raised, #2a3038);
      border: 1px solid var(--quiet, #aab4c2); border-radius: 3px; }
    select { max-width: 60%; text-overflow: ellipsis; }
    select:focus-visible, button:focus-visible { outline: 3px solid var(--focus, #ffdd00); outline-offset: 1px; }
    .label { margin-inline-start: auto; font-variant-numeric: tabular-nums; white-space: nowrap; overflow: hidden; }
  `;

  constructor() {
    super();
    this.number = 1;
    this.camera = "";
    this.cameras = [];
    this.note = "";
    this.label = "";
    this.picked = false;
    this.removable = false;
  }

  get player(): RecordedPlayer | undefined {
    return this.#player;
  }

  /** Shows other footage; the tile must have been rendered. `budget`: bytes that decoded pictures may take. */
  show(footage: Footage, budget: () => number): RecordedPlayer | undefined {
    this.clear();
    const [video, canvas] = [this.renderRoot.querySelector("video"), this.renderRoot.querySelector("canvas")];
    if (video === null || canvas === null) return undefined;
    this.#player = new RecordedPlayer(video, canvas, footage, budget);
    return this.#player;
  }

  clear(): void {
    this.#player?.close();
    this.#player = undefined;
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.clear();
  }

  protected override render() {
    const { status } = this;
    const kind = status?.kind ?? "waiting";
    const blank = kind !== "picture" && kind !== "waiting";
    const note = status?.note || this.note;
    return html`
      <div class="picture ${blank ? "blank" : ""}" @click=${this.#pick}>
        <video muted playsinline disablepictureinpicture tabindex="-1" aria-label=${`Recorded picture of ${nameOf(this.camera)}`}></video>
        <canvas hidden role="img" aria-label=${`Recorded picture of ${nameOf(this.camera)}`}></canvas>
        ${blank
          ? html`<p class="words"><span class="shape" aria-hidden="true">${SHAPES[kind]}</span>${status?.text}</p>`
          : nothing}
        ${kind === "waiting" ? html`<p class="words waiting">${status?.text ?? "Loading…"}</p>` : nothing}
        ${note !== "" && kind === "picture" ? html`<p class="note">${note}</p>` : nothing}
      </div>
      <div class="bar">
        <button type="button" aria-pressed=${this.picked} title="Step and photograph this picture"
          aria-label=${`Picture ${this.number}: step and photograph this one`} @click=${this.#pick}>${this.number}</button>
        <select aria-label=${`Camera in picture ${this.number}`} @change=${this.#chosen}>
          ${this.cameras.map((name) => html`<option value=${name} ?selected=${name === this.camera}>${nameOf(name)}</option>`)}
        </select>
        <span class="label">${this.label}</span>
        ${this.removable
          ? html`<button type="button" title="Close" aria-label=${`Close ${nameOf(this.camera)}`}
              @click=${() => this.dispatchEvent(new CustomEvent("close", { bubbles: true, composed: true }))}>✕</button>`
          : nothing}
      </div>
    `;
  }

  #pick(): void {
    this.dispatchEvent(new CustomEvent("pick", { bubbles: true, composed: true }));
  }

  #chosen(event: Event): void {
    const camera = (event.currentTarget as HTMLSelectElement).value;
    this.dispatchEvent(new CustomEvent("choose", { detail: { camera }, bubbles: true, composed: true }));
  }
}

customElements.define("overt-review-tile", OvertReviewTile);

declare global {
  interface HTMLElementTagNameMap {
    "overt-review-tile": OvertReviewTile;
  }
}
