// SPDX-License-Identifier: Apache-2.0
// Which frames a decoder is given, so that it is never behind: what cannot be decoded in time is left out up to the next
// keyframe. Pure.

/** Frames waiting in the decoder (about half a second) above which the rest of the group is left out. */
const BEHIND = 12;
/** Frames waiting above which a keyframe begins anew, without those before it. */
const ANEW = 4;
/** The same moment, once counted in ticks and once in microseconds. */
const ROUNDING_US = 500;

export type Decision = "decode" | "skip" | "restart";

export class DecodeOrder {
  #needsKeyframe = true;
  #caughtUp = false;
  #endUs = -Infinity;

  /** The group of pictures that comes first is decoded whole, however many frames that are. */
  begin(): void {
    this.#needsKeyframe = true;
    this.#caughtUp = false;
    this.#endUs = -Infinity;
  }

  /** What was decoded last cannot be relied on: the decoder failed. */
  lose(): void {
    this.#needsKeyframe = true;
  }

  /**
   * What to do with a frame while `waiting` frames wait in the decoder. `restart`: empty the decoder, then decode it.
   * `decodeUs`: when it is to be decoded; a frame that came before, at the end of the first group, is left out.
   */
  decide(frame: { readonly keyframe: boolean; readonly decodeUs: number }, waiting: number): Decision {
    if (frame.decodeUs <= this.#endUs + ROUNDING_US) return "skip";
    this.#endUs = frame.decodeUs;
    if (waiting <= 1) this.#caughtUp = true;
    if (frame.keyframe) {
      this.#needsKeyframe = false;
      return waiting > ANEW ? "restart" : "decode";
    }
    if (this.#needsKeyframe) return "skip";
    if (this.#caughtUp && waiting > BEHIND) {
      this.#needsKeyframe = true;
      return "skip";
    }
    return "decode";
  }
}
