// SPDX-License-Identifier: Apache-2.0
// Shapes of states and buttons. Each state has a shape of its own, so that none is told by colour alone.

import { svg, type SVGTemplateResult } from "lit";

import type { Phase } from "./live-status.ts";

function icon(content: SVGTemplateResult): SVGTemplateResult {
  return svg`<svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false"
    fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round">${content}</svg>`;
}

const STATES: Record<Phase, SVGTemplateResult> = {
  // Three dots: something is on its way.
  connecting: icon(svg`<g fill="currentColor" stroke="none"><circle cx="3" cy="8" r="1.7"/><circle cx="8" cy="8" r="1.7"/>
    <circle cx="13" cy="8" r="1.7"/></g>`),
  // A full disc: recording.
  live: icon(svg`<circle cx="8" cy="8" r="5" fill="currentColor" stroke="none"/>`),
  // An empty, crossed-out disc: not recorded.
  unrecorded: icon(svg`<circle cx="8" cy="8" r="5.5"/><path d="M3 13 13 3"/>`),
  // A clock: the picture is old.
  stale: icon(svg`<circle cx="8" cy="8" r="6.2"/><path d="M8 4.4V8l2.6 1.8"/>`),
  // A cross: nothing comes from the camera.
  lost: icon(svg`<path d="M3 3l10 10M13 3 3 13"/>`),
  // A broken line: the recorder is not reached.
  away: icon(svg`<path d="M1.5 8h4M10.5 8h4M6.6 5 5 11M11 5 9.4 11"/>`),
  // A square: stopped.
  off: icon(svg`<rect x="3" y="3" width="10" height="10"/>`),
  // A padlock.
  unauthorised: icon(svg`<rect x="3" y="7" width="10" height="7" rx="1"/><path d="M5 7V5a3 3 0 0 1 6 0v2"/>`),
  // A triangle with a stroke: the browser cannot.
  unplayable: icon(svg`<path d="M8 2 14.5 14h-13zM8 6.6v3.2M8 12v.01"/>`),
};

export function stateIcon(phase: Phase): SVGTemplateResult {
  return STATES[phase];
}

export const lookBackIcon = icon(svg`<path d="M3 3.2v3.6h3.6M3.4 6.8a5.2 5.2 0 1 1-.6 2.6"/>`);
export const fullScreenIcon = icon(svg`<path d="M2 6V2h4M10 2h4v4M14 10v4h-4M6 14H2v-4"/>`);
export const selectedIcon = icon(svg`<path d="M3 8.5 6.5 12 13 4.5"/>`);
