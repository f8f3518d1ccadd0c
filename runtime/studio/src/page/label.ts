// SPDX-License-Identifier: Apache-2.0
/** Label a data set: propose on all pictures, review the least sure first, count how often the model was right. */
import { boxOf } from "../formats/shared";
import { annotationsOf, type Annotation, type Project } from "../project/model";

const RIGHT_WITHIN = 0.05; // of the longer side of the box

/** Mean score of a proposal; what is not known of any example doesn't count. */
export function sureness(annotation: Annotation): number {
  const scores = annotation.proposal?.score.filter((score) => score > 0) ?? [];
  return scores.length ? scores.reduce((sum, score) => sum + score, 0) / scores.length : 0;
}

/** Proposals that nobody has looked at, the least sure first. */
export function toReview(project: Project, category: string): Annotation[] {
  return project.annotations
    .filter((each) => each.category === category && each.status === "proposed")
    .sort((one, other) => sureness(one) - sureness(other));
}

/** Pictures that have no annotation of the category yet. */
export function toPropose(project: Project, category: string): string[] {
  return project.pictures.map(({ key }) => key).filter((key) => annotationsOf(project, key, category).length === 0);
}

export interface Meter {
  /** Keypoints of reviewed proposals, and how many of them were right as they stood. */
  readonly points: number;
  readonly right: number;
  readonly pictures: number;
  /** Pictures that nobody has looked at. */
  readonly left: number;
}

/** How often proposals were right so far: the proposal lies within 0.05 of the box of what a person accepted. */
export function meter(project: Project, category: string): Meter {
  const reviewed = project.annotations.filter(
    (each) => each.category === category && (each.status === "accepted" || each.status === "corrected") && each.proposal,
  );
  let points = 0;
  let right = 0;
  for (const each of reviewed) {
    const [, , width, height] = boxOf(each, project);
    each.marks.forEach((mark, k) => {
      const proposed = each.proposal!.points[k];
      if (!mark?.visible || !proposed) return;
      points++;
      const error = Math.hypot(mark.at[0] - proposed[0], mark.at[1] - proposed[1]);
      if (error <= RIGHT_WITHIN * Math.max(width, height)) right++;
    });
  }
  const looked = new Set(
    project.annotations.filter((each) => each.category === category && each.status !== "proposed").map((each) => each.picture),
  );
  return { points, right, pictures: reviewed.length, left: project.pictures.length - looked.size };
}
