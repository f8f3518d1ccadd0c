// SPDX-License-Identifier: Apache-2.0
/** The project's own JSON, one file an object: what fmmp-run takes as --annotation. */
import type { Link } from "../pose/skeleton";
import { categoryOf, pictureOf, type Annotation, type Category, type Mark, type Project } from "../project/model";
import { boxOf, exported, stem, unique } from "./shared";

interface OwnFile {
  image?: string;
  names?: string[];
  keypoints: (readonly number[])[];
  links?: (readonly [number, number])[];
  box?: readonly number[];
}

/** File name -> content. */
export function toOwn(project: Project): Map<string, string> {
  const taken = new Set<string>();
  return new Map(
    exported(project).map((each) => {
      const picture = pictureOf(project, each.picture)!;
      const category = categoryOf(project, each.category)!;
      const file: OwnFile = {
        image: picture.name,
        names: [...category.keypoints],
        keypoints: each.marks.map((mark) => (mark ? [...mark.at, mark.visible ? 2 : 0] : [0, 0, 0])),
        ...(category.links ? { links: [...category.links] } : {}),
        box: boxOf(each, project),
      };
      return [`${unique(`${stem(picture.name)}-${category.name}`, taken)}.json`, JSON.stringify(file, null, 1)];
    }),
  );
}

/** One object of the picture that the file names; throws an Error that names what contradicts. */
export function fromOwn(
  content: unknown,
  project: Project,
  newId: () => string,
  fileName: string,
): { category: Category; annotation: Annotation } {
  const file = content as Partial<OwnFile>;
  const points = file.keypoints!;
  const wanted = file.image?.split(/[\\/]/).at(-1) ?? stem(fileName);
  const picture = project.pictures.find(({ name }) => name === wanted || stem(name) === wanted);
  if (!picture) throw new Error(`${fileName} is of ${wanted}, which is not among the pictures: add it first`);
  if (file.names && file.names.length !== points.length) {
    throw new Error(`${fileName} has ${file.names.length} names for ${points.length} keypoints`);
  }
  const links = file.links?.map(([start, end]): Link => [start, end]) ?? null;
  if (links?.some((link) => link.some((k) => !(k >= 0 && k < points.length)))) {
    throw new Error(`${fileName} has a link to a keypoint that isn't there: keypoints count from 0`);
  }
  const keypoints = file.names ?? points.map((_, k) => `point ${k + 1}`);
  const same = project.categories.find((each) => each.keypoints.join("\n") === keypoints.join("\n"));
  const category = same ?? { id: newId(), name: stem(fileName), keypoints, links };
  const marks = points.map((point, k): Mark | null => {
    const [x, y, v = 2] = point;
    if (v === 0 && !x && !y) return null;
    if (!Number.isFinite(x) || !Number.isFinite(y)) throw new Error(`${fileName}: keypoint ${k} is no number`);
    return { at: [x!, y!], visible: v !== 0 };
  });
  const [x, y, w, h] = file.box ?? [];
  const box = h === undefined ? null : ([x!, y!, w!, h] as const);
  const annotation: Annotation = { id: newId(), category: category.id, picture: picture.key, marks, box, status: "accepted", proposal: null };
  return { category, annotation };
}
