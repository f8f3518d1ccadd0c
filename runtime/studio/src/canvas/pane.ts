// SPDX-License-Identifier: Apache-2.0
/** One side of the page: a picture with its keypoints, and what a pointer does to them. */
import type { Box, Point } from "../pose/crop";
import * as edit from "../project/edit";
import { pictureOf, type Annotation } from "../project/model";
import { palette } from "./colours";
import { button, h } from "../page/dom";
import { paintScene, radiusOf } from "./paint";
import type { Side, Studio } from "../page/studio";
import { View, type Pointer } from "./view";

const REACH = 10; // screen pixels around a point that still mean it; more for a finger

type Gesture =
  | { readonly kind: "drag"; readonly annotation: string; readonly k: number; readonly step: string }
  | { readonly kind: "box"; readonly from: Point; readonly step: string };

export class Pane {
  readonly element: HTMLElement;
  readonly view: View;
  private readonly title = h("h2");
  private readonly another: HTMLButtonElement;
  private readonly next: HTMLButtonElement;
  private readonly before: HTMLButtonElement;
  private readonly hint = h("p", { className: "hint" });
  private hovered: number | null = null;
  private linkFrom: number | null = null;
  private gesture: Gesture | null = null;
  private steps = 0;
  private shown: string | null = null;

  constructor(
    private readonly studio: Studio,
    private readonly side: Side,
    label: string,
  ) {
    this.view = new View(
      label,
      (context) => this.paint(context),
      { down: (p) => this.down(p), move: (p) => this.move(p), up: (p) => this.up(p), hover: (p) => this.hover(p) },
    );
    this.view.canvas.addEventListener("focus", () => this.focus());
    this.another = button("New object", () => studio.addObject(side), { key: "O", title: "Another object in this picture" });
    this.next = button("Next object", () => studio.nextObject(side), { key: "M" });
    this.before = button("Before", () => toggleBefore(studio), { key: "D", title: "What the model had said, in place of the corrections" });
    const head = h("div", { className: "row head" }, this.title, this.before, this.next, this.another);
    this.element = h("section", { className: `pane ${side}`, attrs: { "aria-label": label } }, head, this.view.canvas, this.hint);
    studio.subscribe(() => this.update());
    this.update();
  }

  private focus(): void {
    if (this.studio.side === this.side) return;
    this.studio.side = this.side;
    this.studio.notify();
  }

  private update(): void {
    const { studio, side } = this;
    const key = studio.shown[side];
    const picture = key === null ? undefined : pictureOf(studio.project, key);
    const annotation = studio.annotation(side);
    this.title.textContent = side === "example" ? "Example" : "Answer";
    if (picture) this.title.append(h("span", {}, ` ${picture.name}`), annotation ? h("em", {}, annotation.status) : "");
    const all = studio.objects(side);
    if (all.length > 1) this.title.append(h("em", {}, `object ${all.indexOf(annotation!) + 1} of ${all.length}`));
    this.another.disabled = !annotation;
    this.next.hidden = all.length < 2;
    this.before.hidden = !(annotation?.status === "corrected" && annotation.proposal);
    this.before.setAttribute("aria-pressed", String(studio.showBefore));
    this.element.classList.toggle("active", studio.side === side);
    this.hint.textContent = this.hintText(annotation, picture !== undefined);
    this.hint.hidden = !this.hint.textContent;
    if (key !== this.shown) {
      this.shown = key;
      if (key === null) this.view.show(null);
      else {
        studio.image(key).then(
          (image) => {
            if (this.shown === key) this.view.show(image);
          },
          () => undefined, // said by the studio
        );
      }
    }
    this.view.draw();
  }

  private hintText(annotation: Annotation | undefined, hasPicture: boolean): string {
    if (!hasPicture) return this.side === "example" ? "Drop pictures here, paste one, or press Add pictures." : "The next picture is answered here.";
    if (this.side === "example" && !annotation?.marks.some((mark) => mark)) return "Click keypoints on the object.";
    if (this.side === "answer" && !annotation) return "Keypoints appear here as soon as the example has one.";
    return "";
  }

  private paint(context: CanvasRenderingContext2D): void {
    const { studio } = this;
    const annotation = studio.annotation(this.side);
    const category = studio.currentCategory();
    if (!annotation || !category) return;
    const corrected = annotation.status === "corrected" ? annotation.proposal : null;
    const before = studio.showBefore ? corrected : null;
    const proposed = annotation.status === "proposed" ? annotation.proposal : before;
    paintScene(context, this.view, {
      marks: before ? before.points.map((at) => ({ at, visible: true })) : annotation.marks,
      links: studio.links(),
      colours: palette(category.keypoints.length),
      names: category.keypoints,
      score: proposed?.score ?? null,
      threshold: studio.threshold,
      box: annotation.box,
      ghost: before ? null : (corrected?.points ?? null),
      selected: studio.side === this.side ? (this.linkFrom ?? studio.point) : null,
      hovered: this.hovered,
      showNames: studio.showNames,
      others: studio.project.annotations
        .filter((each) => each.picture === annotation.picture && each.id !== annotation.id)
        .map((each) => each.marks),
    });
  }

  /** The keypoint under the pointer. */
  private at(pointer: Pointer): number | null {
    const marks = this.studio.annotation(this.side)?.marks ?? [];
    const reach = (radiusOf(marks, this.view) + (pointer.kind === "touch" ? 2 * REACH : REACH)) / this.view.scale;
    let nearest: number | null = null;
    let least = reach;
    marks.forEach((mark, k) => {
      const far = mark ? Math.hypot(mark.at[0] - pointer.at[0], mark.at[1] - pointer.at[1]) : Infinity;
      if (far < least) [nearest, least] = [k, far];
    });
    return nearest;
  }

  private down(pointer: Pointer): boolean {
    const { studio } = this;
    this.focus();
    studio.showBefore = false; // what is changed is seen
    const k = this.at(pointer);
    const step = `${this.side}-${++this.steps}`;
    if (studio.tool === "box") {
      this.gesture = { kind: "box", from: pointer.at, step };
      return true;
    }
    if (studio.tool === "link") return this.link(k);
    if (k !== null) {
      studio.point = k;
      const annotation = studio.annotation(this.side)!;
      if (pointer.secondary) toggleVisible(studio, annotation, k);
      else this.gesture = { kind: "drag", annotation: annotation.id, k, step };
      studio.notify();
      return true;
    }
    if (pointer.secondary || !this.inside(pointer.at)) return false;
    studio.placePoint(this.side, pointer.at);
    const annotation = studio.annotation(this.side);
    if (annotation && studio.point !== null) this.gesture = { kind: "drag", annotation: annotation.id, k: studio.point, step };
    return true;
  }

  private move(pointer: Pointer): void {
    const { gesture, studio } = this;
    if (gesture?.kind === "drag") {
      const at = this.clamp(pointer.at);
      const visible = studio.annotation(this.side)?.marks[gesture.k]?.visible ?? true;
      studio.do((project) => edit.placeMark(project, gesture.annotation, gesture.k, { at, visible }), gesture.step);
    } else if (gesture?.kind === "box") {
      const box = boxBetween(this.clamp(gesture.from), this.clamp(pointer.at));
      if (Math.min(box[2], box[3]) >= 2) studio.setBox(this.side, box, gesture.step);
    }
  }

  private up(pointer: Pointer): void {
    if (this.gesture?.kind === "box") {
      const box = boxBetween(this.clamp(this.gesture.from), this.clamp(pointer.at));
      if (Math.min(box[2], box[3]) < 2) this.studio.setBox(this.side, null); // a click takes it away
      this.studio.tool = "point";
    }
    this.gesture = null;
    this.studio.notify();
  }

  private hover(pointer: Pointer | null): void {
    const hovered = pointer ? this.at(pointer) : null;
    this.view.canvas.style.cursor = hovered !== null ? "grab" : "crosshair";
    if (hovered === this.hovered) return;
    this.hovered = hovered;
    this.view.draw();
  }

  private link(k: number | null): boolean {
    const { studio } = this;
    const category = studio.currentCategory();
    if (k === null || !category) this.linkFrom = null;
    else if (this.linkFrom === null) this.linkFrom = k;
    else {
      studio.join(this.linkFrom, k);
      this.linkFrom = null;
    }
    this.view.draw();
    return k !== null;
  }

  private inside([x, y]: Point): boolean {
    const key = this.studio.shown[this.side];
    const size = key === null ? undefined : pictureOf(this.studio.project, key);
    return size !== undefined && x >= 0 && y >= 0 && x <= size.width && y <= size.height;
  }

  private clamp([x, y]: Point): Point {
    const size = pictureOf(this.studio.project, this.studio.shown[this.side]!)!;
    return [Math.min(Math.max(x, 0), size.width), Math.min(Math.max(y, 0), size.height)];
  }
}

export function toggleBefore(studio: Studio): void {
  studio.showBefore = !studio.showBefore;
  studio.say(studio.showBefore ? "what the model had said" : "as corrected");
}

export function toggleVisible(studio: Studio, annotation: Annotation, k: number): void {
  const mark = annotation.marks[k];
  if (mark) studio.do((project) => edit.placeMark(project, annotation.id, k, { ...mark, visible: !mark.visible }));
}

function boxBetween(one: Point, other: Point): Box {
  const [x, y] = [Math.min(one[0], other[0]), Math.min(one[1], other[1])];
  return [x, y, Math.abs(one[0] - other[0]), Math.abs(one[1] - other[1])];
}
