// SPDX-License-Identifier: Apache-2.0
// The recorder's plain page: takes the ticket of its link, begins the session, and shows the wall and looking back.

import { LitElement, html, nothing, type PropertyValues } from "lit";

import { announce } from "./announce.ts";
import { Day } from "./day.ts";
import { keys, pageStorage } from "./keys.ts";
import type { ReviewRequest } from "./player.ts";
import type { OvertReview } from "./review.ts";
import "./review.ts";
import { RequestError, Session, credentialsOf, type CameraInfo } from "./session.ts";
import "./wall.ts";

/** How often the list of cameras is asked for: their streams and codecs become known, cameras come and go. */
const CAMERAS_MS = 5000;
/** So long before its end a session is said to end soon. */
const SOON_US = 120_000_000;

type Tab = "live" | "review";

export class OvertPage extends LitElement {
  static override readonly properties = {
    _tab: { state: true },
    _cameras: { state: true },
    _session: { state: true },
    _clock: { state: true },
    _error: { state: true },
  };

  declare _tab: Tab;
  declare _cameras: readonly CameraInfo[] | undefined;
  declare _session: Session | undefined;
  declare _clock: string;
  declare _error: string;
  #originUs = 0;
  #said = "";
  /** Looking back was shown once: it stays, hidden, with its day and its marks. */
  #reviewed = false;
  /** There was a camera to watch live: the wall stays when its right ends, and says so. */
  #mayLive = false;

  constructor() {
    super();
    this._tab = "live";
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
      shortcuts: [
        { key: "?", words: "This help", run: () => this.#help() },
        { key: "w", words: "Live wall", label: "W", run: () => this.#show("live") },
        { key: "b", words: "Look back", label: "B", run: () => this.#show("review") },
      ],
    });
    keys.addEventListener("change", () => this.requestUpdate());
    this.addEventListener("overt-review", (event) => void this.#lookBack((event as CustomEvent<ReviewRequest>).detail));
    // A further link in the same tab: begin with it.
    window.addEventListener("hashchange", () => {
      if (location.hash.includes("ticket=")) location.reload();
    });
    void this.#begin();
  }

  async #begin(): Promise<void> {
    const credentials = credentialsOf(location.hash, sessionStorage, (bytes) => crypto.getRandomValues(bytes));
    if (location.hash !== "") history.replaceState(null, "", location.pathname + location.search);
    if (credentials === undefined) return;
    const session = new Session(credentials, {
      fetch: (...request) => fetch(...request),
      origin: location.origin,
      wait: (milliseconds) => new Promise((done) => setTimeout(done, milliseconds)),
      now: () => performance.now(),
    });
    session.addEventListener("change", () => this.#sessionChanged(session));
    this._session = session;
    try {
      const me = await session.me();
      this.#originUs = Day.containing(session.nowUs, me.time_zone).startUs;
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      return; // the session says why it has ended
    }
    setInterval(() => this.#tick(session), 250);
    void session.watch();
    await this.#askCameras(session);
  }

  async #askCameras(session: Session): Promise<void> {
    while (session.state !== "ended") {
      try {
        const cameras = await session.cameras();
        // Who may look back alone is not shown an empty wall first.
        if (this._cameras === undefined && !cameras.some((each) => each.rights.includes("live"))) this.#show("review");
        this._cameras = cameras;
        this._error = "";
      } catch (error) {
        if (!(error instanceof RequestError)) throw error;
        this._error = session.state === "open" ? error.message : "";
      }
      await new Promise((done) => setTimeout(done, CAMERAS_MS));
    }
  }

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

  async #lookBack({ camera, at_us }: ReviewRequest): Promise<void> {
    this.#show("review");
    await this.updateComplete;
    this.#reviewScreen?.open(camera, at_us);
  }

  get #reviewScreen(): OvertReview | null {
    return this.querySelector("overt-review");
  }

  #show(tab: Tab): void {
    if (tab === this._tab || this._session?.info === undefined) return;
    if (tab === "live") this.#reviewScreen?.playback?.clock.pause();
    this._tab = tab;
    if (this._session !== undefined) this._session.closely = tab === "review";
    void this.updateComplete.then(() => this.querySelector<HTMLElement>(`#panel-${tab}`)?.focus());
  }

  #help(): void {
    const dialog = this.querySelector<HTMLDialogElement>("#help");
    if (dialog?.open === false) {
      this.requestUpdate();
      dialog.showModal();
    } else dialog?.close();
  }

  protected override updated(changed: PropertyValues): void {
    const tab = this._tab === "live" ? "Live" : "Look back";
    if (changed.has("_tab")) document.title = `${tab} - Overt`;
  }

  // --- what is shown ---------------------------------------------------------------------------------------------------

  protected override render() {
    const session = this._session;
    if (session === undefined) return this.#message("Open this page with a link", html`<p>
        This page shows pictures only to someone who was given a link to it. Ask whoever runs this recorder for one; on the
        recorder itself, <code>overt view</code> makes one.
      </p>`);
    if (session.state === "ended" && session.begun === 0) {
      return this.#message("This link opens nothing here", html`<p>${session.reason}</p>
        <p>A link works once, in the browser that opened it first. Ask for a new one. Recording is not affected.</p>`);
    }
    if (session.state === "ended") return this.#message("This session has ended", html`<p>${session.reason}</p>
      <p>No pictures are shown any more. Recording is not affected. To go on, ask for a new link and open it.</p>`);
    if (session.info === undefined) return this.#message("Connecting", html`<p>${session.reason || "Asking the recorder."}</p>`);
    return html`
      ${this.#header(session)}
      ${session.state === "away" ? html`<p class="warning">${session.reason} Trying again.</p>` : nothing}
      ${this._error === "" ? nothing : html`<p class="warning">${this._error}</p>`}
      <main>${this.#panel("live", session)}${this.#panel("review", session)}</main>
      ${this.#helpDialog()}
    `;
  }

  #message(title: string, content: unknown) {
    return html`<main class="message"><div><p class="brand">Overt</p><h1>${title}</h1>${content}</div></main>`;
  }

  #header(session: Session) {
    const info = session.info;
    const ends = info === undefined ? 0 : info.expires_us;
    const soon = ends - session.nowUs < SOON_US;
    const until = new Intl.DateTimeFormat("en-GB", { timeZone: info?.time_zone, timeStyle: "short" }).format(ends / 1000);
    return html`<header>
      <h1>Overt</h1>
      <div role="tablist" aria-label="Screens" @keydown=${this.#tabKey}>
        ${this.#tab("live", "Live")}${this.#tab("review", "Look back")}
      </div>
      <time class="clock">${this._clock}</time>
      <span class="who">${info?.person} · ${soon ? html`<strong>permission ends at ${until}</strong>` : `until ${until}`}</span>
      <button type="button" @click=${() => this.#help()}>Keys and help</button>
      <button type="button" @click=${() => void session.close()}>End session</button>
    </header>`;
  }

  #tab(tab: Tab, words: string) {
    const selected = tab === this._tab;
    return html`<button type="button" role="tab" id="tab-${tab}" aria-controls="panel-${tab}" aria-selected=${selected}
      tabindex=${selected ? 0 : -1} @click=${() => this.#show(tab)}>${words}</button>`;
  }

  /** Arrow keys go from tab to tab, as the pattern for tabs has it. */
  #tabKey(event: KeyboardEvent): void {
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    event.preventDefault();
    const tab = this._tab === "live" ? "review" : "live";
    this.#show(tab);
    void this.updateComplete.then(() => this.querySelector<HTMLElement>(`#tab-${tab}`)?.focus());
  }

  #panel(tab: Tab, session: Session) {
    const cameras = this._cameras;
    return html`<section id="panel-${tab}" role="tabpanel" aria-labelledby="tab-${tab}" tabindex="-1" ?hidden=${tab !== this._tab}>
      ${cameras === undefined ? nothing : tab === "live" ? this.#live(session, cameras) : this.#review(session)}
    </section>`;
  }

  /** A wall that is not shown asks for no pictures: it is not there. */
  #live(session: Session, cameras: readonly CameraInfo[]) {
    if (this._tab !== "live") return nothing;
    if (!this.#mayLive && !cameras.some((each) => each.rights.includes("live"))) {
      return html`<p class="warning">This session may not watch any camera live at present. It may look back.</p>`;
    }
    this.#mayLive = true;
    return html`<overt-wall .session=${session} .cameras=${cameras} .originUs=${this.#originUs} .storage=${pageStorage()}>
    </overt-wall>`;
  }

  #review(session: Session) {
    this.#reviewed ||= this._tab === "review";
    return this.#reviewed ? html`<overt-review .session=${session}></overt-review>` : nothing;
  }

  #helpDialog() {
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

customElements.define("overt-page", OvertPage);
