// SPDX-License-Identifier: Apache-2.0
// Which part of a day a timeline shows, and how it is drawn. Times are seconds since local midnight, lengths CSS pixels.

import type { Day } from "./day.ts";
import { type Recordings, causeInWords } from "./spans.ts";

export const SHORTEST_S = 60;
const LITTLE_S = 600;
const STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600];
/** Room that a label of the axis wants. */
const LABEL_PX = 84;

/** A part of a day, immutable. */
export class View {
  readonly from: number;
  readonly to: number;
  /** Length of the day. */
  readonly length: number;

  constructor(from: number, to: number, length: number) {
    const span = Math.min(Math.max(to - from, SHORTEST_S), length);
    this.from = Math.min(Math.max(from, 0), length - span);
    this.to = this.from + span;
    this.length = length;
  }

  static whole(length: number): View {
    return new View(0, length, length);
  }

  get span(): number {
    return this.to - this.from;
  }

  /** Larger (`factor` above 1) around a moment, which stays where it is. */
  zoomed(factor: number, around: number): View {
    const span = Math.min(Math.max(this.span / factor, SHORTEST_S), this.length);
    const share = (Math.min(Math.max(around, this.from), this.to) - this.from) / this.span;
    const from = Math.min(Math.max(around, this.from), this.to) - share * span;
    return new View(from, from + span, this.length);
  }

  moved(seconds: number): View {
    return new View(this.from + seconds, this.to + seconds, this.length);
  }

  /** This, or the part that has the moment, if it has left this one. */
  following(at: number): View {
    if (at >= this.from && at <= this.to) return this;
    const from = at > this.to && at - this.to < this.span ? at - this.span * 0.1 : at - this.span * (at < this.from ? 0.9 : 0.5);
    return new View(from, from + this.span, this.length);
  }

  /** The whole day, or where little of it is recorded, that part with some room around it. */
  static of(recorded: readonly { readonly start: number; readonly end: number }[], length: number): View {
    const start = Math.min(...recorded.map((span) => span.start));
    const end = Math.max(...recorded.map((span) => span.end));
    if (recorded.length === 0 || end - start > length / 4) return View.whole(length);
    const span = Math.max((end - start) * 1.2, LITTLE_S);
    return new View((start + end - span) / 2, (start + end + span) / 2, length);
  }

  x(at: number, width: number): number {
    return ((at - this.from) / this.span) * width;
  }

  at(x: number, width: number): number {
    return this.from + (Math.min(Math.max(x, 0), width) / Math.max(1, width)) * this.span;
  }

  /** Seconds between marks of the axis at a width. */
  step(width: number): number {
    const least = (this.span * LABEL_PX) / Math.max(1, width);
    return STEPS_S.find((step) => step >= least) ?? 21_600;
  }
}

export interface Lane {
  readonly camera: string;
  readonly recordings: Recordings;
}

export interface Drawing {
  readonly day: Day;
  readonly view: View;
  readonly lanes: readonly Lane[];
  /** Where the cursor is. */
  readonly at: number;
  readonly now: number;
  readonly markIn: number | undefined;
  readonly markOut: number | undefined;
}

export interface Colours {
  readonly ground: string;
  readonly text: string;
  readonly faint: string;
  readonly recorded: string;
  readonly gap: string;
  readonly cursor: string;
  readonly mark: string;
}

export const AXIS_PX = 24;
export const LANE_PX = 20;
const SPACE_PX = 3;
const FONT = "12px system-ui, sans-serif";

export function heightFor(lanes: number): number {
  return AXIS_PX + Math.max(1, lanes) * (LANE_PX + SPACE_PX) + SPACE_PX;
}

/** Stripes for gaps: they are told from footage without any colour. */
function stripes(context: CanvasRenderingContext2D, colours: Colours): CanvasPattern | string {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 8;
  const pen = tile.getContext("2d");
  if (pen === null) return colours.gap;
  pen.strokeStyle = colours.gap;
  pen.lineWidth = 1;
  for (const shift of [-8, 0, 8]) {
    pen.beginPath();
    pen.moveTo(shift, 8);
    pen.lineTo(shift + 8, 0);
    pen.stroke();
  }
  return context.createPattern(tile, "repeat") ?? colours.gap;
}

/** Draws names into the first `gutter` pixels and the day into the other `width`. */
export function draw(
  context: CanvasRenderingContext2D,
  { gutter, width }: { gutter: number; width: number },
  drawing: Drawing,
  colours: Colours,
): void {
  const { view, day, lanes } = drawing;
  const height = heightFor(lanes.length);
  const topOf = (row: number) => AXIS_PX + row * (LANE_PX + SPACE_PX);
  context.fillStyle = colours.ground;
  context.fillRect(0, 0, gutter + width, height);
  context.font = FONT;
  context.textBaseline = "middle";
  context.fillStyle = colours.text;
  for (const [row, lane] of lanes.entries()) {
    context.fillText(lane.camera, 4, topOf(row) + LANE_PX / 2, gutter - 8);
  }
  context.save();
  context.translate(gutter, 0);
  context.beginPath();
  context.rect(-8, 0, width + 8, height);
  context.clip();
  const striped = stripes(context, colours);
  for (const [row, lane] of lanes.entries()) drawLane(context, width, topOf(row), lane, view, colours, striped);
  drawAxis(context, width, height, day, view, colours);
  for (const [row, lane] of lanes.entries()) drawWords(context, width, topOf(row), lane, view, colours);
  drawMarks(context, width, height, drawing, colours);
  context.restore();
}

/** Room for the names of the lanes. */
export function gutterFor(context: CanvasRenderingContext2D, lanes: readonly Lane[], width: number): number {
  context.font = FONT;
  const longest = Math.max(0, ...lanes.map((lane) => context.measureText(lane.camera).width));
  return Math.ceil(Math.min(longest + 12, width / 5));
}

function drawLane(
  context: CanvasRenderingContext2D,
  width: number,
  top: number,
  { recordings }: Lane,
  view: View,
  colours: Colours,
  striped: CanvasPattern | string,
): void {
  const seen = (each: { start: number; end: number }) => each.end > view.from && each.start < view.to;
  const edges = (each: { start: number; end: number }): [number, number] => {
    const left = Math.max(0, view.x(each.start, width));
    // What is shorter than a pixel is a pixel wide: a gap does not vanish by looking from afar.
    return [left, Math.max(1, Math.min(width, view.x(each.end, width)) - left)];
  };
  context.fillStyle = colours.recorded;
  for (const span of recordings.spans.filter(seen)) {
    const [left, wide] = edges(span);
    context.fillRect(left, top, wide, LANE_PX);
  }
  for (const gap of recordings.gaps.filter(seen)) {
    const [left, wide] = edges(gap);
    context.fillStyle = colours.ground;
    context.fillRect(left, top, wide, LANE_PX);
    context.fillStyle = wide > 3 ? striped : colours.gap;
    context.fillRect(left, top, wide, LANE_PX);
    context.strokeStyle = colours.gap;
    if (wide > 3) context.strokeRect(left + 0.5, top + 0.5, wide - 1, LANE_PX - 1);
  }
}

/** Why there is nothing, where there is room to say it. */
function drawWords(
  context: CanvasRenderingContext2D,
  width: number,
  top: number,
  { recordings }: Lane,
  view: View,
  colours: Colours,
): void {
  for (const gap of recordings.gaps) {
    if (gap.end <= view.from || gap.start >= view.to) continue;
    const left = Math.max(0, view.x(gap.start, width));
    const wide = Math.min(width, view.x(gap.end, width)) - left;
    const words = `No recording: ${causeInWords(gap)}`;
    for (const text of [words, causeInWords({ ...gap, detail: "" })]) {
      const length = context.measureText(text).width;
      if (length + 12 > wide) continue;
      context.fillStyle = colours.ground;
      context.fillRect(left + 3, top + 2, length + 6, LANE_PX - 4);
      context.fillStyle = colours.text;
      context.fillText(text, left + 6, top + LANE_PX / 2);
      break;
    }
  }
}

function drawAxis(
  context: CanvasRenderingContext2D,
  width: number,
  height: number,
  day: Day,
  view: View,
  colours: Colours,
): void {
  const step = view.step(width);
  context.strokeStyle = colours.faint;
  context.fillStyle = colours.text;
  for (const at of day.ticks(view.from, view.to, step)) {
    const x = Math.round(view.x(at, width)) + 0.5;
    context.beginPath();
    context.moveTo(x, AXIS_PX - 6);
    context.lineTo(x, height);
    context.globalAlpha = 0.35;
    context.stroke();
    context.globalAlpha = 1;
    const label = day.label(at, { seconds: step < 60 });
    if (x + 3 + context.measureText(label).width < width) context.fillText(label, x + 3, AXIS_PX / 2 - 1);
  }
}

function drawMarks(
  context: CanvasRenderingContext2D,
  width: number,
  height: number,
  { view, at, now, markIn, markOut }: Drawing,
  colours: Colours,
): void {
  const line = (moment: number, colour: string, wide: number, dash: number[]): number | undefined => {
    if (moment < view.from || moment > view.to) return undefined;
    const x = view.x(moment, width);
    context.strokeStyle = colour;
    context.lineWidth = wide;
    context.setLineDash(dash);
    context.beginPath();
    context.moveTo(x, AXIS_PX - 4);
    context.lineTo(x, height);
    context.stroke();
    context.lineWidth = 1;
    context.setLineDash([]);
    return x;
  };
  const flag = (moment: number | undefined, text: string, before: boolean, colour: string): void => {
    const x = moment === undefined ? undefined : line(moment, colour, 2, []);
    if (x === undefined) return;
    const wide = context.measureText(text).width + 8;
    const left = before ? x - wide : x;
    context.fillStyle = colour;
    context.fillRect(left, AXIS_PX - 8, wide, 16);
    context.fillStyle = colours.ground;
    context.fillText(text, left + 4, AXIS_PX);
  };
  if (markIn !== undefined && markOut !== undefined && markOut > markIn) {
    const [left, right] = [view.x(markIn, width), view.x(markOut, width)];
    context.fillStyle = colours.mark;
    context.fillRect(left, AXIS_PX - 3, right - left, 3);
  }
  flag(markIn, "In", true, colours.mark);
  flag(markOut, "Out", false, colours.mark);
  const nowX = line(now, colours.text, 1, [3, 3]);
  if (nowX !== undefined) {
    context.fillStyle = colours.text;
    const wide = context.measureText("now").width;
    context.fillText("now", Math.min(nowX + 3, width - wide - 2), height - 8);
  }
  const x = line(at, colours.cursor, 2, []);
  if (x === undefined) return;
  context.fillStyle = colours.cursor;
  context.beginPath();
  context.moveTo(x - 7, AXIS_PX - 12);
  context.lineTo(x + 7, AXIS_PX - 12);
  context.lineTo(x, AXIS_PX - 1);
  context.fill();
}
