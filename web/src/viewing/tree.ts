// SPDX-License-Identifier: Apache-2.0
// Cameras sorted into the branches of a tree, and those that a search finds. Pure.

import type { Camera } from "./room.ts";

export interface Branch {
  readonly id: string;
  /** Of the site. */
  readonly name: string;
  readonly cameras: readonly Camera[];
}

/**
 * Sites with the cameras whose name, site or group has every word of a search. Cameras whose own name has them come first,
 * and so do their sites; otherwise order is kept.
 */
export function branches(cameras: readonly Camera[], search: string): Branch[] {
  const words = folded(search).split(/\s+/).filter((word) => word !== "");
  const has = (text: string) => words.every((word) => folded(text).includes(word));
  const found = new Map<string, { named: Camera[]; others: Camera[] }>();
  for (const camera of cameras) {
    const named = words.length === 0 || has(camera.name);
    if (!named && !has(`${camera.name} ${camera.key} ${camera.site} ${camera.group}`)) continue;
    let site = found.get(camera.site);
    if (site === undefined) found.set(camera.site, (site = { named: [], others: [] }));
    (named ? site.named : site.others).push(camera);
  }
  const sites = [...found].map(([name, { named, others }]) => ({ name, named: named.length > 0, cameras: [...named, ...others] }));
  const ordered = [...sites.filter((site) => site.named), ...sites.filter((site) => !site.named)];
  return ordered.map(({ name, cameras: of }) => ({ id: `site-${encodeURIComponent(name)}`, name, cameras: of }));
}

/** As it is compared: without case and accents. */
function folded(text: string): string {
  return text.normalize("NFD").replaceAll(/\p{M}/gu, "").toLowerCase();
}
