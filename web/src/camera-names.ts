// SPDX-License-Identifier: Apache-2.0
// What people call cameras. The recorder knows them by a short name that never changes; a page that knows better says so
// here, once, for every element on it.

const names = new Map<string, string>();

export function nameCameras(known: Iterable<readonly [camera: string, name: string]>): void {
  for (const [camera, name] of known) names.set(camera, name);
}

/** How a camera is shown: its name, or the short one where no other is known. */
export function nameOf(camera: string): string {
  return names.get(camera) ?? camera;
}
