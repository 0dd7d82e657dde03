// SPDX-License-Identifier: Apache-2.0
// <overt-refreshing every="10" from="/part" region="id">: brings a part of the page up to date by itself, says so to
// screen readers only when its headline changed, leaves focus where it is, and can be paused (WCAG 2.2.2).

const PAUSE = "Pause updates";
const GO_ON = "Update by itself again";

export class OvertRefreshing extends HTMLElement {
  #timer = 0;
  #paused = false;
  #asking = false;
  #button = document.createElement("button");
  #said = document.createElement("span");
  #announced = document.createElement("span");

  connectedCallback(): void {
    const line = document.createElement("p");
    line.className = "govuk-body-s overt-refreshing";
    this.#button.type = "button";
    this.#button.className = "overt-link-button";
    this.#button.textContent = PAUSE;
    this.#button.addEventListener("click", () => this.#toggle());
    this.#announced.setAttribute("role", "status");
    this.#announced.className = "govuk-visually-hidden";
    line.append(this.#said, " ", this.#button, this.#announced);
    this.replaceChildren(line);
    this.#say("This page keeps itself up to date.");
    this.#timer = window.setInterval(() => void this.#refresh(), this.#everyMs());
  }

  disconnectedCallback(): void {
    window.clearInterval(this.#timer);
  }

  #everyMs(): number {
    return Math.max(2, Number(this.getAttribute("every")) || 10) * 1000;
  }

  #say(words: string): void {
    if (this.#said.textContent !== words) this.#said.textContent = words;
  }

  #toggle(): void {
    this.#paused = !this.#paused;
    this.#button.textContent = this.#paused ? GO_ON : PAUSE;
    this.#say(this.#paused ? "Updates are paused." : "This page keeps itself up to date.");
    if (!this.#paused) void this.#refresh();
  }

  async #refresh(): Promise<void> {
    const region = document.getElementById(this.getAttribute("region") ?? "");
    if (region === null || this.#paused || this.#asking || document.hidden) return;
    this.#asking = true;
    try {
      const answer = await fetch(this.getAttribute("from") ?? "", { signal: AbortSignal.timeout(10_000) });
      if (answer.redirected) throw new Error("signed out");
      if (!answer.ok) throw new Error(String(answer.status));
      const told = await answer.text();
      if (!this.#paused) this.#show(region, told);
      this.#say("This page keeps itself up to date.");
    } catch (error) {
      const out = error instanceof Error && error.message === "signed out";
      this.#say(out ? "You were signed out: load the page again." : "The control room does not answer: what follows is old.");
    } finally {
      this.#asking = false;
    }
  }

  #show(region: HTMLElement, told: string): void {
    // What the server rendered and escaped; no script in it would run.
    const next = new DOMParser().parseFromString(told, "text/html").body;
    if (next.innerHTML === region.innerHTML) return;
    const headline = (within: Element) => within.querySelector("[data-headline]")?.textContent?.trim() ?? "";
    const before = headline(region);
    const focused = region.contains(document.activeElement) ? document.activeElement?.id : undefined;
    region.replaceChildren(...next.childNodes);
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
    const after = headline(region);
    if (after !== before) this.#announced.textContent = after;
  }
}

customElements.define("overt-refreshing", OvertRefreshing);
