// SPDX-License-Identifier: Apache-2.0
// The page's session with the recorder's media plane (docs/reference/media-plane.md): begun with a ticket or a grant and a
// secret of the page's own, begun again by itself when the recorder has restarted, and ended when the grant is.

import { RecordParser, type Bytes, type MediaRecord } from "./records.ts";

const STORED = "overt-session";
const TICKET = /^[A-Za-z0-9_-]{16,8192}$/;
/** How often the session is asked after: whether it was renewed, revoked, or has run out. */
const ASK_MS = 20_000;
const AWAY_MS = 1000;
/** The same where no live picture tells at once that the session is over. */
const CLOSELY_MS = 700;
/** Before a failed request is tried again; the last holds for all further ones. */
const RETRY_MS = [250, 500, 1000, 2000, 4000];

/** So often a grant may be refused, and another got, before the session is over. */
const REFUSALS = 3;

export type Right = "live" | "recorded" | "export";

export interface Permission {
  readonly cameras: readonly string[];
  readonly rights: readonly Right[];
  readonly from_us: number | null;
  readonly to_us: number | null;
}

export interface SessionInfo {
  readonly grant: string;
  readonly person: string;
  readonly expires_us: number;
  readonly may: readonly Permission[];
  readonly now_us: number;
  /** IANA name of the zone in which the site's day begins. */
  readonly time_zone: string;
  readonly site: string;
}

export interface StreamInfo {
  readonly stream: string;
  readonly state: string;
  readonly reason: string;
  readonly codecs: string;
  readonly width: number;
  readonly height: number;
}

export interface CameraInfo {
  readonly camera: string;
  readonly rights: readonly Right[];
  readonly streams: readonly StreamInfo[];
}

/** `away`: the recorder cannot be reached, and is asked again; `ended`: for good, `reason` says why. */
export type SessionState = "opening" | "open" | "away" | "ended";

export interface Credentials {
  readonly ticket?: string;
  readonly grant?: string;
  readonly secret: string;
}

/** Gives the credentials of the moment: a control room renews its grants, and gives another where one is over. */
export interface CredentialSource {
  /**
   * What to begin the session with. `refused`: the recorder did not take what was given last. Rejects with RequestError:
   * of status 0 or 5xx it is tried again, of another the session ends with its words.
   */
  current(refused: boolean): Promise<Credentials>;
}

/** The recorder refused a request, or could not be asked; `message` is for people. */
export class RequestError extends Error {
  override readonly name = "RequestError";
  readonly kind: string;
  /** Of HTTP; 0 where there was no answer. */
  readonly status: number;

  constructor(kind: string, message: string, status: number) {
    super(message);
    this.kind = kind;
    this.status = status;
  }
}

/** What a session needs of its surroundings; the browser's own, or a test's. */
export interface Surroundings {
  readonly fetch: typeof fetch;
  /** `https://host:port` of the media plane. */
  readonly origin: string;
  readonly wait: (milliseconds: number) => Promise<void>;
  /** Milliseconds of a clock that never jumps. */
  readonly now: () => number;
}

/** Dispatches `change` when `state`, `reason` or `info` changes. */
export class Session extends EventTarget {
  /** Whether `watch` asks so often that whoever looks at recordings is shut out within a second of a revocation. */
  closely = false;
  #state: SessionState = "opening";
  #reason = "";
  #info: SessionInfo | undefined;
  #token = "";
  #opening: Promise<void> | undefined;
  #checking: Promise<void> | undefined;
  /** Recorder's clock minus `now`, in microseconds. */
  #clock = 0;
  #begun = 0;
  /** The recorder has refused what the source gave last. */
  #refused = false;
  readonly #source: CredentialSource;
  /** Whether the source may have others than those that were refused. */
  readonly #renewable: boolean;
  readonly #around: Surroundings;

  constructor(credentials: Credentials | CredentialSource, around: Surroundings) {
    super();
    this.#renewable = "current" in credentials;
    this.#source = "current" in credentials ? credentials : { current: () => Promise.resolve(credentials) };
    this.#around = around;
  }

  get state(): SessionState {
    return this.#state;
  }

  /** Why it is away or has ended, as a sentence. */
  get reason(): string {
    return this.#reason;
  }

  /** How often it was begun: more than once after the recorder restarted. */
  get begun(): number {
    return this.#begun;
  }

  /** Who holds which rights until when, where and in which time zone. Rejects with RequestError once it has ended. */
  async me(): Promise<SessionInfo> {
    await this.open();
    if (this.#info === undefined) throw this.#endedError();
    return this.#info;
  }

  /** As `me`, if it is known already. */
  get info(): SessionInfo | undefined {
    return this.#info;
  }

  /** The recorder's clock now, in microseconds since the Unix epoch; to the precision of one request. */
  get nowUs(): number {
    return this.#clock + this.#around.now() * 1000;
  }

  async cameras(): Promise<readonly CameraInfo[]> {
    return ((await this.json("/cameras")) as { cameras: CameraInfo[] }).cameras;
  }

  /** Begins the session if need be; comes back when it is open, rejects with RequestError when it has ended. */
  async open(): Promise<void> {
    if (this.#state === "open") return;
    if (this.#state === "ended") throw this.#endedError();
    this.#opening ??= this.#begin().finally(() => (this.#opening = undefined));
    await this.#opening;
  }

  /** Ends it by the holder's own wish. */
  async close(): Promise<void> {
    const token = this.#token;
    this.#end("You ended the session on this page.");
    if (token !== "") await this.#ask("/session", token, { method: "DELETE" });
  }

  /** An answer's JSON. Rejects with RequestError. */
  async json(path: string, signal?: AbortSignal): Promise<unknown> {
    const response = await this.#get(path, signal);
    return response.json();
  }

  /** The records of an answer, as they come. Rejects with RequestError before the first, RecordError in between. */
  async *records(path: string, signal?: AbortSignal): AsyncGenerator<MediaRecord> {
    const response = await this.#get(path, signal);
    if (response.body === null) return;
    const parser = new RecordParser();
    const reader = response.body.getReader();
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        yield* parser.feed(value as Bytes);
      }
    } finally {
      await reader.cancel().catch(() => undefined); // it has ended, by itself or by its signal
    }
    if (parser.pending > 0) throw new RequestError("unavailable", "The recorder’s answer was cut off.", 0);
  }

  /** What a WebSocket for live pictures is opened with; the session is begun if need be. */
  async live(camera: string, stream: string, mode: "fragments" | "samples"): Promise<{ url: string; protocols: string[] }> {
    await this.open();
    const origin = this.#around.origin.replace(/^http/, "ws");
    return {
      url: `${origin}/cameras/${encodeURIComponent(camera)}/${encodeURIComponent(stream)}/live?mode=${mode}`,
      protocols: ["overt.live.v1", `overt.token.${this.#token}`],
    };
  }

  /** To be called when a WebSocket was closed with 4401: the recorder knows the session no longer. */
  lost(): void {
    if (this.#state === "open") this.#set("opening", "");
  }

  /** Asks after the session: what it may now, or that it has ended. One question at a time. */
  async check(): Promise<void> {
    this.#checking ??= this.#check().finally(() => (this.#checking = undefined));
    await this.#checking;
  }

  /** Asks until it ends, so that a revoked one is known even where nothing is shown. */
  async watch(): Promise<void> {
    let asked = this.#around.now();
    while (this.#state !== "ended") {
      await this.#around.wait(CLOSELY_MS);
      const often = this.#state === "away" ? AWAY_MS : this.closely ? CLOSELY_MS : ASK_MS;
      if (this.#around.now() - asked < often * 0.9) continue;
      await this.check();
      asked = this.#around.now();
    }
  }

  async #check(): Promise<void> {
    try {
      this.#learn((await this.json("/session")) as SessionInfo, this.#around.now());
    } catch (error) {
      if (!(error instanceof RequestError)) throw error; // what it means for the session is told by its state already
    }
  }

  async #get(path: string, signal?: AbortSignal): Promise<Response> {
    for (let again = true; ; again = false) {
      await this.open();
      const token = this.#token;
      const response = await this.#ask(path, token, signal === undefined ? {} : { signal });
      if (response.ok) return response;
      const error = await errorOf(response);
      if (response.status === 401 && again) {
        if (token === this.#token) this.lost();
        continue;
      }
      // About the session itself, a refusal is final; about a camera or a time it is that request's alone.
      if (path === "/session" && response.status === 403) {
        if (!this.#renewable) this.#end(sentence(error.message));
        else if (again) {
          this.#refused = true;
          if (token === this.#token) this.lost();
          continue;
        }
      }
      throw error;
    }
  }

  async #ask(path: string, token: string, init: RequestInit): Promise<Response> {
    try {
      const response = await this.#around.fetch(this.#around.origin + path, {
        ...init,
        headers: { authorization: `Bearer ${token}` },
      });
      return response;
    } catch (error) {
      if (init.signal?.aborted === true) throw error;
      if (this.#state === "open") this.#set("away", "The recorder cannot be reached.");
      throw new RequestError("unavailable", "The recorder cannot be reached.", 0);
    }
  }

  async #begin(): Promise<void> {
    for (let attempt = 0; this.#state !== "ended"; attempt++) {
      const refused = this.#refused;
      try {
        const credentials = await this.#source.current(refused);
        const response = await this.#around.fetch(`${this.#around.origin}/session`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify(credentials),
        });
        const now = this.#around.now();
        if (response.ok) {
          const answer = (await response.json()) as SessionInfo & { token: string };
          this.#token = answer.token;
          this.#refused = false;
          this.#begun += 1;
          this.#learn(answer, now);
          return;
        }
        const error = await errorOf(response);
        if (response.status < 500 && response.status !== 429) {
          // Refused twice in a row, a grant that is new to it too: the recorder means it.
          if (!this.#renewable || (refused && attempt >= REFUSALS)) {
            this.#end(sentence(error.message));
            throw error;
          }
          this.#refused = true;
        } else this.#set("away", sentence(error.message));
      } catch (error) {
        if (error instanceof RequestError) {
          if (this.state === "ended") throw error;
          if (error.status > 0 && error.status < 500 && error.status !== 429) {
            this.#end(sentence(error.message));
            throw error;
          }
          this.#set("away", sentence(error.message));
        } else this.#set("away", "The recorder cannot be reached.");
      }
      await this.#around.wait(RETRY_MS[Math.min(attempt, RETRY_MS.length - 1)] ?? 4000);
    }
    throw this.#endedError();
  }

  #learn(info: SessionInfo, now: number): void {
    if (this.#state === "ended") return;
    this.#info = info;
    this.#clock = info.now_us - now * 1000;
    this.#set("open", "");
  }

  #end(reason: string): void {
    this.#token = "";
    this.#set("ended", reason);
  }

  #set(state: SessionState, reason: string): void {
    if (state === this.#state && reason === this.#reason && state !== "open") return;
    this.#state = state;
    this.#reason = reason;
    this.dispatchEvent(new Event("change"));
  }

  #endedError(): RequestError {
    return new RequestError("forbidden", this.#reason, 403);
  }
}

async function errorOf(response: Response): Promise<RequestError> {
  const body: unknown = await response.json().catch(() => undefined);
  const error = (body as { error?: { kind?: unknown; message?: unknown } } | undefined)?.error;
  const message = typeof error?.message === "string" ? error.message : `The recorder answered ${response.status}.`;
  return new RequestError(typeof error?.kind === "string" ? error.kind : "unavailable", message, response.status);
}

/** A message of the recorder as a sentence of the page. */
export function sentence(message: string): string {
  const text = message.trim();
  if (text === "") return "";
  return text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");
}

export function newSecret(random: (bytes: Uint8Array<ArrayBuffer>) => void): string {
  const bytes = new Uint8Array(32);
  random(bytes);
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/**
 * Takes the ticket of a link (`#ticket=…`) together with a new secret, or what was stored for this tab. Both are kept in
 * the tab's session storage, so that a reload and a restart of the recorder find the same holder.
 */
export function credentialsOf(
  hash: string,
  storage: Pick<Storage, "getItem" | "setItem">,
  random: (bytes: Uint8Array<ArrayBuffer>) => void,
): Credentials | undefined {
  const ticket = new URLSearchParams(hash.replace(/^#/, "")).get("ticket");
  const stored = storedCredentials(storage);
  if (ticket === null || !TICKET.test(ticket)) return stored;
  // The same link again in the same tab: its ticket is bound to the secret that the tab has already.
  if (stored?.ticket === ticket) return stored;
  const made = { ticket, secret: newSecret(random) };
  storage.setItem(STORED, JSON.stringify(made));
  return made;
}

function storedCredentials(storage: Pick<Storage, "getItem">): Credentials | undefined {
  const text = storage.getItem(STORED);
  if (text === null) return undefined;
  try {
    const { ticket, secret } = JSON.parse(text) as Record<string, unknown>;
    if (typeof ticket === "string" && typeof secret === "string") return { ticket, secret };
  } catch {
    // Whatever else stands there was not written by this page: it is as good as nothing.
  }
  return undefined;
}
