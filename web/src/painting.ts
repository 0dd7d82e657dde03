// SPDX-License-Identifier: Apache-2.0
// The canvas that lies over a tile's video element and shows decoded pictures.

export class Painting {
  readonly #canvas: HTMLCanvasElement;
  #moment: number | undefined;
  /** The picture on the canvas: its moment, and when it was painted (milliseconds of `performance.now`). */
  painted: { moment: number; at: number } | undefined;
  /** Pictures painted so far. */
  count = 0;

  constructor(canvas: HTMLCanvasElement) {
    this.#canvas = canvas;
  }

  /** Pixels across that are worth decoding. */
  get width(): number {
    return Math.max(160, Math.round(this.#canvas.clientWidth * devicePixelRatio) || 320);
  }

  get shown(): boolean {
    return !this.#canvas.hidden;
  }

  paint(bitmap: ImageBitmap, moment: number): void {
    const canvas = this.#canvas;
    canvas.hidden = false;
    if (this.#moment === moment && canvas.width === bitmap.width) return;
    if (canvas.width !== bitmap.width) canvas.width = bitmap.width;
    if (canvas.height !== bitmap.height) canvas.height = bitmap.height;
    canvas.getContext("2d", { alpha: false })?.drawImage(bitmap, 0, 0);
    this.#moment = moment;
    this.painted = { moment, at: performance.now() };
    this.count += 1;
  }

  /** Shows what lies under it. */
  hide(): void {
    this.#canvas.hidden = true;
    this.#moment = undefined;
    this.painted = undefined;
  }
}
