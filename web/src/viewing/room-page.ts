// SPDX-License-Identifier: Apache-2.0
// What the control room's pages with pictures share: the catalogue of cameras, the grant, and the session that is begun with it.

import { html, nothing, type TemplateResult } from "lit";

import { announce } from "../announce.ts";
import { nameCameras, nameOf } from "../camera-names.ts";
import { PicturePage } from "../picture-page.ts";
import { RequestError, type Session } from "../session.ts";
import { Granted, type Answer, type Wanted } from "./granted.ts";
import { Room, type Camera, type Catalogue } from "./room.ts";

/** Before the control room is asked again for what it could not give. */
const AGAIN_MS = 3000;

export abstract class RoomPage extends PicturePage {
  static override readonly properties = {
    ...PicturePage.properties,
    catalogue: { state: true },
    failure: { state: true },
    refused: { state: true },
  };

  declare catalogue: Catalogue | undefined;
  /** Why the control room gives nothing; empty if it does. */
  declare failure: string;
  /** What it refused of the last wish, a sentence for each camera. */
  declare refused: readonly string[];
  protected readonly room = Room.here();
  protected readonly granted = Granted.here(this.room);
  #wish: Wanted | undefined;

  constructor() {
    super();
    this.failure = "";
    this.refused = [];
  }

  override connectedCallback(): void {
    super.connectedCallback();
    void this.#open();
  }

  /** The catalogue has come: to be followed by `want`. */
  protected abstract opened(catalogue: Catalogue): void;

  protected camera(key: string): Camera | undefined {
    return this.catalogue?.cameras.find((each) => each.key === key);
  }

  async #open(): Promise<void> {
    for (;;) {
      try {
        const catalogue = await this.room.catalogue();
        nameCameras(catalogue.cameras.map(({ key, name }) => [key, name] as const));
        this.catalogue = catalogue;
        this.failure = "";
        this.opened(catalogue);
        return;
      } catch (error) {
        if (!(error instanceof RequestError)) throw error;
        this.failure = error.message;
        if (error.status > 0 && error.status < 500) return;
        await new Promise((done) => setTimeout(done, AGAIN_MS));
      }
    }
  }

  /** Asks to see something; the session is begun with the first that is given. Nothing if it was refused or overtaken. */
  protected async want(wanted: Wanted): Promise<Answer | undefined> {
    this.#wish = wanted;
    if (wanted.live.length === 0 && wanted.recorded === undefined) return undefined;
    for (;;) {
      try {
        const answer = await this.granted.want(wanted);
        if (this.#wish !== wanted) return undefined;
        this.failure = "";
        this.#say(answer);
        if (this._session === undefined) {
          void this.begin(this.granted, `${location.protocol}//${location.hostname}:${answer.media_port}`);
        } else {
          await this._session.check();
          await this.askCameras();
        }
        return answer;
      } catch (error) {
        if (!(error instanceof RequestError)) throw error;
        if (this.#wish !== wanted) return undefined;
        this.failure = error.message;
        if (error.status > 0 && error.status < 500) return undefined;
        await new Promise((done) => setTimeout(done, AGAIN_MS));
        if (this.#wish !== wanted) return undefined;
      }
    }
  }

  #say(answer: Answer): void {
    const refused = answer.refused.map((each) => `${nameOf(each.camera)}: ${each.words}`);
    // Where all are refused for one reason, it is said once.
    const words = [...new Set(answer.refused.map((each) => each.words))];
    this.refused = words.length === 1 ? words : refused;
    if (this.refused.length > 0) announce(this.refused.join(" "), "refused");
  }

  /** The whole page's content instead of pictures: the session is over, or there is none to be had. */
  protected instead(session: Session | undefined): TemplateResult | undefined {
    if (session?.state === "ended") {
      return this.message("You can see no pictures here now", html`<p>${session.reason}</p>
        <p>Recording is not affected. <a href=${location.href}>Load this page again</a> to go on.</p>`);
    }
    if (this.catalogue === undefined) {
      return this.message(this.failure === "" ? "Connecting" : "This page cannot be shown", html`<p>${this.failure || "Asking the control room."}</p>`);
    }
    return undefined;
  }

  /** What there is to be said; `more`: of the page itself. */
  protected notices(session: Session | undefined, more: unknown = nothing): TemplateResult {
    return html`<section aria-label="Notices">
      ${session === undefined ? nothing : this.warnings(session)}
      ${this.failure === "" ? nothing : html`<p class="warning">${this.failure}</p>`}
      ${this.refused.length === 0
        ? nothing
        : html`<div class="warning">${this.refused.map((words) => html`<span>${words}</span> `)}
            <button type="button" @click=${() => (this.refused = [])}>Hide this message</button></div>`}
      ${more}
    </section>`;
  }
}
