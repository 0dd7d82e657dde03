// SPDX-License-Identifier: Apache-2.0
// <overt-camera-tree>: cameras by site, with a search. The pattern of a tree (WAI-ARIA APG): arrow keys go and open, Enter
// chooses, typing searches, Escape leaves. Dispatches "choose" with {camera}, and "leave".

import { LitElement, css, html, nothing } from "lit";
import { repeat } from "lit/directives/repeat.js";

import { branches, type Branch } from "./tree.ts";
import type { Camera } from "./room.ts";

/** Cameras that are listed of a search; beyond, it says how many more there are. */
const MOST = 200;

export class OvertCameraTree extends LitElement {
  static override readonly properties = {
    cameras: { attribute: false },
    chosen: { attribute: false },
    label: {},
    _search: { state: true },
    _open: { state: true },
    _focus: { state: true },
  };

  declare cameras: readonly Camera[];
  /** Short names of those that are shown now. */
  declare chosen: ReadonlySet<string>;
  declare label: string;
  declare _search: string;
  declare _open: ReadonlySet<string>;
  /** Id of the row that the keyboard is on. */
  declare _focus: string;

  static override readonly styles = css`
    :host { display: flex; flex-direction: column; min-height: 0; background: var(--panel); font-size: 0.875rem; }
    .search { display: grid; gap: 2px; padding: 6px 8px; }
    input { min-height: 1.875rem; padding: 2px 8px; font: inherit; color: var(--text); background: var(--ground);
      border: 1px solid var(--line); border-radius: 3px; min-width: 0; }
    ul { list-style: none; margin: 0; padding: 0; }
    .tree { flex: 1; overflow: auto; padding: 0 4px 8px; }
    .row { display: flex; align-items: center; gap: 6px; width: 100%; min-height: 1.75rem; padding: 1px 6px; box-sizing: border-box;
      cursor: pointer; border-radius: 3px; color: var(--text); }
    .row:hover { background: var(--raised); }
    .row:focus-visible, input:focus-visible { outline: 3px solid var(--focus); outline-offset: -3px; }
    .site { font-weight: 600; }
    .site .mark { width: 1em; text-align: center; flex: none; }
    .camera { padding-left: 1.5rem; }
    .name { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
    .count, .off { margin-left: auto; color: var(--quiet); flex: none; }
    .shown::after { content: "✓"; margin-left: 4px; color: var(--accent); }
    .none { padding: 4px 8px; color: var(--quiet); margin: 0; }
  `;

  constructor() {
    super();
    this.cameras = [];
    this.chosen = new Set();
    this.label = "Cameras";
    this._search = "";
    this._open = new Set();
    this._focus = "";
  }

  /** Puts the keyboard into the search. */
  override focus(): void {
    this.renderRoot.querySelector("input")?.focus();
  }

  get #branches(): Branch[] {
    return branches(this.cameras, this._search);
  }

  #isOpen(branch: Branch, all: readonly Branch[]): boolean {
    return this._search.trim() !== "" || all.length === 1 || this._open.has(branch.id);
  }

  protected override render() {
    const all = this.#branches;
    const found = all.reduce((sum, each) => sum + each.cameras.length, 0);
    const rows = this.#rows(all);
    const focus = rows.some((each) => each.id === this._focus) ? this._focus : (rows[0]?.id ?? "");
    let left = MOST;
    return html`
      <div class="search" role="search">
        <label for="search">Find a camera or site</label>
        <input id="search" type="search" autocomplete="off" spellcheck="false" .value=${this._search}
          @input=${(event: Event) => (this._search = (event.target as HTMLInputElement).value)}
          @keydown=${this.#searchKey} aria-controls="tree" />
      </div>
      ${found === 0 ? html`<p class="none" role="status">No camera is called that.</p>` : nothing}
      <ul class="tree" id="tree" role="tree" aria-label=${this.label} @keydown=${this.#treeKey}>
        ${repeat(
          all,
          (each) => each.id,
          (branch) => {
            const open = this.#isOpen(branch, all);
            const shown = open ? branch.cameras.slice(0, Math.max(0, left)) : [];
            left -= shown.length;
            return html`<li role="none">
              <div class="row site" role="treeitem" id=${branch.id} aria-expanded=${open} aria-level="1"
                tabindex=${branch.id === focus ? 0 : -1} @click=${() => this.#toggle(branch.id)}>
                <span class="mark" aria-hidden="true">${open ? "▾" : "▸"}</span>
                <span class="name">${branch.name}</span><span class="count">${branch.cameras.length}</span>
              </div>
              ${shown.length === 0
                ? nothing
                : html`<ul role="group">${shown.map((camera) => this.#camera(camera, focus))}</ul>`}
            </li>`;
          },
        )}
      </ul>
      ${left < 0 || (this._search !== "" && found > MOST) ? html`<p class="none">More than ${MOST} cameras: type more of the name.</p>` : nothing}
    `;
  }

  #camera(camera: Camera, focus: string) {
    const id = rowOf(camera.key);
    const shown = this.chosen.has(camera.key);
    return html`<li role="none"><div class="row camera ${shown ? "shown" : ""}" role="treeitem" id=${id} aria-level="2"
      aria-selected=${shown} tabindex=${id === focus ? 0 : -1} draggable="true" @click=${() => this.#choose(camera.key)}
      @dragstart=${(event: DragEvent) => event.dataTransfer?.setData("text/x-overt-camera", camera.key)}>
      <span class="name">${camera.name}</span>${camera.state === "off" ? html`<span class="off">Off</span>` : nothing}
    </div></li>`;
  }

  /** What the arrow keys go along, from above. */
  #rows(all: readonly Branch[]): { id: string; branch: Branch; camera?: Camera }[] {
    let left = MOST;
    return all.flatMap((branch) => {
      const shown = this.#isOpen(branch, all) ? branch.cameras.slice(0, Math.max(0, left)) : [];
      left -= shown.length;
      return [{ id: branch.id, branch }, ...shown.map((camera) => ({ id: rowOf(camera.key), branch, camera }))];
    });
  }

  #toggle(id: string): void {
    this._focus = id;
    const open = new Set(this._open);
    if (!open.delete(id)) open.add(id);
    this._open = open;
  }

  /** The keyboard goes back to the pictures. */
  #leave(): void {
    this.dispatchEvent(new Event("leave"));
  }

  #choose(camera: string): void {
    this._focus = rowOf(camera);
    this.dispatchEvent(new CustomEvent("choose", { detail: { camera }, bubbles: true, composed: true }));
  }

  #searchKey(event: KeyboardEvent): void {
    const rows = this.#rows(this.#branches);
    const first = rows.find((each) => each.camera !== undefined);
    if (event.key === "ArrowDown") {
      event.preventDefault();
      this.#go(this._search === "" ? rows[0]?.id : first?.id);
    } else if (event.key === "Enter" && first?.camera !== undefined && this._search.trim() !== "") {
      event.preventDefault();
      this.#choose(first.camera.key);
    } else if (event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      if (this._search === "") this.#leave();
      else this._search = "";
    }
  }

  #treeKey(event: KeyboardEvent): void {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const all = this.#branches;
    const rows = this.#rows(all);
    const at = Math.max(0, rows.findIndex((each) => each.id === (event.target as HTMLElement).id));
    const row = rows[at];
    if (row === undefined) return;
    const open = this.#isOpen(row.branch, all);
    const onSite = row.camera === undefined;
    switch (event.key) {
      case "ArrowDown":
        this.#go(rows[at + 1]?.id);
        break;
      case "ArrowUp":
        if (at === 0) this.focus();
        else this.#go(rows[at - 1]?.id);
        break;
      case "ArrowRight":
        if (onSite && !open) this.#toggle(row.id);
        else if (onSite) this.#go(rows[at + 1]?.id);
        break;
      case "ArrowLeft":
        if (!onSite) this.#go(row.branch.id);
        else if (open) this.#toggle(row.id);
        break;
      case "Home":
        this.#go(rows[0]?.id);
        break;
      case "End":
        this.#go(rows.at(-1)?.id);
        break;
      case "Enter":
      case " ":
        if (row.camera === undefined) this.#toggle(row.id);
        else this.#choose(row.camera.key);
        break;
      case "Escape":
        this.#leave();
        break;
      default:
        if (event.key.length !== 1) return;
        // Typing searches.
        this._search += event.key;
        this.focus();
    }
    event.preventDefault();
    event.stopPropagation();
  }

  #go(id: string | undefined): void {
    if (id === undefined) return;
    this._focus = id;
    void this.updateComplete.then(() => this.renderRoot.querySelector<HTMLElement>(`#${CSS.escape(id)}`)?.focus());
  }
}

function rowOf(camera: string): string {
  return `camera-${camera}`;
}

customElements.define("overt-camera-tree", OvertCameraTree);

declare global {
  interface HTMLElementTagNameMap {
    "overt-camera-tree": OvertCameraTree;
  }
}
