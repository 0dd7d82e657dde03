// SPDX-License-Identifier: Apache-2.0
// <overt-reason>: the dialog that asks for what purpose somebody looks at what is past. What they said last is offered
// again, so that who is in a hurry confirms it with one key.

import { LitElement, html, nothing } from "lit";

import { approvalOf } from "./approval.ts";
import type { Purpose, Why } from "./room.ts";

/** Characters of a reference, and of the number of an authorisation. */
const MOST = 64;

export class OvertReason extends LitElement {
  static override readonly properties = {
    purposes: { attribute: false },
    last: { attribute: false },
    chosen: { state: true },
    following: { state: true },
    failure: { state: true },
  };

  declare purposes: readonly Purpose[];
  /** What was said last; nothing yet since they signed in. */
  declare last: Why | undefined;
  declare chosen: number | undefined;
  /** Whether one person or vehicle is to be followed. */
  declare following: boolean;
  declare failure: string;
  #answer: ((why: Why | undefined) => void) | undefined;
  /** Whether the approval for a shift has answered on this page: who asks to change it is asked. */
  #approved = false;

  constructor() {
    super();
    this.purposes = [];
    this.following = false;
    this.failure = "";
  }

  /** The page's own style sheet holds here. */
  protected override createRenderRoot(): HTMLElement {
    return this;
  }

  /** Asks, the first time only if no approval for a shift answers; nothing if whoever is asked leaves without an answer. */
  async ask(): Promise<Why | undefined> {
    const approved = this.#approved ? undefined : approvalOf(document, Date.now());
    if (approved !== undefined) {
      this.#approved = true;
      return approved;
    }
    this.#answer?.(undefined);
    this.failure = "";
    this.following = (this.last?.authorisation ?? "") !== "";
    this.chosen = (this.purposes.find((each) => each.id === this.last?.purpose) ?? this.purposes[0])?.id;
    this.requestUpdate();
    await this.updateComplete;
    const dialog = this.querySelector("dialog");
    if (dialog === null) return undefined;
    for (const [name, value] of [["reference", this.last?.reference], ["authorisation", this.last?.authorisation]] as const) {
      const field = dialog.querySelector<HTMLInputElement>(`input[name="${name}"]`);
      if (field !== null) field.value = value ?? "";
    }
    if (!dialog.open) dialog.showModal();
    // Who has said it before confirms it; who has not begins at the first question.
    dialog.querySelector<HTMLElement>(this.last === undefined ? "input:checked" : "button.main")?.focus();
    return new Promise((answer) => (this.#answer = answer));
  }

  #done(why: Why | undefined): void {
    this.#answer?.(why);
    this.#answer = undefined;
    this.querySelector("dialog")?.close();
  }

  #submit(event: SubmitEvent): void {
    event.preventDefault();
    const form = new FormData(event.target as HTMLFormElement);
    const text = (name: string) => String(form.get(name) ?? "").trim();
    const purpose = this.purposes.find((each) => each.id === this.chosen);
    if (purpose === undefined) return;
    const missing = purpose.needs_reference && text("reference") === "" ? "reference" : this.following && text("authorisation") === "" ? "authorisation" : "";
    if (missing !== "") {
      this.failure = missing === "reference"
        ? `“${purpose.name}” needs a reference: enter the ${lower(purpose.reference_name)}.`
        : "Enter the number of the authorisation to follow one person or vehicle, or say that nobody is followed.";
      this.querySelector<HTMLElement>(`input[name="${missing}"]`)?.focus();
      return;
    }
    this.#done({ purpose: purpose.id, reference: text("reference"), authorisation: this.following ? text("authorisation") : "" });
  }

  protected override render() {
    const purpose = this.purposes.find((each) => each.id === this.chosen);
    return html`<dialog class="reason" aria-labelledby="reason-title" @close=${() => this.#done(undefined)}>
      <h2 id="reason-title">For what purpose do you look back?</h2>
      ${purpose === undefined
        ? html`<p>No purpose is set up for which you may look back. Ask whoever sets up cameras.</p>
            <form method="dialog"><button>Close</button></form>`
        : html`<form novalidate @submit=${(event: SubmitEvent) => this.#submit(event)}>
            ${this.failure === "" ? nothing : html`<p class="warning" role="alert" id="reason-failure">${this.failure}</p>`}
            <fieldset><legend>Purpose</legend>
              ${this.purposes.map(
                (each) => html`<label class="choice"><input type="radio" name="purpose" .checked=${each.id === purpose.id}
                  @change=${() => (this.chosen = each.id)} /> ${each.name}</label>`,
              )}
            </fieldset>
            <label>${purpose.reference_name}${purpose.needs_reference ? "" : " (if there is one)"}
              <input name="reference" maxlength=${MOST} autocomplete="off" aria-required=${purpose.needs_reference} /></label>
            <label class="choice"><input type="checkbox" .checked=${this.following}
              @change=${(event: Event) => (this.following = (event.target as HTMLInputElement).checked)} />
              One person or vehicle is to be followed for some time</label>
            <label ?hidden=${!this.following}>Number of the authorisation (Regulation of Investigatory Powers Act)
              <input name="authorisation" maxlength=${MOST} autocomplete="off" aria-required="true" /></label>
            <p>It is written into the ledger, with your name and what you look at.</p>
            <div class="group">
              <button class="main">Look back</button>
              <button type="button" @click=${() => this.#done(undefined)}>Cancel</button>
            </div>
          </form>`}
    </dialog>`;
  }
}

function lower(words: string): string {
  return words.slice(0, 1).toLowerCase() + words.slice(1);
}

customElements.define("overt-reason", OvertReason);

declare global {
  interface HTMLElementTagNameMap {
    "overt-reason": OvertReason;
  }
}
