// SPDX-License-Identifier: Apache-2.0
// The control room's live wall: a tree of cameras beside it, layouts that are saved and shared, tours.

import { html, nothing } from "lit";

import { announce } from "../announce.ts";
import { nameOf } from "../camera-names.ts";
import { keys, pageStorage } from "../keys.ts";
import type { ReviewRequest } from "../player.ts";
import type { OvertWall } from "../wall.ts";
import "../wall.ts";
import { LAYOUTS, layoutFor, rearranged, withCamera, type Layout } from "../wall-layout.ts";
import "./arrangements.ts";
import type { OvertArrangements } from "./arrangements.ts";
import "./camera-tree.ts";
import type { OvertCameraTree } from "./camera-tree.ts";
import type { Catalogue, Layout as SavedLayout, Tour } from "./room.ts";
import { RoomPage } from "./room-page.ts";
import { Touring } from "./touring.ts";

const STORED = "overt-wall";
const TREE_STORED = "overt-wall-tree";
const TICK_MS = 250;

interface Arrangement {
  readonly layout: Layout;
  readonly cells: readonly (string | null)[];
}

export class OvertWallPage extends RoomPage {
  static override readonly properties = {
    ...RoomPage.properties,
    cells: { state: true },
    layout: { state: true },
    tree: { state: true },
    touring: { state: true },
    _left: { state: true },
  };

  declare cells: readonly (string | null)[];
  declare layout: Layout;
  /** Whether the tree is shown. */
  declare tree: boolean;
  declare touring: Touring | undefined;
  declare _left: number;
  /** Cameras of the site that was chosen, where there are more than tiles. */
  #list: readonly string[] = [];
  #page = 0;
  readonly #storage = pageStorage();

  constructor() {
    super();
    this.cells = [];
    this.layout = 4;
    this.tree = this.#storage?.getItem(TREE_STORED) !== "off" && window.innerWidth >= 900;
    this._left = 0;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    keys.add({
      title: "The wall",
      active: () => this.#wall !== null,
      shortcuts: [
        { key: "c", words: "Find a camera", label: "C", run: () => void this.#find() },
        { key: "t", words: "Hold the tour, or let it go on", label: "T", run: () => this.#hold() },
        { key: "l", words: "Layouts and tours", label: "L", run: () => this.#arrange() },
        { key: "PageDown", words: "Next cameras of the site", label: "Page down", run: () => this.#turn(1) },
        { key: "PageUp", words: "Previous cameras of the site", label: "Page up", run: () => this.#turn(-1) },
      ],
    });
    this.addEventListener("overt-review", (event) => this.#lookBack((event as CustomEvent<ReviewRequest>).detail));
    setInterval(() => this.#tick(), TICK_MS);
  }

  get #wall(): OvertWall | null {
    return this.querySelector("overt-wall");
  }

  protected override opened(catalogue: Catalogue): void {
    const live = catalogue.cameras.filter((each) => each.live).map((each) => each.key);
    const named = new URLSearchParams(location.search).getAll("camera").filter((each) => live.includes(each));
    const stored = this.#remembered();
    if (named.length > 0) this.#show({ layout: layoutFor(named.length), cells: named });
    else if (stored !== undefined) {
      this.#show({ layout: stored.layout, cells: stored.cells.map((each) => (each !== null && live.includes(each) ? each : null)) });
    } else {
      const first = live.slice(0, 9);
      this.#show({ layout: layoutFor(Math.max(4, first.length)), cells: first });
    }
  }

  #remembered(): Arrangement | undefined {
    try {
      const found = JSON.parse(this.#storage?.getItem(STORED) ?? "null") as { layout?: unknown; cells?: unknown } | null;
      const layout = LAYOUTS.find((each) => each === found?.layout);
      if (layout === undefined || !Array.isArray(found?.cells)) return undefined;
      return { layout, cells: found.cells.slice(0, 16).map((each: unknown) => (typeof each === "string" ? each : null)) };
    } catch {
      return undefined; // it was written by somebody else
    }
  }

  // --- which cameras -----------------------------------------------------------------------------------------------------

  get #visible(): readonly (string | null)[] {
    return this.cells.slice(0, this.layout);
  }

  #show({ layout, cells }: Arrangement, more: readonly (string | null)[] = []): void {
    this.layout = layout;
    this.cells = rearranged(cells, layout);
    this.#storage?.setItem(STORED, JSON.stringify({ layout, cells: this.cells }));
    const wanted = new Set([...this.#visible, ...more].filter((each) => each !== null));
    void this.want({ live: [...wanted].slice(0, 64) });
  }

  #put(camera: string, at = this.#wall?.target ?? 0): void {
    if (this.camera(camera)?.live !== true) {
      this.refused = [`You may not watch ${nameOf(camera)} live.`];
      return;
    }
    this.#stopTour();
    this.#list = [];
    this.#show({ layout: this.layout, cells: withCamera(this.cells, this.layout, at, camera) });
    announce(`${nameOf(camera)} in tile ${at + 1}.`, "cells");
    this.#wall?.selectTile(undefined);
  }

  #empty(at: number): void {
    const cells = [...this.cells];
    announce(`${nameOf(cells[at] ?? "")} taken from tile ${at + 1}.`, "cells");
    cells[at] = null;
    this.#stopTour();
    this.#show({ layout: this.layout, cells });
  }

  #relayout(layout: Layout): void {
    this.#stopTour();
    if (this.#list.length > 0) {
      this.#page = 0;
      this.#show({ layout, cells: this.#list.slice(0, layout) });
    } else this.#show({ layout, cells: this.cells });
  }

  /** All that may be watched at a site, or in a group: as many as there are tiles, page by page. */
  #showSite(site: string): void {
    const of = (this.catalogue?.cameras ?? []).filter((each) => each.live && `${each.group}/${each.site}` === site);
    if (of.length === 0) return;
    this.#stopTour();
    this.#list = of.map((each) => each.key);
    this.#page = 0;
    const layout = layoutFor(of.length);
    this.#show({ layout, cells: this.#list.slice(0, layout) });
    announce(`${of[0]?.site}: ${of.length} ${of.length === 1 ? "camera" : "cameras"}.`, "cells");
  }

  #turn(by: 1 | -1): void {
    const pages = Math.ceil(this.#list.length / this.layout);
    if (pages < 2) return;
    this.#page = (this.#page + by + pages) % pages;
    this.#show({ layout: this.layout, cells: this.#list.slice(this.#page * this.layout, (this.#page + 1) * this.layout) });
    announce(`Cameras, page ${this.#page + 1} of ${pages}.`, "cells");
  }

  #showSaved(saved: SavedLayout, more: readonly (string | null)[] = []): void {
    this.#list = [];
    const layout = LAYOUTS.find((each) => each === saved.tiles) ?? 4;
    this.#show({ layout, cells: saved.cells }, more);
  }

  // --- tours -------------------------------------------------------------------------------------------------------------

  #startTour(tour: Tour): void {
    this.touring = new Touring(tour, this.catalogue?.layouts ?? [], performance.now());
    this.#showStep();
    announce(`Tour ${tour.name} begins: ${this.touring.steps} layouts. T holds it.`, "tour");
  }

  #stopTour(): void {
    if (this.touring === undefined) return;
    announce(`Tour ${this.touring.tour.name} ended.`, "tour");
    this.touring = undefined;
  }

  #hold(): void {
    if (this.touring === undefined) return;
    this.touring.held = !this.touring.held;
    announce(this.touring.held ? "Tour held." : "Tour goes on.", "tour");
    this.requestUpdate();
  }

  #step(by: 1 | -1): void {
    this.touring?.go(by);
    this.#showStep();
  }

  #showStep(): void {
    const layout = this.touring?.layout;
    if (layout !== undefined) this.#showSaved(layout, this.touring?.next?.cells ?? []);
  }

  /** Whoever looks closely, with the pointer on a tile or the keyboard on the wall, keeps what they look at. */
  #tick(): void {
    const { touring } = this;
    if (touring === undefined) return;
    const wall = this.#wall;
    const looked = wall !== null && (wall.matches(":hover") || wall.matches(":focus-within") || document.fullscreenElement !== null);
    if (touring.tick(performance.now(), looked)) this.#showStep();
    if (touring.secondsLeft !== this._left) this._left = touring.secondsLeft;
  }

  // --- going elsewhere ---------------------------------------------------------------------------------------------------

  #lookBack({ camera, at_us }: ReviewRequest): void {
    location.assign(`/review?camera=${encodeURIComponent(camera)}&at=${at_us}`);
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

  #arrange(): void {
    this.querySelector<OvertArrangements>("overt-arrangements")?.open();
  }

  // --- what is shown -----------------------------------------------------------------------------------------------------

  protected override render() {
    const session = this._session;
    const instead = this.instead(session);
    if (instead !== undefined) return instead;
    const catalogue = this.catalogue as Catalogue;
    const chosen = new Set(this.#visible.filter((each) => each !== null));
    return html`
      ${this.notices(session)}
      <div class="room ${this.tree ? "with-tree" : ""}">
        ${this.tree
          ? html`<aside aria-label="Cameras"><overt-camera-tree .cameras=${catalogue.cameras.filter((each) => each.live)} .chosen=${chosen}
              @choose=${(event: CustomEvent<{ camera: string }>) => this.#put(event.detail.camera)}
              @leave=${() => this.#wall?.focus()}></overt-camera-tree></aside>`
          : nothing}
        <main id="content" tabindex="-1">
          <h1 class="hidden">Live wall</h1>
          <overt-wall .session=${session} .cameras=${this._cameras ?? []} .cells=${this.#visible} .layout=${this.layout}
            .originUs=${this.originUs}
            @overt-layout=${(event: CustomEvent<{ layout: Layout }>) => this.#relayout(event.detail.layout)}
            @overt-empty=${(event: CustomEvent<{ index: number }>) => this.#empty(event.detail.index)}
            @overt-selected=${() => this.requestUpdate()}
            @dragover=${(event: DragEvent) => event.preventDefault()} @drop=${this.#dropped}>
            ${this.#tools(catalogue)}
          </overt-wall>
        </main>
      </div>
      <overt-arrangements .room=${this.room} .catalogue=${catalogue} .cells=${this.#visible} .tiles=${this.layout}
        @changed=${(event: CustomEvent<Catalogue>) => (this.catalogue = event.detail)}
        @show=${(event: CustomEvent<SavedLayout>) => {
          this.#stopTour();
          this.#showSaved(event.detail);
        }}
        @tour=${(event: CustomEvent<Tour>) => this.#startTour(event.detail)}></overt-arrangements>
      ${this.helpDialog()}
    `;
  }

  #tools(catalogue: Catalogue) {
    const pages = Math.ceil(this.#list.length / this.layout);
    return html`<div class="tools" slot="tools">
      <button type="button" aria-pressed=${this.tree} @click=${() => this.#showTree(!this.tree)}>Cameras</button>
      ${this.#chooser(catalogue)}
      ${pages > 1
        ? html`<span class="group" role="group" aria-label="More cameras of the site">
            <button type="button" @click=${() => this.#turn(-1)}>Previous</button>
            <span>Page ${this.#page + 1} of ${pages}</span>
            <button type="button" @click=${() => this.#turn(1)}>Next</button>
          </span>`
        : nothing}
      <button type="button" @click=${() => this.#arrange()}>Layouts and tours</button>
      <button type="button" @click=${() => this.#wall?.emptyTile()} title="Empty the selected tile (Delete)">Empty tile</button>
      ${this.#tourTools()}
      <time class="clock">${this._clock}</time>
      <button type="button" @click=${() => this.help()}>Keys and help</button>
    </div>`;
  }

  /** With a button of its own: who goes along the list with the keyboard is not led away by its first entry. */
  #chooser(catalogue: Catalogue) {
    const groups = new Map<string, Set<string>>();
    for (const { group, site, live } of catalogue.cameras) {
      if (live) groups.set(group, (groups.get(group) ?? new Set()).add(site));
    }
    return html`<form class="group" @submit=${this.#chosen}>
      <label>Site or layout <select name="what" required>
        <option value="">Choose…</option>
        ${catalogue.layouts.length === 0
          ? nothing
          : html`<optgroup label="Saved layouts">
              ${catalogue.layouts.map((each) => html`<option value=${`layout ${each.id}`}>${each.name}${each.mine ? "" : ` (${each.owner})`}</option>`)}
            </optgroup>`}
        ${[...groups].map(
          ([group, sites]) => html`<optgroup label=${group}>
            ${[...sites].map((site) => html`<option value=${`site ${group}/${site}`}>${site}</option>`)}
          </optgroup>`,
        )}
      </select></label>
      <button>Show</button>
    </form>`;
  }

  #tourTools() {
    const { touring } = this;
    if (touring === undefined) return nothing;
    return html`<span class="group" role="group" aria-label=${`Tour ${touring.tour.name}`}>
      <span>Tour ${touring.tour.name}, ${touring.step} of ${touring.steps}, ${touring.held ? "held" : `${touring.secondsLeft} s`}</span>
      <button type="button" @click=${() => this.#step(-1)} aria-label="Previous layout of the tour">‹</button>
      <button type="button" aria-pressed=${touring.held} @click=${() => this.#hold()} title="Hold (T)">${touring.held ? "Go on" : "Hold"}</button>
      <button type="button" @click=${() => this.#step(1)} aria-label="Next layout of the tour">›</button>
      <button type="button" @click=${() => this.#stopTour()}>End tour</button>
    </span>`;
  }

  #chosen(event: SubmitEvent): void {
    event.preventDefault();
    const what = String(new FormData(event.currentTarget as HTMLFormElement).get("what"));
    const saved = this.catalogue?.layouts.find((each) => what === `layout ${each.id}`);
    if (saved === undefined) {
      this.#showSite(what.replace(/^site /, ""));
      return;
    }
    this.#stopTour();
    this.#showSaved(saved);
    announce(`Layout ${saved.name}.`, "cells");
  }

  #dropped(event: DragEvent): void {
    const camera = event.dataTransfer?.getData("text/x-overt-camera") ?? "";
    const tile = event.composedPath().find((each) => each instanceof HTMLElement && each.dataset["tile"] !== undefined);
    if (camera === "" || !(tile instanceof HTMLElement)) return;
    event.preventDefault();
    const id = tile.dataset["tile"] ?? "";
    const at = id.startsWith("#") ? Number(id.slice(1)) : this.cells.indexOf(id);
    if (at >= 0) this.#put(camera, at);
  }
}

customElements.define("overt-wall-page", OvertWallPage);
