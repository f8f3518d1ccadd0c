// SPDX-License-Identifier: Apache-2.0
/** What a person works on: pictures, categories, and where the keypoints of one are in the other. Immutable. */
import type { Box, Point } from "../pose/crop";
import type { Link } from "../pose/skeleton";

export interface Category {
  readonly id: string;
  readonly name: string;
  /** Names of its keypoints. */
  readonly keypoints: readonly string[];
  /** null: the minimum spanning tree of the first example. */
  readonly links: readonly Link[] | null;
}

export interface Picture {
  /** SHA-256 of the file: the same picture is there once. */
  readonly key: string;
  readonly name: string;
  readonly width: number;
  readonly height: number;
}

/** Where a keypoint is; hidden ones may have a place. */
export interface Mark {
  readonly at: Point;
  readonly visible: boolean;
}

/**
 * example: teaches the model. proposed: the model's, not looked at yet. accepted, corrected: a person says it is right.
 * rejected: a person says that the object isn't there.
 */
export type Status = "example" | "proposed" | "accepted" | "corrected" | "rejected";

/** One object in one picture. */
export interface Annotation {
  readonly id: string;
  readonly category: string;
  readonly picture: string;
  /** A place for each keypoint of the category; null where it has none. */
  readonly marks: readonly (Mark | null)[];
  readonly box: Box | null;
  readonly status: Status;
  /** What the model answered here last: it stays beside a correction, so that the two can be compared. */
  readonly proposal: { readonly points: readonly Point[]; readonly score: readonly number[] } | null;
}

export interface Project {
  readonly version: 1;
  readonly name: string;
  readonly categories: readonly Category[];
  readonly pictures: readonly Picture[];
  readonly annotations: readonly Annotation[];
}

export const NEWEST_VERSION = 1;
export const EMPTY: Project = { version: 1, name: "Untitled", categories: [], pictures: [], annotations: [] };

/** Whether a person has said that it is right. */
export function isDone(annotation: Annotation): boolean {
  return annotation.status !== "proposed";
}

export function categoryOf(project: Project, id: string): Category | undefined {
  return project.categories.find((category) => category.id === id);
}

export function pictureOf(project: Project, key: string): Picture | undefined {
  return project.pictures.find((picture) => picture.key === key);
}

export function annotationsOf(project: Project, picture: string, category: string): readonly Annotation[] {
  return project.annotations.filter((each) => each.picture === picture && each.category === category);
}

/** Annotations that can teach the model: examples and corrections, examples first; at least one visible keypoint. */
export function teachers(project: Project, category: string): readonly Annotation[] {
  const shows = (each: Annotation) => each.marks.some((mark) => mark?.visible);
  const of = (status: Status) =>
    project.annotations.filter((each) => each.category === category && each.status === status && shows(each));
  return [...of("example"), ...of("corrected")];
}

/** Read a saved project; throws an Error that says what is wrong. */
export function readProject(content: unknown): Project {
  const project = content as Partial<Project>;
  if (typeof project !== "object" || project === null || typeof project.version !== "number") {
    throw new Error("this is no project of fmmp-studio");
  }
  if (project.version > NEWEST_VERSION) {
    throw new Error(`this project has version ${project.version}, this page reads up to ${NEWEST_VERSION}: update fmmp-studio`);
  }
  for (const list of ["categories", "pictures", "annotations"] as const) {
    if (!Array.isArray(project[list])) throw new Error(`this project has no list of ${list}: it is damaged`);
  }
  const { categories, pictures, annotations } = project as Project;
  for (const each of annotations) {
    const category = categories.find(({ id }) => id === each.category);
    if (!category || !pictures.some(({ key }) => key === each.picture)) {
      throw new Error("this project has an annotation of an unknown category or picture: it is damaged");
    }
    if (each.marks.length !== category.keypoints.length) {
      throw new Error(`an annotation of ${category.name} has ${each.marks.length} keypoints, the category has ${category.keypoints.length}`);
    }
  }
  return project as Project;
}
