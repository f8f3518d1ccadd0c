// SPDX-License-Identifier: Apache-2.0
/** What is drawn over a picture: links, points, boxes, proposals. Screen pixels, so that it is legible at any zoom. */
import type { Box, Point } from "../pose/crop";
import type { Link } from "../pose/skeleton";
import type { Mark } from "../project/model";
import type { View } from "./view";

const INK = "#141414";
const PAPER = "#ffffff";

export interface Scene {
  readonly marks: readonly (Mark | null)[];
  readonly links: readonly Link[];
  readonly colours: readonly string[];
  readonly names: readonly string[];
  /** (K) in [0, 1]; null: all are sure, as a person's own are. */
  readonly score: readonly number[] | null;
  readonly threshold: number;
  readonly box: Box | null;
  /** What the model says, beside what a person said. */
  readonly ghost: readonly Point[] | null;
  readonly selected: number | null;
  readonly hovered: number | null;
  readonly showNames: boolean;
  /** Other objects of the picture. */
  readonly others: readonly (readonly (Mark | null)[])[];
}

/** Radius of a point on the screen: it follows the object, so that many points on a small object are legible. */
export function radiusOf(marks: readonly (Mark | null)[], view: View): number {
  const places = marks.flatMap((mark) => (mark ? [view.toScreen(mark.at)] : []));
  const most = 8 * Math.min(Math.max(view.canvas.clientWidth / 700, 1), 2); // as the page's letters
  if (places.length < 2) return most;
  const span = (axis: 0 | 1) => Math.max(...places.map((p) => p[axis])) - Math.min(...places.map((p) => p[axis]));
  return Math.min(Math.max((0.22 * Math.hypot(span(0), span(1))) / Math.sqrt(places.length), 3.5), most);
}

export function paintScene(context: CanvasRenderingContext2D, view: View, scene: Scene): void {
  const radius = radiusOf(scene.marks, view);
  for (const marks of scene.others) for (const mark of marks) if (mark) dot(context, view.toScreen(mark.at), radius * 0.6, "#9a9a9a", 0.7);
  if (scene.box) paintBox(context, view, scene.box);
  const score = (k: number) => scene.score?.[k] ?? 1;
  for (const [start, end] of scene.links) {
    const [from, to] = [scene.marks[start], scene.marks[end]];
    if (!from || !to) continue;
    const sure = Math.min(score(start), score(end)) >= scene.threshold && from.visible && to.visible;
    line(context, view.toScreen(from.at), view.toScreen(to.at), radius, sure, scene.colours[start]!, scene.colours[end]!);
  }
  scene.ghost?.forEach((point, k) => {
    const mark = scene.marks[k];
    if (mark && distance(mark.at, point) * view.scale > 2) ghost(context, view.toScreen(point), view.toScreen(mark.at), radius);
  });
  scene.marks.forEach((mark, k) => {
    if (!mark) return;
    const at = view.toScreen(mark.at);
    const colour = scene.colours[k]!;
    const edge = view.edge(at);
    if (edge) return arrow(context, edge, at, colour);
    if (k === scene.selected || k === scene.hovered) ring(context, at, radius + 5, k === scene.selected ? 3 : 1.5);
    if (!mark.visible) cross(context, at, radius, colour);
    else if (score(k) >= scene.threshold) dot(context, at, radius, colour, 0.35 + 0.65 * score(k));
    else hollow(context, at, radius, colour);
    if (scene.showNames || k === scene.selected || k === scene.hovered) {
      label(context, at, radius, scene.names[k]!, scene.score ? ` ${Math.round(100 * score(k))} %` : "");
    }
  });
}

function dot(context: CanvasRenderingContext2D, [x, y]: Point, radius: number, colour: string, opacity: number): void {
  context.globalAlpha = opacity;
  for (const [size, paint] of [[radius + 2.5, INK], [radius + 1.25, PAPER], [radius, colour]] as const) {
    circle(context, x, y, size);
    context.fillStyle = paint;
    context.fill();
  }
  context.globalAlpha = 1;
}

/** A point that the model is not sure of: a ring with dashes, nothing in it. */
function hollow(context: CanvasRenderingContext2D, [x, y]: Point, radius: number, colour: string): void {
  for (const [width, paint] of [[4, INK], [2, colour]] as const) {
    circle(context, x, y, radius);
    context.setLineDash(paint === INK ? [] : [3, 2]);
    context.lineWidth = width;
    context.strokeStyle = paint;
    context.globalAlpha = paint === INK ? 0.5 : 1;
    context.stroke();
  }
  context.setLineDash([]);
  context.globalAlpha = 1;
}

/** A keypoint beyond the edge of the view: where to look for it. */
function arrow(context: CanvasRenderingContext2D, [x, y]: Point, [farX, farY]: Point, colour: string): void {
  const angle = Math.atan2(farY - y, farX - x);
  context.beginPath();
  for (const [turn, far] of [[0, 0], [2.6, 16], [-2.6, 16]] as const) {
    context.lineTo(x + far * Math.cos(angle + turn), y + far * Math.sin(angle + turn));
  }
  context.closePath();
  context.fillStyle = colour;
  context.lineWidth = 3;
  context.strokeStyle = INK;
  context.stroke();
  context.fill();
}

/** A keypoint that is there and can't be seen. */
function cross(context: CanvasRenderingContext2D, [x, y]: Point, radius: number, colour: string): void {
  for (const [width, paint] of [[5, INK], [2.5, colour]] as const) {
    context.beginPath();
    context.moveTo(x - radius, y - radius);
    context.lineTo(x + radius, y + radius);
    context.moveTo(x + radius, y - radius);
    context.lineTo(x - radius, y + radius);
    context.lineWidth = width;
    context.strokeStyle = paint;
    context.stroke();
  }
}

function ring(context: CanvasRenderingContext2D, [x, y]: Point, radius: number, width: number): void {
  for (const [extra, paint] of [[2, INK], [0, PAPER]] as const) {
    circle(context, x, y, radius);
    context.lineWidth = width + extra;
    context.strokeStyle = paint;
    context.stroke();
  }
}

function ghost(context: CanvasRenderingContext2D, at: Point, now: Point, radius: number): void {
  context.setLineDash([4, 3]);
  context.lineWidth = 1.5;
  for (const paint of [INK, PAPER]) {
    context.lineDashOffset = paint === INK ? 0 : 3.5;
    context.strokeStyle = paint;
    context.beginPath();
    context.moveTo(...at);
    context.lineTo(...now);
    context.stroke();
    circle(context, ...at, radius);
    context.stroke();
  }
  context.setLineDash([]);
}

function line(
  context: CanvasRenderingContext2D,
  from: Point,
  to: Point,
  radius: number,
  sure: boolean,
  start: string,
  end: string,
): void {
  const blend = context.createLinearGradient(...from, ...to);
  blend.addColorStop(0, start);
  blend.addColorStop(1, end);
  context.lineCap = "round";
  context.globalAlpha = sure ? 0.9 : 0.35;
  for (const [width, paint] of [[radius * 0.7 + 1.5, INK], [radius * 0.7 - 0.5, blend]] as const) {
    context.lineWidth = Math.max(width, 1);
    context.strokeStyle = paint;
    context.beginPath();
    context.moveTo(...from);
    context.lineTo(...to);
    context.stroke();
  }
  context.globalAlpha = 1;
}

function paintBox(context: CanvasRenderingContext2D, view: View, [x, y, width, height]: Box): void {
  const [left, top] = view.toScreen([x, y]);
  for (const [thick, paint] of [[3, INK], [1.5, PAPER]] as const) {
    context.lineWidth = thick;
    context.strokeStyle = paint;
    context.strokeRect(left, top, width * view.scale, height * view.scale);
  }
}

function label(context: CanvasRenderingContext2D, [x, y]: Point, radius: number, name: string, more: string): void {
  context.font = "500 12px system-ui, sans-serif";
  const text = name + more;
  const left = x + radius + 6;
  context.fillStyle = "rgb(20 20 20 / 0.8)";
  context.beginPath();
  context.roundRect(left - 4, y - 9, context.measureText(text).width + 8, 18, 4);
  context.fill();
  context.fillStyle = PAPER;
  context.textBaseline = "middle";
  context.fillText(text, left, y + 0.5);
}

function circle(context: CanvasRenderingContext2D, x: number, y: number, radius: number): void {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
}

function distance(one: Point, other: Point): number {
  return Math.hypot(one[0] - other[0], one[1] - other[1]);
}
