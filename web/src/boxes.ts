// SPDX-License-Identifier: Apache-2.0
// Boxes of ISO base media files (ISO/IEC 14496-12): found by kind, bounds-checked.

export interface Box {
  readonly kind: string;
  /** Where the box begins. */
  readonly at: number;
  /** Where its content begins. */
  readonly body: number;
  readonly end: number;
}

export class MediaError extends Error {}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function* boxes(view: DataView, from: number, to: number): Generator<Box> {
  let at = from;
  while (at + 8 <= to) {
    let size = view.getUint32(at);
    let body = at + 8;
    if (size === 1 && at + 16 <= to) {
      size = Number(view.getBigUint64(at + 8));
      body = at + 16;
    } else if (size === 0) size = to - at;
    if (size < body - at || at + size > to) throw new MediaError(`box at offset ${at}: size ${size} is out of bounds`);
    let kind = "";
    for (let i = 4; i < 8; i++) kind += String.fromCharCode(view.getUint8(at + i));
    yield { kind, at, body, end: at + size };
    at += size;
  }
}

export function child(view: DataView, parent: Pick<Box, "body" | "end">, kind: string): Box | undefined {
  for (const box of boxes(view, parent.body, parent.end)) if (box.kind === kind) return box;
  return undefined;
}

export function path(view: DataView, from: Pick<Box, "body" | "end">, ...kinds: string[]): Box {
  let box = from;
  for (const kind of kinds) {
    const next = child(view, box, kind);
    if (next === undefined) throw new MediaError(`no ${kinds.join("/")}`);
    box = next;
  }
  return box as Box;
}
