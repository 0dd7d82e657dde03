// SPDX-License-Identifier: Apache-2.0
// <overt-key-dialog>: recorded footage that is sealed to security keys is opened here. Whoever looks touches theirs; where
// somebody else has to agree, it says so and waits. Nothing is opened by cancelling, or by a key that is not touched.

import { LitElement, html, nothing } from "lit";

import { announce } from "../announce.ts";
import { nameOf } from "../camera-names.ts";
import { consentWithKey, openLayers, toldOf, type KeyRequest } from "../custody/answering.ts";
import { RequestError } from "../session.ts";
import type { Answer } from "./granted.ts";
import type { Room } from "./room.ts";

/** How often it is asked whether somebody else has answered. */
const AGAIN_MS = 2000;

export class OvertKeyDialog extends LitElement {
  static override readonly properties = {
    room: { attribute: false },
    request: { state: true },
    words: { state: true },
    touching: { state: true },
  };

  declare room: Room | undefined;
  declare request: KeyRequest | undefined;
  /** What is happening, or why it did not. */
  declare words: string;
  declare touching: boolean;
  #grant = "";
  #asking = new AbortController();
  #answer: ((answer: Answer | undefined) => void) | undefined;

  constructor() {
    super();
    this.words = "";
    this.touching = false;
  }

  /** The page's own style sheet holds here. */
  protected override createRenderRoot(): HTMLElement {
    return this;
  }

  /** Opens what a grant may see and cannot open; nothing if whoever is asked leaves without an answer. */
  async ask(grant: string): Promise<Answer | undefined> {
    this.#leave();
    const asking = new AbortController();
    this.#asking = asking;
    this.#grant = grant;
    this.request = undefined;
    this.#say("Asking…");
    await this.updateComplete;
    const dialog = this.querySelector("dialog");
    if (dialog === null || this.room === undefined) return undefined;
    if (!dialog.open) dialog.showModal();
    const answer = new Promise<Answer | undefined>((done) => (this.#answer = done));
    try {
      this.request = (await this.room.ask("POST", `/viewing/grants/${grant}/keys`)) as KeyRequest;
      await this.#follow(asking.signal);
    } catch (error) {
      this.#fail(error);
    }
    return answer;
  }

  /** Waits until it is this person's turn; then their key is asked for at once. */
  async #follow(signal: AbortSignal): Promise<void> {
    for (;;) {
      const { request } = this;
      if (request === undefined || signal.aborted) return;
      if (request.state !== "open") {
        this.#say(request.why_not);
        return;
      }
      if (request.why_not === "") {
        await this.#touch();
        return;
      }
      if (request.turn === "viewer" || request.turn === null) {
        this.#say(request.why_not);
        return;
      }
      this.#say(`Waiting for somebody else to agree with their key: on their page “Keys in hand”.`);
      await new Promise((done) => setTimeout(done, AGAIN_MS));
      if (signal.aborted) return;
      this.request = (await this.room?.ask("GET", `/key-requests/${request.id}/state`)) as KeyRequest;
    }
  }

  async #touch(): Promise<void> {
    const { request, room } = this;
    if (request === undefined || room === undefined || this.touching) return;
    this.touching = true;
    this.#say("Touch your security key when it blinks.");
    try {
      const consent = await consentWithKey(room, request, this.#asking.signal);
      const opened = await openLayers(consent);
      const answer = (await room.ask("POST", `/viewing/grants/${this.#grant}/keys/${request.id}`, opened)) as Answer & { failed: number };
      if (answer.failed > 0) announce(`${answer.failed} key periods did not open: tell whoever looks after this system.`, "keys");
      else announce("Opened.", "keys");
      this.#done(answer);
    } catch (error) {
      this.#fail(error);
    } finally {
      this.touching = false;
    }
  }

  #fail(error: unknown): void {
    if (!(error instanceof Error)) throw error;
    const again = error instanceof RequestError && error.kind === "conflict" ? "" : " Nothing was opened.";
    this.#say(error.message.includes("Nothing was opened") ? error.message : error.message + again);
  }

  #say(words: string): void {
    this.words = words;
  }

  /** Whoever leaves takes the request back, so that nobody answers it for nothing. */
  #leave(): void {
    const { request } = this;
    this.#asking.abort();
    if (this.#answer !== undefined && request?.state === "open") {
      void this.room?.ask("POST", `/key-requests/${request.id}/refuse`).catch(() => undefined); // it ends by itself
    }
    this.#done(undefined);
  }

  #done(answer: Answer | undefined): void {
    this.#answer?.(answer);
    this.#answer = undefined;
    this.querySelector("dialog")?.close();
  }

  protected override render() {
    const { request } = this;
    const mine = request?.state === "open" && request.why_not === "";
    const told = (request === undefined ? undefined : toldOf(request)) as
      | { cameras?: string[]; reference?: string; purpose?: { name: string } }
      | undefined;
    return html`<dialog class="reason" aria-labelledby="key-title" @close=${() => this.#leave()}>
      <h2 id="key-title">Your key opens this footage</h2>
      ${told === undefined
        ? nothing
        : html`<p>${(told.cameras ?? []).map((each) => nameOf(each)).join(", ")}${told.purpose === undefined ? "" : `, for “${told.purpose.name}”`}${told.reference ? ` (${told.reference})` : ""}.
            Your key signs exactly this, and it is written into the ledger.</p>`}
      <p role="status">${this.words}</p>
      ${(request?.given ?? []).map((each) => html`<p>${each.person} has agreed.</p>`)}
      <div class="group">
        ${mine ? html`<button type="button" class="main" ?disabled=${this.touching} @click=${() => void this.#touch()}>Touch your key</button>` : nothing}
        <button type="button" @click=${() => this.#leave()}>Cancel</button>
      </div>
    </dialog>`;
  }
}

customElements.define("overt-key-dialog", OvertKeyDialog);

declare global {
  interface HTMLElementTagNameMap {
    "overt-key-dialog": OvertKeyDialog;
  }
}
