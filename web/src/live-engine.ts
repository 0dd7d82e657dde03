// SPDX-License-Identifier: Apache-2.0
// What shows live pictures: one of two engines (Media Source Extensions, or WebCodecs in a worker) behind one interface.

import type { StateHeader } from "./records.ts";

/** How one WebSocket ended. */
export interface Ending {
  /** Of the WebSocket; 1006 where the connection broke. */
  readonly code: number;
  /** What the recorder said, or nothing. */
  readonly message: string;
}

/** What an engine tells. All are called on the page's own thread. */
export interface EngineListener {
  /** A picture is on the screen; microseconds since the Unix epoch at which it was taken. */
  shown(pictureUs: number): void;
  /** Footage of a span came, in microseconds since the Unix epoch; whether it is being recorded, where that is known. */
  received(startUs: number, endUs: number, recorded: boolean | undefined): void;
  camera(state: StateHeader): void;
  /** Pictures were left out, because this viewer is too slow. */
  dropped(): void;
  ended(ending: Ending): void;
  /** The last picture is gone from the screen, and why; the engine begins anew once its next connection stands. */
  emptied(message: string): void;
  /** This engine cannot play the codec (RFC 6381); it has ended. */
  unplayable(codec: string): void;
  /** This engine does not work here, whatever the codec; it has ended. */
  failed(message: string): void;
}

export interface Engine {
  readonly name: "mse" | "webcodecs";
  /** To be put on the page. */
  readonly element: HTMLElement;
  /** Connects; again after `ended`, while the last picture stays unless `emptied` was told. */
  open(url: string, protocols: string[]): void;
  /** For good. Nothing is told after it. */
  close(): void;
}
