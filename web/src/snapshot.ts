// SPDX-License-Identifier: Apache-2.0
// The picture on the screen as a file of the viewer's own: named after camera, day and the moment of the frame.

import { announce } from "./announce.ts";
import type { Day } from "./day.ts";
import type { RecordedPlayer } from "./recorded.ts";

/** `at`: seconds since local midnight, where the player does not know its frame's moment. */
export async function savePicture(player: RecordedPlayer | undefined, day: Day, at: number): Promise<void> {
  const moment = player?.painted?.moment ?? at;
  const picture = await player?.snapshot();
  if (picture === undefined || player === undefined) {
    announce("There is no picture to save.", "snapshot");
    return;
  }
  const time = day.label(moment, { decimals: 3 }).replaceAll(":", "-").replaceAll(" ", "_");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(picture);
  link.download = `${player.footage.camera}_${day.date}_${time}.png`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  announce(`Saved ${link.download}.`, "snapshot");
}
