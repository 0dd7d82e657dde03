// SPDX-License-Identifier: Apache-2.0
// Live pictures with the least delay: WebCodecs (or, for Motion JPEG, images) in a worker, drawn to a canvas there.

import type { FromWorker, ToWorker } from "./decode-worker.ts";
import type { Engine, EngineListener } from "./live-engine.ts";

/** Whether this browser has what the engine needs; which codecs it has is found out by trying. WebCodecs need HTTPS. */
export function webCodecsHere(): boolean {
  return workersDraw() && "VideoDecoder" in globalThis;
}

/** Whether a worker can draw images: all that Motion JPEG needs. */
export function workersDraw(): boolean {
  return "OffscreenCanvas" in globalThis && "transferControlToOffscreen" in HTMLCanvasElement.prototype;
}

export class WebCodecsEngine implements Engine {
  readonly name = "webcodecs";
  readonly element: HTMLCanvasElement;
  readonly #listener: EngineListener;
  readonly #worker: Worker;
  #closed = false;

  /** `script`: where the worker's own lies. */
  constructor(listener: EngineListener, script: string | URL) {
    this.#listener = listener;
    this.element = document.createElement("canvas");
    // The tile around it says what it shows.
    this.element.setAttribute("aria-hidden", "true");
    this.#worker = new Worker(script, { type: "module" });
    this.#worker.addEventListener("message", (event: MessageEvent<FromWorker>) => this.#heard(event.data));
    this.#worker.addEventListener("error", (event) => this.#heard({ type: "failed", message: event.message }));
    const canvas = this.element.transferControlToOffscreen();
    this.#worker.postMessage({ type: "canvas", canvas } satisfies ToWorker, [canvas]);
  }

  open(url: string, protocols: string[]): void {
    this.#worker.postMessage({ type: "open", url, protocols } satisfies ToWorker);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    // Terminating it closes its socket and its decoder.
    this.#worker.terminate();
  }

  #heard(message: FromWorker): void {
    if (this.#closed) return;
    const listener = this.#listener;
    switch (message.type) {
      case "shown":
        listener.shown(message.pictureUs);
        break;
      case "received":
        listener.received(message.startUs, message.endUs, message.recorded);
        break;
      case "camera":
        listener.camera(message.state);
        break;
      case "dropped":
        listener.dropped();
        break;
      case "ended":
        listener.ended(message);
        break;
      case "unplayable":
        this.close();
        listener.unplayable(message.codec);
        break;
      case "failed":
        this.close();
        listener.failed(message.message);
        break;
    }
  }
}
