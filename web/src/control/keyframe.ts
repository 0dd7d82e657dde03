// SPDX-License-Identifier: Apache-2.0
// The picture of a stream that was looked at: one keyframe, which the browser decodes, or words where it cannot.

class StreamKeyframe extends HTMLElement {
  connectedCallback(): void {
    const video = this.querySelector("video");
    const words = this.querySelector("p");
    if (video === null || words === null) return;
    const failed = (): void => {
      video.hidden = true;
      words.hidden = false;
    };
    video.addEventListener("error", failed);
    // A codec may be unknown while the file is read well: then there is sound or nothing, and no size.
    video.addEventListener("loadeddata", () => {
      if (video.videoWidth === 0) failed();
    });
    if (video.error !== null) failed();
  }
}

customElements.define("overt-keyframe", StreamKeyframe);
