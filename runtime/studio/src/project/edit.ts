// SPDX-License-Identifier: Apache-2.0
/** Everything that can be done to a project: from a project to the next one. */
import type { Box, Point } from "../pose/crop";
import type { Link } from "../pose/skeleton";
import { annotationsOf, type Annotation, type Category, type Mark, type Picture, type Project, type Status } from "./model";

export function addPicture(project: Project, picture: Picture): Project {
  if (project.pictures.some(({ key }) => key === picture.key)) return project;
  return { ...project, pictures: [...project.pictures, picture] };
}

export function removePicture(project: Project, key: string): Project {
  return {
    ...project,
    pictures: project.pictures.filter((picture) => picture.key !== key),
    annotations: project.annotations.filter(({ picture }) => picture !== key),
  };
}

export function addCategory(project: Project, category: Category): Project {
  return { ...project, categories: [...project.categories, category] };
}

export function removeCategory(project: Project, id: string): Project {
  return {
    ...project,
    categories: project.categories.filter((category) => category.id !== id),
    annotations: project.annotations.filter(({ category }) => category !== id),
  };
}

export function renameCategory(project: Project, id: string, name: string): Project {
  return changeCategory(project, id, (category) => ({ ...category, name }));
}

export function addAnnotation(project: Project, annotation: Annotation): Project {
  return { ...project, annotations: [...project.annotations, annotation] };
}

export function removeAnnotation(project: Project, id: string): Project {
  return { ...project, annotations: project.annotations.filter((annotation) => annotation.id !== id) };
}

/** A new keypoint of a category, placed in one annotation and nowhere else yet. */
export function addKeypoint(project: Project, annotation: string, at: Point): Project {
  const { category } = find(project, annotation);
  const grown = changeCategory(project, category, (each) => ({
    ...each,
    keypoints: [...each.keypoints, freeName(each.keypoints)],
  }));
  return changeAnnotations(grown, category, (each) => ({
    ...each,
    marks: [...each.marks, each.id === annotation ? { at, visible: true } : null],
    proposal: null,
  }));
}

/** Take a keypoint out of its category, and so out of all annotations and links. */
export function removeKeypoint(project: Project, category: string, k: number): Project {
  const shift = (index: number) => (index > k ? index - 1 : index);
  const without = changeCategory(project, category, (each) => ({
    ...each,
    keypoints: each.keypoints.toSpliced(k, 1),
    links:
      each.links &&
      each.links.filter((link) => !link.includes(k)).map(([start, end]): Link => [shift(start), shift(end)]),
  }));
  return changeAnnotations(without, category, (each) => ({ ...each, marks: each.marks.toSpliced(k, 1), proposal: null }));
}

/** Move a keypoint to another place in its category's order. */
export function moveKeypoint(project: Project, category: string, from: number, to: number): Project {
  const order = (count: number): number[] => {
    const old = Array.from({ length: count }, (_, k) => k);
    old.splice(to, 0, ...old.splice(from, 1));
    return old;
  };
  const moved = changeCategory(project, category, (each) => {
    const old = order(each.keypoints.length);
    return {
      ...each,
      keypoints: old.map((k) => each.keypoints[k]!),
      links: each.links && each.links.map(([start, end]): Link => [old.indexOf(start), old.indexOf(end)]),
    };
  });
  return changeAnnotations(moved, category, (each) => ({
    ...each,
    marks: order(each.marks.length).map((k) => each.marks[k]!),
    proposal: null,
  }));
}

export function renameKeypoint(project: Project, category: string, k: number, name: string): Project {
  return changeCategory(project, category, (each) => ({ ...each, keypoints: each.keypoints.with(k, name) }));
}

export function placeMark(project: Project, annotation: string, k: number, mark: Mark | null): Project {
  return changeAnnotation(project, annotation, (each) => ({
    ...each,
    marks: each.marks.with(k, mark),
    status: each.status === "proposed" || each.status === "accepted" ? "corrected" : each.status,
  }));
}

export function setBox(project: Project, annotation: string, box: Box | null): Project {
  return changeAnnotation(project, annotation, (each) => ({ ...each, box }));
}

export function setStatus(project: Project, annotation: string, status: Status): Project {
  return changeAnnotation(project, annotation, (each) => ({ ...each, status }));
}

/** Join two keypoints, or part them where they are joined. */
export function toggleLink(project: Project, category: string, start: number, end: number): Project {
  if (start === end) return project;
  return changeCategory(project, category, (each) => {
    const links = each.links ?? [];
    const rest = links.filter((link) => !(link.includes(start) && link.includes(end)));
    const added: Link = [Math.min(start, end), Math.max(start, end)];
    return { ...each, links: rest.length < links.length ? rest : [...links, added] };
  });
}

export function setLinks(project: Project, category: string, links: readonly Link[] | null): Project {
  return changeCategory(project, category, (each) => ({ ...each, links }));
}

/**
 * Put the model's answer on a picture: a new annotation, or a new answer in one that nobody has looked at. What a
 * person has said stays; there only the proposal beside it changes.
 */
export function propose(
  project: Project,
  next: Pick<Annotation, "id" | "category" | "picture" | "box"> & { proposal: NonNullable<Annotation["proposal"]> },
): Project {
  const all = annotationsOf(project, next.picture, next.category);
  const there = all.find(({ id }) => id === next.id) ?? all[0];
  const marks = next.proposal.points.map((at): Mark => ({ at, visible: true }));
  if (!there) return addAnnotation(project, { ...next, marks, status: "proposed" });
  return changeAnnotation(project, there.id, (each) =>
    each.status === "proposed"
      ? { ...each, marks, box: next.box, proposal: next.proposal }
      : { ...each, proposal: next.proposal },
  );
}

export function changeAnnotation(project: Project, id: string, change: (each: Annotation) => Annotation): Project {
  return { ...project, annotations: project.annotations.map((each) => (each.id === id ? change(each) : each)) };
}

function find(project: Project, id: string): Annotation {
  const found = project.annotations.find((annotation) => annotation.id === id);
  if (!found) throw new Error(`no annotation ${id}`);
  return found;
}

function changeCategory(project: Project, id: string, change: (each: Category) => Category): Project {
  return { ...project, categories: project.categories.map((each) => (each.id === id ? change(each) : each)) };
}

function changeAnnotations(project: Project, category: string, change: (each: Annotation) => Annotation): Project {
  return {
    ...project,
    annotations: project.annotations.map((each) => (each.category === category ? change(each) : each)),
  };
}

function freeName(names: readonly string[]): string {
  let number = names.length + 1;
  while (names.includes(`point ${number}`)) number++;
  return `point ${number}`;
}
