// SPDX-License-Identifier: Apache-2.0
// A floor plan: the picture of a site with its cameras as pins, a list of them beside it, and the live picture of the one
// that the pointer or the keyboard is on.

import { html, nothing, svg, type TemplateResult } from "lit";

import { nameCameras, nameOf } from "../camera-names.ts";
import { keys } from "../keys.ts";
import type { ReviewRequest } from "../player.ts";
import "../player.ts";
import { RequestError } from "../session.ts";
import { RoomPage } from "./room-page.ts";

/** A picture is asked for once somebody has stayed so long: passing over pins asks for nothing. */
const STAY_MS = 150;

interface Pin {
  readonly camera: string;
  readonly name: string;
  readonly x: number;
  readonly y: number;
  readonly direction: number;
  readonly live: boolean;
}

interface Plan {
  readonly name: string;
  readonly width: number;
  readonly height: number;
  readonly pins: readonly Pin[];
}

export class OvertPlanPage extends RoomPage {
  static override readonly properties = {
    ...RoomPage.properties,
    plan: {},
    picture: {},
    _plan: { state: true },
    _at: { state: true },
  };

  /** Address at which the pins are asked for. */
  declare plan: string;
  /** Address of the picture. */
  declare picture: string;
  declare _plan: Plan | undefined;
  /** Camera whose picture is shown. */
  declare _at: string;
  #stay: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    super();
    this.plan = this.picture = this._at = "";
  }

  override connectedCallback(): void {
    super.connectedCallback();
    keys.add({
      title: "The plan",
      active: () => this._plan !== undefined,
      shortcuts: [
        { key: "Escape", words: "Show no picture", label: "Esc", run: () => this.#leave() },
        { key: "r", words: "Look back 30 seconds", label: "R", run: () => this.querySelector("overt-player")?.lookBack() },
        { key: "f", words: "Full screen", label: "F", run: () => void this.querySelector("overt-player")?.fullScreen() },
      ],
    });
    this.addEventListener("overt-review", (event) => {
      const { camera, at_us } = (event as CustomEvent<ReviewRequest>).detail;
      location.assign(`/review?camera=${encodeURIComponent(camera)}&at=${at_us}`);
    });
  }

  protected override opened(): void {
    void this.#load();
  }

  async #load(): Promise<void> {
    try {
      const plan = (await this.room.ask("GET", this.plan)) as Plan;
      nameCameras(plan.pins.map(({ camera, name }) => [camera, name] as const));
      this._plan = plan;
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      this.failure = error.message;
    }
  }

  #look(pin: Pin): void {
    clearTimeout(this.#stay);
    this.#stay = setTimeout(() => {
      if (this._at === pin.camera) return;
      this._at = pin.camera;
      if (pin.live) void this.want({ live: [pin.camera] });
    }, STAY_MS);
  }

  #leave(): void {
    clearTimeout(this.#stay);
    this._at = "";
  }

  protected override render() {
    const instead = this.instead(this._session);
    if (instead !== undefined) return instead;
    const plan = this._plan;
    return html`
      ${this.notices(this._session)}
      <div class="room with-tree">
        <aside aria-label="Cameras on the plan">
          <div class="plan-list">
            <h2>Cameras</h2>
            ${plan?.pins.length === 0 ? html`<p>None is on this plan yet.</p>` : nothing}
            <ul>${plan?.pins.map(
              (pin) => html`<li><button type="button" aria-pressed=${pin.camera === this._at}
                @focus=${() => this.#look(pin)} @click=${() => this.#look(pin)} @pointerenter=${() => this.#look(pin)}>${pin.name}</button></li>`,
            )}</ul>
            <button type="button" @click=${() => this.help()}>Keys and help</button>
            <slot></slot>
          </div>
        </aside>
        <main id="content" tabindex="-1">
          <h1>${plan?.name ?? "Floor plan"}</h1>
          ${plan === undefined ? nothing : this.#drawn(plan)}
        </main>
      </div>
      ${this.helpDialog()}
    `;
  }

  #drawn(plan: Plan): TemplateResult {
    return html`<div class="plan">
      <svg viewBox=${`0 0 ${plan.width} ${plan.height}`} role="group" aria-label=${`Plan of ${plan.name}`} class="drawing">
        <image href=${this.picture} width=${plan.width} height=${plan.height} />
        ${plan.pins.map((pin) => this.#pin(pin, plan))}
      </svg>
      ${this.#preview(plan)}
    </div>`;
  }

  #pin(pin: Pin, plan: Plan) {
    const size = Math.max(plan.width, plan.height) / 45;
    const place = `translate(${(pin.x / 100) * plan.width} ${(pin.y / 100) * plan.height}) scale(${size / 12})`;
    return svg`<g class="pin ${pin.camera === this._at ? "at" : ""}" transform=${place} tabindex="0" role="button"
        aria-label=${`${pin.name}, looks towards ${compass(pin.direction)}`} aria-pressed=${pin.camera === this._at}
        @focus=${() => this.#look(pin)} @click=${() => this.#look(pin)} @pointerenter=${() => this.#look(pin)}
        @keydown=${(event: KeyboardEvent) => this.#pressed(event, pin)}>
      <circle r="16" class="touch"></circle>
      <path class="view" d="M0 0 L-14 -28 A31 31 0 0 1 14 -28 Z" transform=${`rotate(${pin.direction})`}></path>
      <circle r="9" class="dot"></circle>
    </g>`;
  }

  #pressed(event: KeyboardEvent, pin: Pin): void {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    this.#look(pin);
  }

  /** On the half of the plan on which the pin is not. */
  #preview(plan: Plan) {
    const pin = plan.pins.find((each) => each.camera === this._at);
    if (pin === undefined) return nothing;
    const info = this._cameras?.find((each) => each.camera === pin.camera);
    return html`<div class="preview ${pin.x > 50 ? "left" : "right"}">
      ${!pin.live
        ? html`<p>You may not watch ${nameOf(pin.camera)} live, or it is not recorded yet.</p>`
        : info === undefined || this._session === undefined
          ? html`<p>${nameOf(pin.camera)}: connecting…</p>`
          : html`<overt-player .camera=${pin.camera} .session=${this._session} .streams=${info.streams} .originUs=${this.originUs}
              .stream=${"sub"}></overt-player>`}
      <button type="button" @click=${() => this.#leave()} aria-label="Close the picture">✕</button>
    </div>`;
  }
}

/** A direction on the plan, in words. */
function compass(degrees: number): string {
  const words = ["the top", "the top right", "the right", "the bottom right", "the bottom", "the bottom left", "the left", "the top left"];
  return words[Math.round(degrees / 45) % 8] ?? "the top";
}

customElements.define("overt-plan-page", OvertPlanPage);
