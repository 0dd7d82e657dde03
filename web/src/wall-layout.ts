// SPDX-License-Identifier: Apache-2.0
// Which cameras stand where on the wall. Pure.

export const LAYOUTS = [1, 4, 9, 16] as const;
export type Layout = (typeof LAYOUTS)[number];

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

/** Where an arrow key leads from a tile among `count`: the same tile at an edge. */
export function neighbour(index: number, key: string, layout: Layout, count: number): number {
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

/** "3 live, 1 no signal": what is, most frequent first, with what is wrong never left out. */
export function summary(states: Iterable<string>): string {
  const counts = new Map<string, number>();
  for (const words of states) counts.set(words.toLowerCase(), (counts.get(words.toLowerCase()) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1]).map(([words, count]) => `${count} ${words}`).join(", ");
}
