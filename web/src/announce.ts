// SPDX-License-Identifier: Apache-2.0
// What a screen reader is told without being asked: changes of state, never every frame. One polite live region for the
// whole page; what comes in quick succession is said together, and of one subject only the last.

const GATHER_MS = 400;
/** After it the region is emptied, so that nobody finds old news in it. */
const KEEP_MS = 15_000;

export class Announcer {
  readonly #say: (text: string) => void;
  readonly #waiting = new Map<string, string>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(say: (text: string) => void) {
    this.#say = say;
  }

  /** `subject`: a camera, or what else the news is about; later news of it takes the place of earlier. */
  announce(text: string, subject = text): void {
    this.#waiting.delete(subject);
    this.#waiting.set(subject, text);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#say([...this.#waiting.values()].join(" "));
      this.#waiting.clear();
      this.#timer = setTimeout(() => this.#say(""), KEEP_MS);
    }, GATHER_MS);
  }
}

const page = new Announcer((text) => {
  const region = document.getElementById("announcements");
  if (region !== null) region.textContent = text;
});

/** Says a sentence in the page's polite live region (`#announcements`). */
export function announce(text: string, subject?: string): void {
  page.announce(text, subject);
}
