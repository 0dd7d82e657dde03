// SPDX-License-Identifier: Apache-2.0
// Single-key shortcuts of the page, in one place, so that they can be listed and switched off (WCAG 2.2, 2.1.4).
// Arrow keys, Escape and the like are no character keys: they stay.

const STORED = "overt-shortcuts";

export interface Shortcut {
  /** As in `KeyboardEvent.key`; letters in lower case match both cases. */
  readonly key: string;
  /** What it does: "Full screen". */
  readonly words: string;
  /** How the key is written where it is not the key itself: "Space", "1 to 9". Empty: not listed. */
  readonly label?: string;
  readonly run: (event: KeyboardEvent) => void;
}

export interface Scope {
  readonly title: string;
  /** Whether its shortcuts count now: its tab is shown, it has the focus, ... */
  readonly active: () => boolean;
  readonly shortcuts: readonly Shortcut[];
}

export class Keys extends EventTarget {
  readonly #scopes = new Set<Scope>();
  readonly #storage: Pick<Storage, "getItem" | "setItem"> | undefined;
  #enabled: boolean;

  constructor(storage?: Pick<Storage, "getItem" | "setItem">) {
    super();
    this.#storage = storage;
    this.#enabled = storage?.getItem(STORED) !== "off";
  }

  /** Whether single characters are shortcuts. */
  get enabled(): boolean {
    return this.#enabled;
  }

  set enabled(value: boolean) {
    this.#enabled = value;
    this.#storage?.setItem(STORED, value ? "on" : "off");
    this.dispatchEvent(new Event("change"));
  }

  /** The scopes whose shortcuts count now, for the help. */
  get scopes(): Scope[] {
    return [...this.#scopes].filter((scope) => scope.active());
  }

  /** Returns what takes the scope away again. */
  add(scope: Scope): () => void {
    this.#scopes.add(scope);
    return () => this.#scopes.delete(scope);
  }

  /** Listens on a window or document; returns what ends it. */
  listen(target: EventTarget): () => void {
    const heard = (event: Event) => this.handle(event as KeyboardEvent);
    target.addEventListener("keydown", heard);
    return () => target.removeEventListener("keydown", heard);
  }

  /** Runs the shortcut of an event, if it is one; the last scope that was added comes first. */
  handle(event: KeyboardEvent): void {
    if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (key.length === 1 && !this.#enabled) return;
    const path = event.composedPath();
    if (belongsTo(path[0], key) || path.some(isDialog)) return;
    for (const scope of [...this.#scopes].reverse()) {
      const found = scope.active() ? scope.shortcuts.find((each) => each.key === key) : undefined;
      if (found === undefined) continue;
      event.preventDefault();
      found.run(event);
      return;
    }
  }
}

/** Whether the element that has the focus uses this key itself. */
function belongsTo(target: EventTarget | undefined, key: string): boolean {
  const element = target as { tagName?: string; type?: string; isContentEditable?: boolean; getAttribute?: (n: string) => string | null };
  const name = element?.tagName?.toLowerCase() ?? "";
  if (element?.isContentEditable === true || name === "textarea" || name === "select") return true;
  if (name === "input") {
    if (element.type === "checkbox" || element.type === "radio" || element.type === "button") return key === " " || isArrow(key);
    return key !== "Escape";
  }
  const role = element?.getAttribute?.("role") ?? "";
  if (role === "slider" || role === "tab") return isArrow(key) || key === " " || key === "Enter" || key === "Home" || key === "End";
  return (name === "button" || name === "a" || name === "summary") && (key === " " || key === "Enter");
}

/** What lies behind an open dialog is not to be operated. */
function isDialog(target: EventTarget): boolean {
  return (target as { tagName?: string }).tagName?.toLowerCase() === "dialog";
}

function isArrow(key: string): boolean {
  return key.startsWith("Arrow");
}

/** Where the page keeps choices from one visit to the next. */
export function pageStorage(): Storage | undefined {
  try {
    return globalThis.localStorage;
  } catch {
    return undefined; // the browser is told to keep nothing: the choice then lasts as long as the page
  }
}

/** The shortcuts of this page. */
export const keys = new Keys("window" in globalThis ? pageStorage() : undefined);
