// SPDX-License-Identifier: Apache-2.0
// How a tile looks. Colours are the page's own properties (styles.css); contrast is 4.5:1 at least on each ground.

import { css } from "lit";

export const playerStyles = css`
  :host {
    display: grid;
    grid-template-rows: minmax(0, 1fr) auto;
    position: relative;
    overflow: hidden;
    min-width: 0;
    min-height: 0;
    background: #000;
    color: var(--text);
    container-type: inline-size;
    border: 2px solid var(--edge);
  }
  :host([selected]) {
    border-color: var(--accent);
  }
  :host([state="unrecorded"]) {
    border: 2px dashed var(--warn);
  }
  :host(:fullscreen) {
    border: 0;
  }
  .picture {
    grid-row: 1;
    grid-column: 1;
    position: relative;
    min-height: 0;
  }
  .picture > * {
    position: absolute;
    inset: 0;
    width: 100%;
    height: 100%;
    object-fit: contain;
    visibility: hidden;
  }
  .picture > .shown {
    visibility: visible;
  }
  /* An old picture must not be taken for a live one at a glance. */
  .old > .shown {
    filter: grayscale(1) brightness(0.35);
  }
  .banner {
    grid-row: 1;
    grid-column: 1;
    z-index: 1;
    align-self: center;
    justify-self: center;
    max-width: 90%;
    max-height: 100%;
    overflow: hidden;
    text-align: center;
    text-shadow: 0 0 3px #000, 0 0 6px #000;
    font-size: clamp(0.8125rem, 4cqw, 1.25rem);
    overflow-wrap: anywhere;
  }
  .banner p {
    margin: 0.15em 0;
  }
  .banner .what {
    font-weight: 700;
    font-size: 1.25em;
    text-transform: uppercase;
    letter-spacing: 0.04em;
  }
  .banner .what .icon {
    width: 1.1em;
    height: 1.1em;
    vertical-align: -0.15em;
  }
  /* Only what has happened is coloured; the rest is to be read. */
  .banner .why,
  .banner .last {
    color: var(--text);
    font-size: 0.8em;
  }
  .last {
    font-variant-numeric: tabular-nums;
  }
  .bar {
    grid-row: 2;
    display: flex;
    align-items: center;
    gap: 0.375rem;
    padding: 0 0.25rem 0 0.375rem;
    min-height: 1.75rem;
    background: var(--panel);
    font-size: 0.8125rem;
    white-space: nowrap;
    overflow: hidden;
  }
  .number {
    min-width: 1.125rem;
    text-align: center;
    border: 1px solid var(--quiet);
    border-radius: 3px;
    font-size: 0.6875rem;
    line-height: 1rem;
    color: var(--quiet);
  }
  .name {
    font-weight: 600;
    overflow: hidden;
    text-overflow: ellipsis;
    flex: 0 12 auto;
    min-width: 2.25rem;
  }
  .state,
  .selected {
    display: inline-flex;
    align-items: center;
    gap: 0.25rem;
    flex: 0 1 auto;
    min-width: 1rem;
    overflow: hidden;
  }
  .state .words {
    overflow: hidden;
    text-overflow: ellipsis;
  }
  .state .icon,
  .selected .icon {
    width: 0.875rem;
    height: 0.875rem;
    flex: none;
  }
  .selected {
    color: var(--accent);
  }
  .live {
    color: var(--good);
  }
  .unrecorded,
  .stale,
  .unplayable {
    color: var(--warn);
  }
  .lost,
  .away,
  .unauthorised {
    color: var(--bad);
  }
  .off,
  .connecting {
    color: var(--quiet);
  }
  .time {
    margin-left: auto;
    font-variant-numeric: tabular-nums;
    flex: none;
  }
  button {
    flex: none;
    display: inline-flex;
    align-items: center;
    justify-content: center;
    gap: 0.2rem;
    min-width: 1.75rem;
    height: 1.625rem;
    padding: 0 0.3rem;
    border: 1px solid transparent;
    border-radius: 3px;
    background: transparent;
    color: inherit;
    font: inherit;
    cursor: pointer;
  }
  button:hover {
    background: var(--raised);
    border-color: var(--quiet);
  }
  button:focus-visible {
    outline: 3px solid var(--focus);
    outline-offset: -2px;
  }
  .note {
    position: absolute;
    inset: auto 0 1.75rem 0;
    margin: 0;
    padding: 0.25rem 0.5rem;
    background: rgb(0 0 0 / 80%);
    color: var(--text);
    font-size: 0.8125rem;
    border-left: 4px solid var(--warn);
  }
  .hidden {
    position: absolute;
    width: 1px;
    height: 1px;
    overflow: hidden;
    clip-path: inset(50%);
  }
  /* A narrow tile has no room for what is told elsewhere too; its name, shape and words stay. */
  @container (max-width: 22rem) {
    .text {
      display: none;
    }
    .state.live .words {
      position: absolute;
      width: 1px;
      height: 1px;
      clip-path: inset(50%);
    }
  }
  @container (max-width: 15rem) {
    .bar button + button {
      display: none;
    }
  }
`;
