// SPDX-License-Identifier: Apache-2.0
// Which cameras are looked back at, in how many tiles; and what lies between two marks. Pure.

export const LAYOUTS = [1, 2, 4, 9] as const;
export type Layout = (typeof LAYOUTS)[number];
export const MOST = 9;

/** The cameras in the tiles, in order and each once, with the one that keys and buttons mean. */
export interface Shown {
  readonly cameras: readonly string[];
  readonly layout: Layout;
  readonly picked: number;
}

export const NOTHING: Shown = { cameras: [], layout: 1, picked: 0 };

export function layoutFor(cameras: number): Layout {
  return LAYOUTS.find((layout) => layout >= cameras) ?? MOST;
}

/** One camera alone. */
export function alone(camera: string): Shown {
  return { cameras: [camera], layout: 1, picked: 0 };
}

/** With a further camera, which is picked; beyond nine, in place of the one that was. */
export function withCamera(shown: Shown, camera: string): Shown {
  const there = shown.cameras.indexOf(camera);
  if (there >= 0) return { ...shown, picked: there };
  const full = shown.cameras.length >= MOST;
  const cameras = full ? shown.cameras.map((each, i) => (i === shown.picked ? camera : each)) : [...shown.cameras, camera];
  return { cameras, layout: layoutFor(cameras.length), picked: cameras.indexOf(camera) };
}

export function withoutCamera(shown: Shown, camera: string): Shown {
  const cameras = shown.cameras.filter((each) => each !== camera);
  return { cameras, layout: layoutFor(cameras.length), picked: within(shown.picked, cameras) };
}

/** So many tiles, with the cameras that were there and the `others` behind them. */
export function inLayout(shown: Shown, layout: Layout, others: readonly string[]): Shown {
  const further = others.filter((each) => !shown.cameras.includes(each));
  const cameras = [...shown.cameras, ...further].slice(0, layout);
  return { cameras, layout, picked: within(shown.picked, cameras) };
}

/** The one that was picked, alone in the room. */
export function pickedFirst(shown: Shown): Shown {
  const picked = shown.cameras[shown.picked];
  return picked === undefined ? shown : { ...shown, cameras: [picked], picked: 0 };
}

/** Another camera in a tile. A camera is shown once: where it was, the tile's own goes. */
export function withTile(shown: Shown, tile: number, camera: string): Shown {
  const before = shown.cameras[tile];
  const cameras = shown.cameras.map((each, i) => (i === tile ? camera : each === camera ? (before ?? each) : each));
  return { ...shown, cameras };
}

function within(picked: number, cameras: readonly string[]): number {
  return Math.max(0, Math.min(picked, cameras.length - 1));
}

/** Where a clip begins and ends, in seconds of the day. */
export interface Marks {
  readonly in: number | undefined;
  readonly out: number | undefined;
}

export const UNMARKED: Marks = { in: undefined, out: undefined };

/** A mark that would end up on the wrong side of the other one takes it away. */
export function marked(marks: Marks, what: "in" | "out" | "clear", at: number): Marks {
  if (what === "clear") return UNMARKED;
  if (what === "in") return { in: at, out: marks.out !== undefined && marks.out <= at ? undefined : marks.out };
  return { in: marks.in !== undefined && marks.in >= at ? undefined : marks.in, out: at };
}
