// SPDX-License-Identifier: Apache-2.0
/** Which annotations teach the model: as many as the bundle takes, chosen to differ. */
import type { Point } from "../pose/crop";
import { pictureOf, teachers, type Annotation, type Project } from "./model";

/** Examples that a person named, then the corrections that differ most from all that were taken before them. */
export function lessons(project: Project, category: string, query: string, most: number): readonly Annotation[] {
  const all = teachers(project, category).filter((each) => each.picture !== query);
  const taken = all.filter(({ status }) => status === "example").slice(0, most);
  const rest = all.filter(({ status }) => status !== "example");
  while (taken.length < most && rest.length) {
    const far = rest.map((each) => Math.min(...taken.map((other) => difference(each, other))));
    const [next] = rest.splice(far.indexOf(Math.max(...far)), 1);
    taken.push(next!);
  }
  return taken;
}

/** Mean distance of the keypoints that both show, each pose in units of its own extent around its middle. */
export function difference(one: Annotation, other: Annotation): number {
  const both = one.marks.flatMap((mark, k) => (mark?.visible && other.marks[k]?.visible ? [k] : []));
  if (both.length < 2) return Infinity; // they show other keypoints
  const [here, there] = [one, other].map((each) => normalised(both.map((k) => each.marks[k]!.at)));
  return here!.reduce((sum, [x, y], n) => sum + Math.hypot(x - there![n]![0], y - there![n]![1]), 0) / both.length;
}

function normalised(points: readonly Point[]): Point[] {
  const low = [0, 1].map((axis) => Math.min(...points.map((p) => p[axis]!)));
  const high = [0, 1].map((axis) => Math.max(...points.map((p) => p[axis]!)));
  const extent = Math.max(high[0]! - low[0]!, high[1]! - low[1]!) || 1;
  return points.map(([x, y]): Point => [(x - (low[0]! + high[0]!) / 2) / extent, (y - (low[1]! + high[1]!) / 2) / extent]);
}

/** Whether each keypoint is visible and in the picture: one beyond its edge can be annotated, but not looked at. */
export function shown(annotation: Annotation, project: Project): boolean[] {
  const { width, height } = pictureOf(project, annotation.picture)!;
  return annotation.marks.map((mark) => mark !== null && mark.visible && mark.at[0] >= 0 && mark.at[1] >= 0 && mark.at[0] <= width && mark.at[1] <= height);
}
