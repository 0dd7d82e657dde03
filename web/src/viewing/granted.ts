// SPDX-License-Identifier: Apache-2.0
// The page's grant: asked of the control room for the cameras that the page shows, bound to a secret that never leaves the
// page but for the recorder, kept in force by saying that the page is there, given back when it closes.

import { RequestError, newSecret, type Credentials, type CredentialSource } from "../session.ts";
import type { Room, Why } from "./room.ts";

/** How often the control room is told that the page is there. It takes one for closed after a minute. */
const HEARTBEAT_MS = 15_000;

export interface Wanted {
  readonly live: readonly string[];
  readonly recorded?: { readonly cameras: readonly string[]; readonly from_us: number; readonly to_us: number };
  /** For what purpose; needed for what is past, and kept with the grant. */
  readonly why?: Why;
}

export interface Refused {
  readonly camera: string;
  readonly right: string;
  readonly words: string;
}

export interface Answer {
  readonly id: string;
  readonly grant: string;
  readonly expires_us: number;
  readonly media_port: number;
  readonly live: readonly string[];
  readonly replay: readonly string[];
  readonly recorded: readonly string[];
  readonly export: readonly string[];
  readonly refused: readonly Refused[];
  /** Whether recorded footage that may be looked at waits for security keys. */
  readonly shut: boolean;
  /** What was recorded later waits for them too; 0: nothing does. */
  readonly opened_until_us: number;
}

interface Surroundings {
  readonly room: Pick<Room, "ask">;
  readonly random: (bytes: Uint8Array<ArrayBuffer>) => void;
  /** SHA-256. */
  readonly digest: (bytes: Uint8Array<ArrayBuffer>) => Promise<ArrayBuffer>;
}

export class Granted implements CredentialSource {
  readonly #around: Surroundings;
  #wanted: Wanted = { live: [] };
  /** What was asked for last, and answered. */
  #answered: Wanted | undefined;
  #secret = "";
  #answer: Answer | undefined;
  /** One question at a time: what is asked last is what holds. */
  #turn: Promise<unknown> = Promise.resolve();
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(around: Surroundings) {
    this.#around = around;
  }

  /** Of the page that is open. */
  static here(room: Room): Granted {
    const granted = new Granted({
      room,
      random: (bytes) => crypto.getRandomValues(bytes),
      digest: (bytes) => crypto.subtle.digest("SHA-256", bytes),
    });
    granted.#timer = setInterval(() => void granted.#beat(), HEARTBEAT_MS);
    window.addEventListener("pagehide", () => granted.close());
    return granted;
  }

  /** What was given last. */
  get answer(): Answer | undefined {
    return this.#answer;
  }

  /** Takes what keys have opened: the grant as it is with it. */
  adopt(answer: Answer): void {
    if (answer.id === this.#answer?.id) this.#answer = answer;
  }

  /** Asks for what the page is to show from now on. Rejects with RequestError. */
  async want(wanted: Wanted): Promise<Answer> {
    this.#wanted = wanted;
    return this.#inTurn(() => {
      // What somebody has wished besides, meanwhile, is what is asked for: once.
      if (this.#answer !== undefined && this.#answered === this.#wanted) return Promise.resolve(this.#answer);
      return this.#answer === undefined ? this.#ask() : this.#change();
    });
  }

  async current(refused: boolean): Promise<Credentials> {
    const answer = await this.#inTurn(async () => {
      if (this.#answer === undefined) return this.#ask();
      return this.#renewed(this.#answer, refused);
    });
    return { grant: answer.grant, secret: this.#secret };
  }

  /** Gives it back: the page is going away. */
  close(): void {
    const answer = this.#answer;
    clearInterval(this.#timer);
    this.#answer = undefined;
    // `keepalive`: the request outlives the page. That nobody hears the answer does not matter: a minute later it is over.
    if (answer !== undefined) {
      void this.#around.room.ask("POST", `/viewing/grants/${answer.id}/close`, {}, { keepalive: true }).catch(() => undefined);
    }
  }

  async #inTurn<T>(action: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(action, action);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  async #ask(): Promise<Answer> {
    const secret = newSecret(this.#around.random);
    const bytes = Uint8Array.from(atob(secret.replaceAll("-", "+").replaceAll("_", "/")), (each) => each.charCodeAt(0));
    const digest = new Uint8Array(await this.#around.digest(bytes));
    const text = btoa(String.fromCharCode(...digest)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
    const wanted = this.#wanted;
    const answer = (await this.#around.room.ask("POST", "/viewing/grants", { ...wanted, secret_sha256: text })) as Answer;
    this.#answered = wanted;
    this.#secret = secret;
    this.#answer = answer;
    return answer;
  }

  async #change(): Promise<Answer> {
    const id = this.#answer?.id ?? "";
    const wanted = this.#wanted;
    try {
      this.#answer = (await this.#around.room.ask("POST", `/viewing/grants/${id}`, wanted)) as Answer;
      this.#answered = wanted;
      return this.#answer;
    } catch (error) {
      return this.#another(error);
    }
  }

  /** The grant as it is now; where the control room says that it is over, another. */
  async #renewed(answer: Answer, refused: boolean): Promise<Answer> {
    try {
      const renewed = (await this.#around.room.ask("POST", `/viewing/grants/${answer.id}/heartbeat`)) as Answer;
      // The recorder refuses what the control room holds for good: it has come to an end in between.
      if (refused && renewed.grant === answer.grant) return await this.#ask();
      this.#answer = renewed;
      return renewed;
    } catch (error) {
      return this.#another(error);
    }
  }

  async #another(error: unknown): Promise<Answer> {
    if (!(error instanceof RequestError) || error.status !== 404) throw error;
    try {
      return await this.#ask();
    } catch (second) {
      // Why the first one ended says more than that there is no second.
      if (second instanceof RequestError && second.status === 403) throw new RequestError("forbidden", error.message, 403);
      throw second;
    }
  }

  async #beat(): Promise<void> {
    const answer = this.#answer;
    if (answer === undefined) return;
    await this.#inTurn(async () => {
      try {
        this.#answer = (await this.#around.room.ask("POST", `/viewing/grants/${answer.id}/heartbeat`)) as Answer;
      } catch (error) {
        // What has ended is told by the recorder; a control room that is away will be there again.
        if (!(error instanceof RequestError)) throw error;
      }
    });
  }
}
