// SPDX-License-Identifier: Apache-2.0
/** Everything by keyboard. One table: what the keys do and what the help shows. */
import * as edit from "../project/edit";
import type { Pane } from "../canvas/pane";
import { toggleBefore, toggleVisible } from "../canvas/pane";
import { judge, reviewNext } from "./pictures";
import type { Side, Studio } from "./studio";

export interface Command {
  /** As `KeyboardEvent.key`; letters in lower case; "mod" is Ctrl, on a Mac Command. */
  readonly keys: readonly string[];
  readonly says: string;
  run(): void;
}

export function commands(studio: Studio, panes: Readonly<Record<Side, Pane>>, toggleHelp: () => void): Command[] {
  const view = () => panes[studio.side].view;
  const step = (by: number) => {
    const count = studio.currentCategory()?.keypoints.length ?? 0;
    if (!count) return;
    studio.point = ((studio.point ?? (by > 0 ? -1 : 0)) + by + count) % count;
    const { keypoints } = studio.currentCategory()!;
    studio.say(`${keypoints[studio.point]} selected`);
  };
  const nudge = (dx: number, dy: number) => () => {
    const annotation = studio.annotation(studio.side);
    const { point } = studio;
    const mark = point === null ? null : annotation?.marks[point];
    if (!annotation || point === null || !mark) return;
    const at = [mark.at[0] + dx, mark.at[1] + dy] as const;
    studio.do((project) => edit.placeMark(project, annotation.id, point, { ...mark, at }), `nudge-${annotation.id}-${point}`);
  };
  const tool = (name: Studio["tool"]) => () => {
    studio.tool = name;
    studio.notify();
  };
  const directions = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] } as const;
  const arrows = Object.entries(directions).flatMap(([key, [x, y]]): Command[] => [
    { keys: [key], says: `move the keypoint by 1 px`, run: nudge(x, y) },
    { keys: [`shift+${key}`], says: `move the keypoint by 10 px`, run: nudge(10 * x, 10 * y) },
  ]);
  return [
    { keys: ["Enter"], says: "place the next keypoint in the middle of the view", run: () => placeInMiddle(studio, view()) },
    { keys: ["]"], says: "next keypoint", run: () => step(1) },
    { keys: ["["], says: "keypoint before", run: () => step(-1) },
    ...arrows,
    { keys: ["h"], says: "keypoint can be seen, or is hidden", run: () => withMark(studio, (annotation, k) => toggleVisible(studio, annotation, k)) },
    {
      keys: ["Delete", "Backspace"],
      says: "take the keypoint off this picture",
      run: () => withMark(studio, ({ id }, k) => studio.do((project) => edit.placeMark(project, id, k, null))),
    },
    { keys: ["p"], says: "tool: points", run: tool("point") },
    { keys: ["l"], says: "tool: links, click two keypoints to join or part them", run: tool("link") },
    { keys: ["b"], says: "tool: box, drag one around the object", run: tool("box") },
    { keys: ["a"], says: "the answer is right", run: () => judge(studio, "accepted") },
    { keys: ["r"], says: "the object isn't there", run: () => judge(studio, "rejected") },
    { keys: ["n"], says: "next picture to review, the least sure first", run: () => reviewNext(studio) },
    { keys: ["o"], says: "another object in this picture: drag a box around it", run: () => studio.addObject(studio.side) },
    { keys: ["m"], says: "next object of this picture", run: () => studio.nextObject(studio.side) },
    { keys: ["shift+Delete", "shift+Backspace"], says: "delete this object's keypoints", run: () => removeObject(studio) },
    { keys: ["d"], says: "what the model had said before the corrections, and back", run: () => toggleBefore(studio) },
    { keys: ["j"], says: "begin a link at this keypoint, or end it here: joins or parts", run: () => joinByKey(studio) },
    { keys: ["mod+z"], says: "undo", run: () => studio.undo() },
    { keys: ["mod+y", "mod+shift+z"], says: "redo", run: () => studio.redo() },
    { keys: ["+", "="], says: "zoom in", run: () => view().zoomBy(1.25) },
    { keys: ["-"], says: "zoom out", run: () => view().zoomBy(0.8) },
    { keys: ["0"], says: "whole picture", run: () => view().fit() },
    { keys: ["x"], says: "other side: example or answer", run: () => panes[studio.side === "example" ? "answer" : "example"].view.canvas.focus() },
    { keys: ["?"], says: "this help", run: toggleHelp },
  ];
}

/** Listen to the keyboard, except where a person types. */
export function listen(all: readonly Command[]): void {
  const byKey = new Map(all.flatMap((each) => each.keys.map((key) => [key, each] as const)));
  document.addEventListener("keydown", (event) => {
    const target = event.target as HTMLElement;
    if (target.closest("input:not([type=range]), textarea, select, dialog") || event.altKey) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const isLetter = key.length === 1;
    const prefix = `${event.ctrlKey || event.metaKey ? "mod+" : ""}${event.shiftKey && (!isLetter || event.ctrlKey || event.metaKey) ? "shift+" : ""}`;
    if (key === "Enter" && target.tagName === "BUTTON") return;
    const command = byKey.get(prefix + key);
    if (!command) return;
    event.preventDefault();
    command.run();
  });
}

function removeObject(studio: Studio): void {
  const annotation = studio.annotation(studio.side);
  if (annotation) studio.do((project) => edit.removeAnnotation(project, annotation.id));
}

/** The first press remembers the keypoint, the second joins it with the one that is selected then. */
function joinByKey(studio: Studio): void {
  const { point, joinFrom } = studio;
  const names = studio.currentCategory()?.keypoints;
  if (point === null || !names) return;
  studio.joinFrom = joinFrom === null ? point : null;
  if (joinFrom === null) return studio.say(`${names[point]} selected: select the other keypoint and press J again`);
  studio.join(joinFrom, point);
  studio.say(`${names[joinFrom]} and ${names[point]} joined or parted`);
}

function withMark(studio: Studio, act: (annotation: NonNullable<ReturnType<Studio["annotation"]>>, k: number) => void): void {
  const annotation = studio.annotation(studio.side);
  if (annotation && studio.point !== null && annotation.marks[studio.point]) act(annotation, studio.point);
}

function placeInMiddle(studio: Studio, view: Pane["view"]): void {
  if (studio.shown[studio.side] === null) return;
  studio.placePoint(studio.side, view.toPicture([view.canvas.clientWidth / 2, view.canvas.clientHeight / 2]));
}
