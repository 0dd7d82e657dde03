// SPDX-License-Identifier: Apache-2.0
// <overt-wall>: live pictures in 1, 4, 9 or 16 tiles. One tile may be selected: it gets the main stream and the engine
// with the least delay, the others get substreams.

import { LitElement, css, html, nothing, type PropertyValues } from "lit";
import { repeat } from "lit/directives/repeat.js";

import { announce } from "./announce.ts";
import { keys, type Shortcut } from "./keys.ts";
import type { OvertPlayer } from "./player.ts";
import "./player.ts";
import type { CameraInfo, Session } from "./session.ts";
import { LAYOUTS, layoutFor, neighbour, nextLayout, pagesOf, pageWith, summary, type Layout } from "./wall-layout.ts";

const STORED = "overt-layout";

export class OvertWall extends LitElement {
  static override readonly properties = {
    session: { attribute: false },
    cameras: { attribute: false },
    originUs: { attribute: false },
    storage: { attribute: false },
    _layout: { state: true },
    _page: { state: true },
    _focus: { state: true },
    _selected: { state: true },
    _states: { state: true },
  };

  static override readonly styles = css`
    :host {
      display: grid;
      grid-template-rows: auto minmax(0, 1fr);
      min-height: 0;
    }
    .tools {
      display: flex;
      flex-wrap: wrap;
      align-items: center;
      gap: 0.25rem 1rem;
      padding: 0.25rem 0.5rem;
      background: var(--panel);
      border-bottom: 1px solid var(--edge);
      font-size: 0.875rem;
    }
    .group {
      display: flex;
      align-items: center;
      gap: 0.25rem;
    }
    .summary {
      margin-left: auto;
      color: var(--quiet);
    }
    button {
      min-width: 2rem;
      min-height: 1.75rem;
      padding: 0 0.5rem;
      border: 1px solid var(--line);
      border-radius: 3px;
      background: var(--raised);
      color: var(--text);
      font: inherit;
      cursor: pointer;
    }
    button[aria-pressed="true"] {
      background: var(--accent);
      border-color: var(--accent);
      color: #000;
      font-weight: 700;
      text-decoration: underline;
    }
    button:disabled {
      color: var(--quiet);
      background: transparent;
      cursor: default;
    }
    button:focus-visible,
    overt-player:focus-visible {
      outline: 3px solid var(--focus);
      outline-offset: -3px;
    }
    overt-player:focus-visible {
      z-index: 1;
    }
    .tiles {
      display: grid;
      gap: 2px;
      padding: 2px;
      min-height: 0;
      background: #000;
    }
    .of1 {
      grid-template: minmax(0, 1fr) / minmax(0, 1fr);
    }
    .of4 {
      grid-template: repeat(2, minmax(0, 1fr)) / repeat(2, minmax(0, 1fr));
    }
    .of9 {
      grid-template: repeat(3, minmax(0, 1fr)) / repeat(3, minmax(0, 1fr));
    }
    .of16 {
      grid-template: repeat(4, minmax(0, 1fr)) / repeat(4, minmax(0, 1fr));
    }
    .empty {
      display: grid;
      place-items: center;
      border: 2px solid var(--edge);
      color: var(--quiet);
      font-size: 0.875rem;
    }
  `;

  declare session: Session | undefined;
  declare cameras: readonly CameraInfo[];
  declare originUs: number;
  /** Where the layout is kept from one visit to the next. */
  declare storage: Pick<Storage, "getItem" | "setItem"> | undefined;
  declare _layout: Layout | undefined;
  declare _page: number;
  /** Camera of the tile that the keyboard is on. */
  declare _focus: string;
  declare _selected: string;
  declare _states: ReadonlyMap<string, string>;

  /** Cameras that could be watched once: a tile whose right ends says so, and does not vanish. */
  readonly #watched = new Set<string>();
  #forget: (() => void) | undefined;

  constructor() {
    super();
    this.cameras = [];
    this.originUs = 0;
    this._page = 0;
    this._focus = "";
    this._selected = "";
    this._states = new Map();
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#forget = keys.add({ title: "Live", active: () => this.isConnected && !this.closest("[hidden]"), shortcuts: this.#shortcuts() });
    const stored = Number(this.storage?.getItem(STORED));
    this._layout = LAYOUTS.find((layout) => layout === stored);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#forget?.();
  }

  get #layout(): Layout {
    return this._layout ?? layoutFor(this.#shown.length);
  }

  get #shown(): readonly CameraInfo[] {
    return this.cameras.filter((each) => this.#watched.has(each.camera));
  }

  get #tiles(): readonly CameraInfo[] {
    const layout = this.#layout;
    return this.#shown.slice(this._page * layout, (this._page + 1) * layout);
  }

  protected override willUpdate(changed: PropertyValues): void {
    if (changed.has("cameras")) {
      for (const each of this.cameras) if (each.rights.includes("live")) this.#watched.add(each.camera);
    }
    this._page = Math.min(this._page, pagesOf(this.#shown.length, this.#layout) - 1);
    const tiles = this.#tiles;
    if (!tiles.some((each) => each.camera === this._focus)) this._focus = tiles[0]?.camera ?? "";
    if (!tiles.some((each) => each.camera === this._selected)) this._selected = "";
  }

  // --- what may be done ------------------------------------------------------------------------------------------------

  #shortcuts(): Shortcut[] {
    const pick = Array.from({ length: 9 }, (_, i) => ({
      key: String(i + 1),
      words: "Select a tile, or no longer",
      label: i === 0 ? "1 to 9" : "",
      run: () => this.#pick(i),
    }));
    const arrows = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"].map((key, i) => ({
      key,
      words: "Go to the next tile in that direction",
      label: i === 0 ? "Arrow keys" : "",
      run: () => this.#go(key),
    }));
    return [
      ...pick,
      ...arrows,
      { key: "Escape", words: "Select no tile", label: "Esc", run: () => this.#select("") },
      { key: "f", words: "Full screen", label: "F", run: () => void this.#player(this.#current)?.fullScreen() },
      { key: "r", words: "Look back 30 seconds", label: "R", run: () => this.#player(this.#current)?.lookBack() },
      { key: "+", words: "More tiles", run: () => this.#setLayout(nextLayout(this.#layout, 1)) },
      { key: "=", words: "More tiles", label: "", run: () => this.#setLayout(nextLayout(this.#layout, 1)) },
      { key: "-", words: "Fewer tiles", label: "−", run: () => this.#setLayout(nextLayout(this.#layout, -1)) },
      { key: "PageDown", words: "Next cameras", label: "Page down", run: () => this.#turn(1) },
      { key: "PageUp", words: "Previous cameras", label: "Page up", run: () => this.#turn(-1) },
    ];
  }

  /** The camera that a command is for: the selected one, else the one that the keyboard is on. */
  get #current(): string {
    return this._selected || this._focus;
  }

  #player(camera: string): OvertPlayer | undefined {
    return [...this.renderRoot.querySelectorAll("overt-player")].find((each) => each.camera === camera);
  }

  #setLayout(layout: Layout): void {
    if (layout === this.#layout) return;
    const at = this.#shown.findIndex((each) => each.camera === this.#current);
    this._layout = layout;
    this._page = pageWith(at, layout);
    this.storage?.setItem(STORED, String(layout));
    announce(`${layout} ${layout === 1 ? "tile" : "tiles"}.`, "layout");
  }

  #turn(by: 1 | -1): void {
    const pages = pagesOf(this.#shown.length, this.#layout);
    const to = this._page + by;
    if (to < 0 || to >= pages) return;
    this._page = to;
    announce(`Cameras, page ${to + 1} of ${pages}.`, "layout");
  }

  #pick(index: number): void {
    const camera = this.#tiles[index]?.camera;
    if (camera === undefined) return;
    this.#select(camera === this._selected ? "" : camera);
    void this.#focusOn(camera);
  }

  #select(camera: string): void {
    if (camera === this._selected) return;
    this._selected = camera;
    announce(camera === "" ? "No tile selected." : `${camera} selected.`, "selection");
  }

  #go(key: string): void {
    const tiles = this.#tiles;
    const at = tiles.findIndex((each) => each.camera === this._focus);
    const onTile = this.shadowRoot?.activeElement?.localName === "overt-player";
    const to = onTile ? neighbour(at, key, this.#layout, tiles.length) : Math.max(0, at);
    const camera = tiles[to]?.camera;
    if (camera !== undefined) void this.#focusOn(camera);
  }

  async #focusOn(camera: string): Promise<void> {
    this._focus = camera;
    await this.updateComplete;
    this.#player(camera)?.focus();
  }

  // --- what is shown ---------------------------------------------------------------------------------------------------

  protected override render() {
    const layout = this.#layout;
    const tiles = this.#tiles;
    return html`
      <div class="tools">
        <div class="group" role="group" aria-label="Number of tiles">
          <span aria-hidden="true">Tiles</span>
          ${LAYOUTS.map(
            (each) =>
              html`<button type="button" aria-pressed=${each === layout} @click=${() => this.#setLayout(each)}>${each}</button>`,
          )}
        </div>
        ${this.#pager(layout)}
        <span class="summary">${summary(tiles.map((each) => this._states.get(each.camera) ?? "connecting"))}</span>
      </div>
      <div class="tiles of${layout}" @overt-state=${this.#stateChanged}>
        ${repeat(
          tiles,
          (each) => each.camera,
          (each, index) => this.#tile(each, index),
        )}
        ${Array.from({ length: layout - tiles.length }, () => html`<div class="empty">${this.#shown.length === 0 ? nothing : "No camera"}</div>`)}
      </div>
    `;
  }

  #pager(layout: Layout) {
    const pages = pagesOf(this.#shown.length, layout);
    if (pages === 1) return nothing;
    return html`<div class="group" role="group" aria-label="Cameras">
      <button type="button" ?disabled=${this._page === 0} @click=${() => this.#turn(-1)}>Previous</button>
      <span>Page ${this._page + 1} of ${pages}</span>
      <button type="button" ?disabled=${this._page === pages - 1} @click=${() => this.#turn(1)}>Next</button>
    </div>`;
  }

  #tile(info: CameraInfo, index: number) {
    const { camera } = info;
    const large = this.#layout === 1 || camera === this._selected;
    const focused = camera === this._focus;
    return html`<overt-player
      role="group"
      aria-label=${`Tile ${index + 1}: ${camera}${camera === this._selected ? ", selected" : ""}`}
      tabindex=${focused ? 0 : -1}
      .camera=${camera}
      .number=${this.#layout === 1 ? 0 : index + 1}
      .session=${this.session}
      .streams=${info.streams}
      .originUs=${this.originUs}
      .stream=${large ? "main" : "sub"}
      .lowLatency=${large}
      .selected=${camera === this._selected}
      .buttons=${focused}
      @focusin=${() => (this._focus = camera)}
      @click=${(event: Event) => this.#clicked(event, camera)}
      @dblclick=${(event: Event) => this.#doubleClicked(event, camera)}
      @keydown=${(event: KeyboardEvent) => this.#pressed(event, camera)}
    ></overt-player>`;
  }

  #clicked(event: Event, camera: string): void {
    if (this.#layout > 1 && !onButton(event)) this.#select(camera === this._selected ? "" : camera);
  }

  #doubleClicked(event: Event, camera: string): void {
    if (!onButton(event)) void this.#player(camera)?.fullScreen();
  }

  #pressed(event: KeyboardEvent, camera: string): void {
    if ((event.key !== "Enter" && event.key !== " ") || onButton(event) || this.#layout === 1) return;
    event.preventDefault();
    this.#select(camera === this._selected ? "" : camera);
  }

  #stateChanged(event: CustomEvent<{ camera: string; words: string }>): void {
    this._states = new Map(this._states).set(event.detail.camera, event.detail.words);
  }
}

function onButton(event: Event): boolean {
  return event.composedPath().some((each) => each instanceof HTMLButtonElement);
}

customElements.define("overt-wall", OvertWall);

declare global {
  interface HTMLElementTagNameMap {
    "overt-wall": OvertWall;
  }
}
