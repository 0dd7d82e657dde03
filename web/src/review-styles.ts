// SPDX-License-Identifier: Apache-2.0
// How the looking-back view looks. Colours are the page's own properties (styles.css). Nothing moves but the pictures.

import { css } from "lit";

export const reviewStyles = css`
  :host { display: flex; flex-direction: column; gap: 4px; min-height: 0; height: 100%; padding: 0 8px 4px; box-sizing: border-box;
    color: var(--text, #f2f4f7); background: var(--ground, #101317); font: 0.875rem/1.35 system-ui, sans-serif; }
  .row { display: flex; flex-wrap: wrap; gap: 4px 12px; align-items: center; }
  .group { display: flex; gap: 4px; align-items: center; margin: 0; padding: 0; border: 0; min-width: 0; }
  legend { float: left; padding: 0 4px 0 0; }
  button, input, select { min-height: 1.75rem; min-width: 1.75rem; padding: 2px 8px; font: inherit; color: inherit;
    background: var(--raised, #2a3038); border: 1px solid var(--quiet, #aab4c2); border-radius: 3px; }
  button { cursor: pointer; }
  button:hover { background: var(--hover, #3a4350); }
  button[aria-pressed="true"] { background: var(--text, #f2f4f7); color: var(--ground, #101317); font-weight: 700; }
  button:disabled { opacity: 0.55; cursor: not-allowed; }
  :is(button, input, select):focus-visible { outline: 3px solid var(--focus, #ffdd00); outline-offset: 1px; }
  .days { display: flex; gap: 0; }
  .days button { position: relative; width: 1.5rem; min-width: 1.5rem; height: 1.875rem; min-height: 1.875rem; padding: 0; border-radius: 0;
    border-width: 1px 0 1px 1px; font-size: 0.6875rem; background: var(--panel, #1b2026); overflow: hidden; }
  .days button:last-child { border-right-width: 1px; }
  .days button[aria-current="date"] { outline: 2px solid var(--text, #f2f4f7); outline-offset: -2px; font-weight: 700; }
  .days button:focus-visible { outline: 3px solid var(--focus, #ffdd00); outline-offset: 1px; z-index: 1; }
  .days svg { position: absolute; inset: auto 2px 2px; width: calc(100% - 4px); height: 10px; }
  .days rect { fill: var(--recorded-bar, #7fb0e6); }
  .days span { position: absolute; inset: 1px 0 auto; text-align: center; }
  .tiles { flex: 1; min-height: 160px; display: grid; gap: 4px; }
  .tiles.n1 { grid-template: 1fr / 1fr; }
  .tiles.n2 { grid-template: 1fr / 1fr 1fr; }
  .tiles.n4 { grid-template: 1fr 1fr / 1fr 1fr; }
  .tiles.n9 { grid-template: repeat(3, 1fr) / repeat(3, 1fr); }
  .now { font-size: 1.25rem; font-weight: 700; font-variant-numeric: tabular-nums; min-width: 8.2em; }
  .message { margin: 0; padding: 2px 8px; border-inline-start: 4px solid var(--warn, #ffd866); }
  .spacer { margin-inline-start: auto; }
  .speed button { padding: 2px 4px; min-width: 2.25rem; }
  .play { min-width: 5.5em; font-weight: 700; }
`;
