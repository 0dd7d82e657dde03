// SPDX-License-Identifier: Apache-2.0
// <overt-scroll>: a table that is scrolled by itself where the screen is narrow. The keyboard stops at it, to scroll it, only
// where there is something to be scrolled; without this script it always does.

const ROLE = "region";

class Scrolling extends HTMLElement {
  readonly #resized = new ResizeObserver(() => this.#adapt());

  connectedCallback(): void {
    this.#resized.observe(this);
    for (const each of this.children) this.#resized.observe(each);
  }

  disconnectedCallback(): void {
    this.#resized.disconnect();
  }

  #adapt(): void {
    const scrolls = this.scrollWidth > this.clientWidth;
    // Whoever is on it stays: a window that is made wider takes the focus from nobody.
    if (!scrolls && document.activeElement === this) return;
    this.toggleAttribute("tabindex", scrolls);
    if (scrolls) {
      this.tabIndex = 0;
      this.setAttribute("role", ROLE);
    } else this.removeAttribute("role");
  }
}

customElements.define("overt-scroll", Scrolling);
