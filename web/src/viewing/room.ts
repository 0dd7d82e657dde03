// SPDX-License-Identifier: Apache-2.0
// What the pages ask of the control room: JSON under the sign-in of the page, with the token against forged requests.

import { RequestError } from "../session.ts";

export const SIGNED_OUT = "You are signed out, or your account has ended. Sign in again to go on.";

/** A camera as the control room knows it. */
export interface Camera {
  /** By which the recorder knows it. */
  readonly key: string;
  readonly name: string;
  readonly site: string;
  readonly group: string;
  readonly state: string;
  readonly live: boolean;
  readonly replay: boolean;
  readonly recorded: boolean;
  readonly export: boolean;
}

export interface Layout {
  readonly id: number;
  readonly name: string;
  readonly tiles: number;
  readonly cells: readonly (string | null)[];
  readonly group: number | null;
  readonly mine: boolean;
  readonly owner: string;
}

export interface Tour {
  readonly id: number;
  readonly name: string;
  readonly steps: readonly { readonly layout: number; readonly seconds: number }[];
  readonly group: number | null;
  readonly mine: boolean;
  readonly owner: string;
}

/** For what people may look back. */
export interface Purpose {
  readonly id: number;
  readonly name: string;
  readonly needs_reference: boolean;
  /** What the reference is, such as "Incident number". */
  readonly reference_name: string;
  /** Of "replay", "recorded", "export". */
  readonly opens: readonly string[];
}

/** Why somebody looks back. */
export interface Why {
  readonly purpose: number;
  readonly reference: string;
  /** Number of the authorisation to follow one person or vehicle; empty: nobody is followed. */
  readonly authorisation: string;
  /** Id of the approval for a shift that answers; then it says purpose and reference. */
  readonly approval?: string;
}

export interface Catalogue {
  readonly cameras: readonly Camera[];
  readonly layouts: readonly Layout[];
  readonly tours: readonly Tour[];
  /** Groups that something may be shared with. */
  readonly groups: readonly { readonly id: number; readonly name: string }[];
  readonly time_zone: string;
  readonly person: string;
  /** Whether recorded footage can be opened. */
  readonly unlocked: boolean;
  /** For which this person may look back. */
  readonly purposes: readonly Purpose[];
  /** What they said last since they signed in. */
  readonly why: Why | null;
}

type Row = [key: string, name: string, site: string, group: string, state: string, rights: string];

export class Room {
  readonly #fetch: typeof fetch;
  readonly #token: string;

  constructor(request: typeof fetch, token: string) {
    this.#fetch = request;
    this.#token = token;
  }

  /** Of the page that is open. */
  static here(): Room {
    const token = document.querySelector<HTMLMetaElement>('meta[name="csrf-token"]')?.content ?? "";
    return new Room((...request) => fetch(...request), token);
  }

  async catalogue(): Promise<Catalogue> {
    const answer = (await this.ask("GET", "/viewing/catalogue")) as Catalogue & { cameras: Row[] };
    const cameras = (answer.cameras as unknown as Row[]).map(([key, name, site, group, state, rights]) => ({
      key,
      name,
      site,
      group,
      state,
      live: rights.includes("l"),
      replay: rights.includes("p"),
      recorded: rights.includes("r"),
      export: rights.includes("e"),
    }));
    return { ...answer, cameras };
  }

  /** An answer's JSON; nothing where it has none. Rejects with RequestError; its status is 0 where nobody answers. */
  async ask(method: "GET" | "POST", path: string, body?: unknown, more: RequestInit = {}): Promise<unknown> {
    let response: Response;
    try {
      response = await this.#fetch(path, {
        method,
        // Who is not signed in is sent to another page: that is an answer, too.
        redirect: "manual",
        headers: { "content-type": "application/json", "x-csrftoken": this.#token },
        ...(method === "POST" ? { body: JSON.stringify(body ?? {}) } : {}),
        ...more,
      });
    } catch {
      throw new RequestError("unavailable", "The control room cannot be reached.", 0);
    }
    if (response.type === "opaqueredirect") throw new RequestError("forbidden", SIGNED_OUT, 401);
    if (response.status === 204) return undefined;
    const answer: unknown = await response.json().catch(() => undefined);
    if (response.ok && answer !== undefined) return answer;
    const error = (answer as { error?: { kind?: unknown; message?: unknown } } | undefined)?.error;
    const words = response.status === 403 && error === undefined ? SIGNED_OUT : `The control room answered ${response.status}.`;
    throw new RequestError(
      typeof error?.kind === "string" ? error.kind : "unavailable",
      typeof error?.message === "string" ? error.message : words,
      response.status,
    );
  }
}
