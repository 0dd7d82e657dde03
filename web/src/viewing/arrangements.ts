// SPDX-License-Identifier: Apache-2.0
// <overt-arrangements>: the dialog in which layouts and tours are saved, shown and removed. Dispatches "show" (a layout),
// "tour" (a tour) and "changed" (the catalogue as it is now).

import { LitElement, html, nothing } from "lit";

import { announce } from "../announce.ts";
import { RequestError } from "../session.ts";
import type { Catalogue, Layout, Room, Tour } from "./room.ts";

const SECONDS = 20;

export class OvertArrangements extends LitElement {
  static override readonly properties = {
    room: { attribute: false },
    catalogue: { attribute: false },
    cells: { attribute: false },
    tiles: { attribute: false },
    failure: { state: true },
  };

  declare room: Room | undefined;
  declare catalogue: Catalogue | undefined;
  /** What stands on the wall now. */
  declare cells: readonly (string | null)[];
  declare tiles: number;
  declare failure: string;

  constructor() {
    super();
    this.cells = [];
    this.tiles = 4;
    this.failure = "";
  }

  /** The page's own style sheet holds here. */
  protected override createRenderRoot(): HTMLElement {
    return this;
  }

  open(): void {
    this.failure = "";
    const dialog = this.querySelector("dialog");
    if (dialog?.open === false) dialog.showModal();
  }

  #close(): void {
    this.querySelector("dialog")?.close();
  }

  protected override render() {
    const catalogue = this.catalogue;
    if (catalogue === undefined) return nothing;
    return html`<dialog aria-labelledby="arrangements-title">
      <h2 id="arrangements-title">Layouts and tours</h2>
      ${this.failure === "" ? nothing : html`<p class="warning" role="alert">${this.failure}</p>`}
      <h3>Layouts</h3>
      ${catalogue.layouts.length === 0 ? html`<p>None is saved yet.</p>` : nothing}
      <ul class="listed">${catalogue.layouts.map((each) => this.#layout(each))}</ul>
      <form @submit=${this.#saveLayout}>
        <h3>Save what the wall shows now</h3>
        <label>Name <input name="name" required maxlength="120" autocomplete="off" /></label>
        ${this.#share()}
        <button>Save layout</button>
      </form>
      <h3>Tours</h3>
      ${catalogue.tours.length === 0 ? html`<p>None is saved yet. A tour shows saved layouts in turn.</p>` : nothing}
      <ul class="listed">${catalogue.tours.map((each) => this.#tour(each))}</ul>
      ${catalogue.layouts.length < 2 ? nothing : this.#tourForm(catalogue)}
      <form method="dialog"><button>Close</button></form>
    </dialog>`;
  }

  #layout(layout: Layout) {
    return html`<li>
      <span>${layout.name}${this.#whose(layout)}</span>
      <button type="button" @click=${() => {
        this.dispatchEvent(new CustomEvent("show", { detail: layout }));
        this.#close();
      }} aria-label=${`Show ${layout.name}`}>Show</button>
      ${layout.mine
        ? html`<button type="button" @click=${() => void this.#change(`/viewing/layouts/${layout.id}/remove`, {}, `Layout ${layout.name} removed.`)}
            aria-label=${`Remove ${layout.name}`}>Remove</button>`
        : nothing}
    </li>`;
  }

  #tour(tour: Tour) {
    return html`<li>
      <span>${tour.name}${this.#whose(tour)}, ${tour.steps.length} layouts</span>
      <button type="button" @click=${() => {
        this.dispatchEvent(new CustomEvent("tour", { detail: tour }));
        this.#close();
      }} aria-label=${`Start tour ${tour.name}`}>Start</button>
      ${tour.mine
        ? html`<button type="button" @click=${() => void this.#change(`/viewing/tours/${tour.id}/remove`, {}, `Tour ${tour.name} removed.`)}
            aria-label=${`Remove tour ${tour.name}`}>Remove</button>`
        : nothing}
    </li>`;
  }

  #whose(each: Layout | Tour): string {
    const group = this.catalogue?.groups.find((other) => other.id === each.group);
    if (!each.mine) return `, shared by ${each.owner}`;
    return group === undefined ? "" : `, shared with ${group.name}`;
  }

  #share() {
    return html`<label>Shared with <select name="group">
      <option value="">nobody</option>
      ${this.catalogue?.groups.map((each) => html`<option value=${each.id}>${each.name}</option>`)}
    </select></label>`;
  }

  #tourForm(catalogue: Catalogue) {
    return html`<form @submit=${this.#saveTour}>
      <h3>Make a tour</h3>
      <label>Name <input name="name" required maxlength="120" autocomplete="off" /></label>
      ${this.#share()}
      <fieldset><legend>Layouts, in this order</legend>
        ${catalogue.layouts.map(
          (each) => html`<div class="step">
            <label><input type="checkbox" name="layout" value=${each.id} /> ${each.name}</label>
            <label>seconds <span class="hidden">of ${each.name}</span> <input type="number" name=${`seconds-${each.id}`} min="5" max="3600" value=${SECONDS} /></label>
          </div>`,
        )}
      </fieldset>
      <button>Save tour</button>
    </form>`;
  }

  #saveLayout(event: SubmitEvent): void {
    event.preventDefault();
    const form = new FormData(event.target as HTMLFormElement);
    const name = String(form.get("name")).trim();
    const body = { name, group: groupOf(form), tiles: this.tiles, cells: this.cells };
    void this.#change("/viewing/layouts", body, `Layout ${name} saved.`, event.target as HTMLFormElement);
  }

  #saveTour(event: SubmitEvent): void {
    event.preventDefault();
    const form = new FormData(event.target as HTMLFormElement);
    const steps = form.getAll("layout").map((id) => ({ layout: Number(id), seconds: Number(form.get(`seconds-${String(id)}`)) }));
    if (steps.length < 2) {
      this.failure = "A tour has two layouts at least: tick them.";
      return;
    }
    const name = String(form.get("name")).trim();
    void this.#change("/viewing/tours", { name, group: groupOf(form), steps }, `Tour ${name} saved.`, event.target as HTMLFormElement);
  }

  async #change(path: string, body: unknown, words: string, form?: HTMLFormElement): Promise<void> {
    try {
      await this.room?.ask("POST", path, body);
      const catalogue = await this.room?.catalogue();
      this.failure = "";
      form?.reset();
      announce(words, "arrangements");
      this.dispatchEvent(new CustomEvent("changed", { detail: catalogue }));
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      this.failure = error.message;
    }
  }
}

function groupOf(form: FormData): number | null {
  const group = String(form.get("group"));
  return group === "" ? null : Number(group);
}

customElements.define("overt-arrangements", OvertArrangements);

declare global {
  interface HTMLElementTagNameMap {
    "overt-arrangements": OvertArrangements;
  }
}
