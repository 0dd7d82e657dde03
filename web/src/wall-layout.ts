// SPDX-License-Identifier: Apache-2.0
// Which cameras stand where on the wall. Pure.

/** Numbers of tiles; 6 are a large one and five small ones around it. */
export const LAYOUTS = [1, 4, 6, 9, 16] as const;
export type Layout = (typeof LAYOUTS)[number];

/** How a layout is named on its button. */
export function layoutName(layout: Layout): string {
  return layout === 6 ? "1+5" : String(layout);
}

/** The smallest layout that shows so many cameras at once, or the largest. */
export function layoutFor(cameras: number): Layout {
  return LAYOUTS.find((layout) => layout >= cameras) ?? 16;
}

/** The next layout with more tiles (`1`) or fewer (`-1`); the same at the end. */
export function nextLayout(layout: Layout, direction: 1 | -1): Layout {
  const at = LAYOUTS.indexOf(layout) + direction;
  return LAYOUTS[at] ?? layout;
}

export function pagesOf(cameras: number, layout: Layout): number {
  return Math.max(1, Math.ceil(cameras / layout));
}

/** The page on which a camera stands. */
export function pageWith(index: number, layout: Layout): number {
  return Math.max(0, Math.floor(index / layout));
}

/** Neighbours in the layout of a large tile (0) and five small ones: on its right 1 and 2, below it 3, 4 and 5. */
const AROUND: Record<string, readonly number[]> = {
  ArrowLeft: [0, 0, 0, 3, 3, 4],
  ArrowRight: [1, 1, 2, 4, 5, 5],
  ArrowUp: [0, 1, 1, 0, 0, 2],
  ArrowDown: [3, 2, 5, 3, 4, 5],
};

/** Where an arrow key leads from a tile among `count`: the same tile at an edge. */
export function neighbour(index: number, key: string, layout: Layout, count: number): number {
  if (layout === 6) {
    const to = AROUND[key]?.[index] ?? index;
    return to < count ? to : index;
  }
  const columns = Math.sqrt(layout);
  const column = index % columns;
  const steps: Record<string, number> = {
    ArrowLeft: column > 0 ? -1 : 0,
    ArrowRight: column < columns - 1 ? 1 : 0,
    ArrowUp: -columns,
    ArrowDown: columns,
  };
  const to = index + (steps[key] ?? 0);
  return to < 0 || to >= count ? index : to;
}

/**
 * Cameras of a wall with one put into a tile. Each stands once: where it stood before, what it takes the place of stands
 * now. What is beyond the tiles waits there.
 */
export function withCamera(cells: readonly (string | null)[], layout: Layout, at: number, camera: string): (string | null)[] {
  const found = Array.from({ length: layout }, (_, i) => cells[i] ?? null);
  const before = found.indexOf(camera);
  if (before >= 0) found[before] = found[at] ?? null;
  found[at] = camera;
  return [...found, ...cells.slice(layout).filter((each) => each !== null && each !== camera)];
}

/**
 * Cameras of a wall that gets another layout: those beyond its tiles go where there is room, and wait where there is none,
 * so that a larger layout has them again.
 */
export function rearranged(cells: readonly (string | null)[], layout: Layout): (string | null)[] {
  const found = Array.from({ length: layout }, (_, i) => cells[i] ?? null);
  const waiting = [];
  for (const camera of cells.slice(layout).filter((each) => each !== null)) {
    const free = found.indexOf(null);
    if (free < 0) waiting.push(camera);
    else found[free] = camera;
  }
  return [...found, ...waiting];
}

/** "3 live, 1 no signal": what is, most frequent first, with what is wrong never left out. */
export function summary(states: Iterable<string>): string {
  const counts = new Map<string, number>();
  for (const words of states) counts.set(words.toLowerCase(), (counts.get(words.toLowerCase()) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1]).map(([words, count]) => `${count} ${words}`).join(", ");
}
