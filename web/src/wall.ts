// SPDX-License-Identifier: Apache-2.0
// <overt-wall>: live pictures in 1, 4, 9 or 16 tiles, or a large one and five small. One tile may be selected: it gets the
// main stream and the engine with the least delay, the others get substreams.
//
// By itself it shows all cameras, page by page. With `cells` it shows those cameras in those tiles, and empty tiles can be
// selected, to be filled; then it dispatches "overt-layout" ({layout}) and "overt-empty" ({index}), and leaves it to the
// page what becomes of its cells.

import { LitElement, css, html, nothing, type PropertyValues } from "lit";
import { repeat } from "lit/directives/repeat.js";

import { announce } from "./announce.ts";
import { nameOf } from "./camera-names.ts";
import { keys, type Shortcut } from "./keys.ts";
import type { OvertPlayer } from "./player.ts";
import "./player.ts";
import type { CameraInfo, Session } from "./session.ts";
import { LAYOUTS, layoutFor, layoutName, neighbour, nextLayout, pagesOf, pageWith, summary, type Layout } from "./wall-layout.ts";

const STORED = "overt-layout";

interface Tile {
  /** Of the tile: its camera, or where it is empty, its place. */
  readonly id: string;
  readonly camera: string;
  /** Nothing while the recorder has not said what it knows. */
  readonly info: CameraInfo | undefined;
}

export class OvertWall extends LitElement {
  static override readonly properties = {
    session: { attribute: false },
    cameras: { attribute: false },
    originUs: { attribute: false },
    storage: { attribute: false },
    cells: { attribute: false },
    tools: { attribute: false },
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
      gap: 0.25rem 0.625rem;
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
    .empty:focus-visible,
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
    .of6 {
      grid-template: repeat(3, minmax(0, 1fr)) / repeat(3, minmax(0, 1fr));
    }
    .of6 > :first-child {
      grid-area: 1 / 1 / 3 / 3;
    }
    .empty {
      display: grid;
      place-items: center;
      border: 2px solid var(--edge);
      color: var(--quiet);
      font-size: 0.875rem;
      text-align: center;
    }
    .empty.selected {
      border-color: var(--accent);
      color: var(--text);
    }
  `;

  declare session: Session | undefined;
  declare cameras: readonly CameraInfo[];
  declare originUs: number;
  /** Where the layout is kept from one visit to the next. */
  declare storage: Pick<Storage, "getItem" | "setItem"> | undefined;
  /** Cameras of the tiles, null: an empty one. Nothing: all cameras, page by page. */
  declare cells: readonly (string | null)[] | undefined;
  /** Whether its own row of buttons is shown. */
  declare tools: boolean;
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
    this.tools = true;
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

  /** How many tiles there are. */
  get layout(): Layout {
    return this.#layout;
  }

  set layout(layout: Layout) {
    this._layout = layout;
  }

  /** The tile that a camera is put into: the selected one, else the first that is empty, else the one under the keyboard. */
  get target(): number {
    const tiles = this.#tiles;
    const selected = tiles.findIndex((each) => each.id === this._selected);
    if (selected >= 0) return selected;
    const empty = tiles.findIndex((each) => each.camera === "");
    return empty >= 0 ? empty : Math.max(0, tiles.findIndex((each) => each.id === this._focus));
  }

  /** Selects what stands in a tile, or nothing. */
  selectTile(index: number | undefined): void {
    this.#select(index === undefined ? "" : (this.#tiles[index]?.id ?? ""));
  }

  get #layout(): Layout {
    return this._layout ?? layoutFor(this.cells?.length ?? this.#shown.length);
  }

  get #shown(): readonly CameraInfo[] {
    return this.cameras.filter((each) => this.#watched.has(each.camera));
  }

  get #tiles(): readonly Tile[] {
    const layout = this.#layout;
    const { cells } = this;
    if (cells === undefined) {
      const shown = this.#shown.slice(this._page * layout, (this._page + 1) * layout);
      return shown.map((info) => ({ id: info.camera, camera: info.camera, info }));
    }
    return Array.from({ length: layout }, (_, i) => {
      const camera = cells[i] ?? "";
      return { id: camera || `#${i}`, camera, info: this.cameras.find((each) => each.camera === camera) };
    });
  }

  get #pages(): number {
    return this.cells === undefined ? pagesOf(this.#shown.length, this.#layout) : 1;
  }

  protected override willUpdate(changed: PropertyValues): void {
    if (changed.has("cameras")) {
      for (const each of this.cameras) if (each.rights.includes("live")) this.#watched.add(each.camera);
    }
    this._page = Math.min(this._page, this.#pages - 1);
    const tiles = this.#tiles;
    if (!tiles.some((each) => each.id === this._focus)) this._focus = tiles[0]?.id ?? "";
    if (!tiles.some((each) => each.id === this._selected)) this._selected = "";
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
      ...(this.cells === undefined
        ? [
            { key: "PageDown", words: "Next cameras", label: "Page down", run: () => this.#turn(1) },
            { key: "PageUp", words: "Previous cameras", label: "Page up", run: () => this.#turn(-1) },
          ]
        : [{ key: "Delete", words: "Empty the tile", label: "Delete", run: () => this.emptyTile() }]),
    ];
  }

  /** The camera that a command is for: the selected one, else the one that the keyboard is on. */
  get #current(): string {
    return this._selected || this._focus;
  }

  /** Asks the page to take the camera out of the tile that a command is for. */
  emptyTile(): void {
    const index = this.#tiles.findIndex((each) => each.id === this.#current && each.camera !== "");
    if (index >= 0) this.dispatchEvent(new CustomEvent("overt-empty", { detail: { index } }));
  }

  #player(camera: string): OvertPlayer | undefined {
    return [...this.renderRoot.querySelectorAll("overt-player")].find((each) => each.camera === camera);
  }

  #setLayout(layout: Layout): void {
    if (layout === this.#layout) return;
    const at = this.#shown.findIndex((each) => each.camera === this.#current);
    this._layout = layout;
    if (this.cells === undefined) this._page = pageWith(at, layout);
    this.storage?.setItem(STORED, String(layout));
    this.dispatchEvent(new CustomEvent("overt-layout", { detail: { layout } }));
    announce(`${layout} ${layout === 1 ? "tile" : "tiles"}.`, "layout");
  }

  #turn(by: 1 | -1): void {
    const pages = this.#pages;
    const to = this._page + by;
    if (to < 0 || to >= pages) return;
    this._page = to;
    announce(`Cameras, page ${to + 1} of ${pages}.`, "layout");
  }

  #pick(index: number): void {
    const id = this.#tiles[index]?.id;
    if (id === undefined) return;
    this.#select(id === this._selected ? "" : id);
    void this.#focusOn(id);
  }

  #select(id: string): void {
    if (id === this._selected) return;
    this._selected = id;
    const tile = this.#tiles.findIndex((each) => each.id === id);
    const what = this.#tiles[tile]?.camera ? nameOf(id) : `Empty tile ${tile + 1}`;
    announce(id === "" ? "No tile selected." : `${what} selected.`, "selection");
    this.dispatchEvent(new Event("overt-selected"));
  }

  #go(key: string): void {
    const tiles = this.#tiles;
    const at = tiles.findIndex((each) => each.id === this._focus);
    const onTile = this.shadowRoot?.activeElement?.hasAttribute("data-tile") === true;
    const to = onTile ? neighbour(at, key, this.#layout, tiles.length) : Math.max(0, at);
    const id = tiles[to]?.id;
    if (id !== undefined) void this.#focusOn(id);
  }

  async #focusOn(id: string): Promise<void> {
    this._focus = id;
    await this.updateComplete;
    this.renderRoot.querySelector<HTMLElement>(`[data-tile="${CSS.escape(id)}"]`)?.focus();
  }

  /** Puts the keyboard on the wall. */
  override focus(): void {
    void this.#focusOn(this._focus);
  }

  // --- what is shown ---------------------------------------------------------------------------------------------------

  protected override render() {
    const layout = this.#layout;
    const tiles = this.#tiles;
    return html`
      ${this.tools ? this.#toolRow(layout, tiles) : nothing}
      <div class="tiles of${layout}" @overt-state=${this.#stateChanged}>
        ${repeat(
          tiles,
          (each) => each.id,
          (each, index) => (each.info === undefined ? this.#emptyTile(each, index) : this.#tile(each.info, index)),
        )}
        ${Array.from({ length: layout - tiles.length }, () => html`<div class="empty">${this.#shown.length === 0 ? nothing : "No camera"}</div>`)}
      </div>
    `;
  }

  #toolRow(layout: Layout, tiles: readonly Tile[]) {
    const states = tiles.filter((each) => each.camera !== "").map((each) => this._states.get(each.camera) ?? "connecting");
    return html`<div class="tools">
        <div class="group" role="group" aria-label="Number of tiles">
          <span aria-hidden="true">Tiles</span>
          ${LAYOUTS.map(
            (each) =>
              html`<button type="button" aria-pressed=${each === layout} @click=${() => this.#setLayout(each)}>${layoutName(each)}</button>`,
          )}
        </div>
        ${this.#pager()}
        <slot name="tools"></slot>
        <span class="summary">${summary(states)}</span>
      </div>`;
  }

  #pager() {
    const pages = this.#pages;
    if (pages === 1) return nothing;
    return html`<div class="group" role="group" aria-label="Cameras">
      <button type="button" ?disabled=${this._page === 0} @click=${() => this.#turn(-1)}>Previous</button>
      <span>Page ${this._page + 1} of ${pages}</span>
      <button type="button" ?disabled=${this._page === pages - 1} @click=${() => this.#turn(1)}>Next</button>
    </div>`;
  }

  /** A tile without a camera, or with one of which the recorder has yet to say what it knows. */
  #emptyTile({ id, camera }: Tile, index: number) {
    const selected = id === this._selected;
    const what = camera === "" ? "empty" : `${nameOf(camera)}, connecting`;
    return html`<div class="empty ${selected ? "selected" : ""}" role="group" data-tile=${id}
      aria-label=${`Tile ${index + 1}: ${what}${selected ? ", selected" : ""}`}
      tabindex=${id === this._focus ? 0 : -1}
      @focusin=${() => (this._focus = id)}
      @click=${() => this.#select(selected ? "" : id)}
      @keydown=${(event: KeyboardEvent) => this.#pressed(event, id)}>
      <span>${camera === "" ? html`${index + 1}<br />${selected ? "Choose a camera" : "Empty"}` : html`${nameOf(camera)}<br />Connecting`}</span>
    </div>`;
  }

  #tile(info: CameraInfo, index: number) {
    const { camera } = info;
    const layout = this.#layout;
    const large = layout === 1 || camera === this._selected;
    const focused = camera === this._focus;
    return html`<overt-player
      role="group"
      data-tile=${camera}
      aria-label=${`Tile ${index + 1}: ${nameOf(camera)}${camera === this._selected ? ", selected" : ""}`}
      tabindex=${focused ? 0 : -1}
      .camera=${camera}
      .number=${layout === 1 ? 0 : index + 1}
      .session=${this.session}
      .streams=${info.streams}
      .originUs=${this.originUs}
      .stream=${large || (layout === 6 && index === 0) ? "main" : "sub"}
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
    if ((this.#layout > 1 || this.cells !== undefined) && !onButton(event)) this.#select(camera === this._selected ? "" : camera);
  }

  #doubleClicked(event: Event, camera: string): void {
    if (!onButton(event)) void this.#player(camera)?.fullScreen();
  }

  #pressed(event: KeyboardEvent, camera: string): void {
    if ((event.key !== "Enter" && event.key !== " ") || onButton(event) || (this.#layout === 1 && this.cells === undefined)) return;
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
