// SPDX-License-Identifier: Apache-2.0
// What every page with pictures has, whoever gave it its grant: a session with the recorder, the cameras as the recorder
// knows them, the clock, the keys and their help, and words for when the session is away or over.

import { LitElement, html, nothing, type TemplateResult } from "lit";

import { announce } from "./announce.ts";
import { Day } from "./day.ts";
import { keys } from "./keys.ts";
import { RequestError, Session, type CameraInfo, type Credentials, type CredentialSource } from "./session.ts";

/** How often the list of cameras is asked for: their streams and codecs become known, cameras come and go. */
const CAMERAS_MS = 5000;
/** So long before its end a session is said to end soon. */
export const SOON_US = 120_000_000;

export abstract class PicturePage extends LitElement {
  static override readonly properties: Record<string, object> = {
    _cameras: { state: true },
    _session: { state: true },
    _clock: { state: true },
    _error: { state: true },
  };

  declare _cameras: readonly CameraInfo[] | undefined;
  declare _session: Session | undefined;
  declare _clock: string;
  declare _error: string;
  /** Local midnight of the day on which the page was opened, in microseconds since the Unix epoch. */
  protected originUs = 0;
  #said = "";

  constructor() {
    super();
    this._clock = "";
    this._error = "";
  }

  /** The page's own style sheet holds here: no shadow. */
  protected override createRenderRoot(): HTMLElement {
    return this;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    keys.listen(window);
    keys.add({
      title: "Everywhere",
      active: () => true,
      shortcuts: [{ key: "?", words: "This help", run: () => this.help() }],
    });
    keys.addEventListener("change", () => this.requestUpdate());
  }

  /** Begins the session, and goes on asking for cameras until it ends. `origin`: of the recorder's media plane. */
  protected async begin(credentials: Credentials | CredentialSource, origin: string): Promise<void> {
    const session = new Session(credentials, {
      fetch: (...request) => fetch(...request),
      origin,
      wait: (milliseconds) => new Promise((done) => setTimeout(done, milliseconds)),
      now: () => performance.now(),
    });
    session.addEventListener("change", () => this.#sessionChanged(session));
    this._session = session;
    try {
      const me = await session.me();
      this.originUs = Day.containing(session.nowUs, me.time_zone).startUs;
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      return; // the session says why it has ended
    }
    setInterval(() => this.#tick(session), 250);
    void session.watch();
    while (session.state !== "ended") {
      await this.askCameras();
      await new Promise((done) => setTimeout(done, CAMERAS_MS));
    }
  }

  /** Asks the recorder for the cameras of the grant as they are now. */
  protected async askCameras(): Promise<void> {
    const session = this._session;
    if (session === undefined) return;
    try {
      const cameras = await session.cameras();
      this.camerasCame(cameras);
      this._cameras = cameras;
      this._error = "";
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      this._error = session.state === "open" ? error.message : "";
    }
  }

  /** For pages that decide something by what there is. */
  protected camerasCame(_cameras: readonly CameraInfo[]): void {}

  #sessionChanged(session: Session): void {
    this.requestUpdate();
    const said = session.state === "away" || session.state === "ended" ? session.reason : "";
    if (said !== this.#said) {
      if (said !== "") announce(said, "session");
      else if (this.#said !== "") announce("The recorder is reached again.", "session");
      this.#said = said;
    }
  }

  #tick(session: Session): void {
    const info = session.info;
    if (info === undefined) return;
    this._clock = new Intl.DateTimeFormat("en-GB", {
      timeZone: info.time_zone,
      weekday: "short",
      day: "numeric",
      month: "short",
      hour: "2-digit",
      minute: "2-digit",
      second: "2-digit",
    }).format(session.nowUs / 1000);
  }

  protected help(): void {
    const dialog = this.querySelector<HTMLDialogElement>("#help");
    if (dialog?.open === false) {
      this.requestUpdate();
      dialog.showModal();
    } else dialog?.close();
  }

  // --- what is shown ---------------------------------------------------------------------------------------------------

  protected message(title: string, content: unknown): TemplateResult {
    return html`<main id="content" tabindex="-1" class="message"><div><p class="brand">Overt</p><h1>${title}</h1>${content}</div></main>`;
  }

  /** What is the matter with session and recorder, if anything. */
  protected warnings(session: Session): TemplateResult {
    return html`${session.state === "away" ? html`<p class="warning">${session.reason} Trying again.</p>` : nothing}
      ${this._error === "" ? nothing : html`<p class="warning">${this._error}</p>`}`;
  }

  protected helpDialog(): TemplateResult {
    return html`<dialog id="help" aria-labelledby="help-title">
      <h2 id="help-title">Keys and help</h2>
      <p>
        <label><input type="checkbox" .checked=${keys.enabled} @change=${(event: Event) => {
          keys.enabled = (event.target as HTMLInputElement).checked;
        }}> Single keys are shortcuts</label>
      </p>
      ${keys.scopes.map(
        (scope) => html`<h3>${scope.title}</h3>
          <dl>
            ${scope.shortcuts
              .filter((each) => each.label !== "")
              .map((each) => html`<div><dt><kbd>${each.label ?? each.key}</kbd></dt><dd>${each.words}</dd></div>`)}
          </dl>`,
      )}
      <form method="dialog"><button>Close</button></form>
    </dialog>`;
  }
}
