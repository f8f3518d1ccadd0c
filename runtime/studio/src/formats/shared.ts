// SPDX-License-Identifier: Apache-2.0
/** What all formats share: which annotations leave the page, and their boxes. */
import { boxAround, type Box } from "../pose/crop";
import { pictureOf, type Annotation, type Project } from "../project/model";

/** What a person has said is right, and shows something. */
export function exported(project: Project): readonly Annotation[] {
  const right = ["example", "accepted", "corrected"];
  return project.annotations.filter((each) => right.includes(each.status) && each.marks.some((mark) => mark !== null));
}

/** Its own box, or one around its marks, inside of the picture. */
export function boxOf(annotation: Annotation, project: Project): Box {
  if (annotation.box) return annotation.box;
  const picture = pictureOf(project, annotation.picture)!;
  const [x, y, w, h] = boxAround(
    annotation.marks.flatMap((mark) => (mark ? [mark.at] : [])),
    picture,
  );
  return [x, y, Math.min(w, picture.width - x), Math.min(h, picture.height - y)];
}

/** A name that no other entry of `taken` has; remembers it. */
export function unique(name: string, taken: Set<string>): string {
  let free = name;
  for (let number = 2; taken.has(free); number++) free = `${name}-${number}`;
  taken.add(free);
  return free;
}

export function stem(name: string): string {
  return name.replace(/\.[^.]*$/, "");
}
