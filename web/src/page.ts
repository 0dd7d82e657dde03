// SPDX-License-Identifier: Apache-2.0
// The recorder's plain page: takes the ticket of its link, begins the session, and shows the wall and looking back.

import { html, nothing, type PropertyValues } from "lit";

import { keys, pageStorage } from "./keys.ts";
import { PicturePage, SOON_US } from "./picture-page.ts";
import type { ReviewRequest } from "./player.ts";
import type { OvertReview } from "./review.ts";
import "./review.ts";
import { credentialsOf, type CameraInfo, type Session } from "./session.ts";
import "./wall.ts";

type Tab = "live" | "review";

export class OvertPage extends PicturePage {
  static override readonly properties = { ...PicturePage.properties, _tab: { state: true } };

  declare _tab: Tab;
  /** Looking back was shown once: it stays, hidden, with its day and its marks. */
  #reviewed = false;
  /** There was a camera to watch live: the wall stays when its right ends, and says so. */
  #mayLive = false;

  constructor() {
    super();
    this._tab = "live";
  }

  override connectedCallback(): void {
    super.connectedCallback();
    keys.add({
      title: "Screens",
      active: () => true,
      shortcuts: [
        { key: "w", words: "Live wall", label: "W", run: () => this.#show("live") },
        { key: "b", words: "Look back", label: "B", run: () => this.#show("review") },
      ],
    });
    this.addEventListener("overt-review", (event) => void this.#lookBack((event as CustomEvent<ReviewRequest>).detail));
    // A further link in the same tab: begin with it.
    window.addEventListener("hashchange", () => {
      if (location.hash.includes("ticket=")) location.reload();
    });
    const credentials = credentialsOf(location.hash, sessionStorage, (bytes) => crypto.getRandomValues(bytes));
    if (location.hash !== "") history.replaceState(null, "", location.pathname + location.search);
    if (credentials !== undefined) void this.begin(credentials, location.origin);
  }

  /** Who may look back alone is not shown an empty wall first. */
  protected override camerasCame(cameras: readonly CameraInfo[]): void {
    if (this._cameras === undefined && !cameras.some((each) => each.rights.includes("live"))) this.#show("review");
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

  protected override updated(changed: PropertyValues): void {
    const tab = this._tab === "live" ? "Live" : "Look back";
    if (changed.has("_tab")) document.title = `${tab} - Overt`;
  }

  // --- what is shown ---------------------------------------------------------------------------------------------------

  protected override render() {
    const session = this._session;
    if (session === undefined) return this.message("Open this page with a link", html`<p>
        This page shows pictures only to someone who was given a link to it. Ask whoever runs this recorder for one; on the
        recorder itself, <code>overt view</code> makes one.
      </p>`);
    if (session.state === "ended" && session.begun === 0) {
      return this.message("This link opens nothing here", html`<p>${session.reason}</p>
        <p>A link works once, in the browser that opened it first. Ask for a new one. Recording is not affected.</p>`);
    }
    if (session.state === "ended") return this.message("This session has ended", html`<p>${session.reason}</p>
      <p>No pictures are shown any more. Recording is not affected. To go on, ask for a new link and open it.</p>`);
    if (session.info === undefined) return this.message("Connecting", html`<p>${session.reason || "Asking the recorder."}</p>`);
    return html`
      ${this.#header(session)}
      ${this.warnings(session)}
      <main>${this.#panel("live", session)}${this.#panel("review", session)}</main>
      ${this.helpDialog()}
    `;
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
      <button type="button" @click=${() => this.help()}>Keys and help</button>
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
    return html`<overt-wall .session=${session} .cameras=${cameras} .originUs=${this.originUs} .storage=${pageStorage()}>
    </overt-wall>`;
  }

  #review(session: Session) {
    this.#reviewed ||= this._tab === "review";
    return this.#reviewed ? html`<overt-review .session=${session}></overt-review>` : nothing;
  }
}

customElements.define("overt-page", OvertPage);
