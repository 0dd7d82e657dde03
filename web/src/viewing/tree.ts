// SPDX-License-Identifier: Apache-2.0
// Cameras sorted into the branches of a tree, and those that a search finds. Pure.

import type { Camera } from "./room.ts";

export interface Branch {
  readonly id: string;
  /** Of the site. */
  readonly name: string;
  readonly cameras: readonly Camera[];
}

/** Sites with the cameras whose name, site or group has every word of a search. Order is kept. */
export function branches(cameras: readonly Camera[], search: string): Branch[] {
  const words = folded(search).split(/\s+/).filter((word) => word !== "");
  const found = new Map<string, Camera[]>();
  for (const camera of cameras) {
    const text = folded(`${camera.name} ${camera.key} ${camera.site} ${camera.group}`);
    if (!words.every((word) => text.includes(word))) continue;
    const site = found.get(camera.site);
    if (site === undefined) found.set(camera.site, [camera]);
    else site.push(camera);
  }
  return [...found].map(([name, of]) => ({ id: `site-${encodeURIComponent(name)}`, name, cameras: of }));
}

/** As it is compared: without case and accents. */
function folded(text: string): string {
  return text.normalize("NFD").replaceAll(/\p{M}/gu, "").toLowerCase();
}
