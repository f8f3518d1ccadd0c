// SPDX-License-Identifier: Apache-2.0
/** COCO keypoint files: skeletons count from 1, visibility is 0 (not labelled), 1 (hidden) or 2 (visible). */
import type { Link } from "../pose/skeleton";
import type { Annotation, Category, Mark, Project } from "../project/model";
import { boxOf, exported } from "./shared";

interface CocoFile {
  images: { id: number; file_name: string; width: number; height: number }[];
  categories: { id: number; name: string; keypoints: string[]; skeleton: [number, number][] }[];
  annotations: {
    id: number;
    image_id: number;
    category_id: number;
    keypoints: number[];
    num_keypoints: number;
    bbox: number[];
    area: number;
    iscrowd: 0;
  }[];
}

export function toCoco(project: Project): string {
  const file: CocoFile = {
    images: project.pictures.map(({ name, width, height }, n) => ({ id: n + 1, file_name: name, width, height })),
    categories: project.categories.map(({ name, keypoints, links }, n) => ({
      id: n + 1,
      name,
      keypoints: [...keypoints],
      skeleton: (links ?? []).map(([start, end]) => [start + 1, end + 1]),
    })),
    annotations: exported(project).map((each, n) => {
      const box = boxOf(each, project);
      const keypoints = each.marks.flatMap((mark) => (mark ? [...mark.at, mark.visible ? 2 : 1] : [0, 0, 0]));
      return {
        id: n + 1,
        image_id: project.pictures.findIndex(({ key }) => key === each.picture) + 1,
        category_id: project.categories.findIndex(({ id }) => id === each.category) + 1,
        keypoints,
        num_keypoints: each.marks.filter((mark) => mark !== null).length,
        bbox: [...box],
        area: box[2] * box[3],
        iscrowd: 0 as const,
      };
    }),
  };
  return JSON.stringify(file, null, 1);
}

/** What a COCO file says of the pictures that are here, found by name; throws an Error that names what contradicts. */
export function fromCoco(
  content: unknown,
  project: Project,
  newId: () => string,
): { categories: Category[]; annotations: Annotation[]; notes: string[] } {
  const file = content as Partial<CocoFile>;
  const notes: string[] = [];
  const categories = new Map<number, Category>();
  for (const { id, name, keypoints, skeleton } of file.categories ?? []) {
    if (!Array.isArray(keypoints)) continue; // a category of boxes alone
    const links = (skeleton ?? []).map(([start, end]): Link => [start - 1, end - 1]);
    if (links.some((link) => link.some((k) => !(k >= 0 && k < keypoints.length)))) {
      throw new Error(`${name}: the skeleton must count the ${keypoints.length} keypoints from 1, as COCO does`);
    }
    categories.set(id, { id: newId(), name, keypoints, links: links.length ? links : null });
  }
  const annotations: Annotation[] = [];
  let missing = 0;
  for (const each of file.annotations ?? []) {
    const category = categories.get(each.category_id);
    const image = file.images?.find(({ id }) => id === each.image_id);
    const name = image?.file_name.split(/[\\/]/).at(-1);
    const picture =
      project.pictures.find((here) => here.name === image?.file_name) ??
      project.pictures.find((here) => here.name.split("/").at(-1) === name);
    if (!category || !picture) {
      missing++;
      continue;
    }
    if (image!.width && (image!.width !== picture.width || image!.height !== picture.height)) {
      throw new Error(
        `${name} is ${image!.width} x ${image!.height} in the file and ${picture.width} x ${picture.height} here: ` +
          "another version of the picture",
      );
    }
    if (each.keypoints?.length !== 3 * category.keypoints.length) {
      throw new Error(
        `annotation ${each.id} has ${each.keypoints?.length ?? 0} numbers, ${category.name} has ` +
          `${category.keypoints.length} keypoints and so needs ${3 * category.keypoints.length}`,
      );
    }
    const marks = category.keypoints.map((_, k): Mark | null => {
      const [x, y, v] = each.keypoints.slice(3 * k, 3 * k + 3) as [number, number, number];
      if (!v) return null;
      if (!Number.isFinite(x) || !Number.isFinite(y)) throw new Error(`annotation ${each.id}: keypoint ${k + 1} is no number`);
      return { at: [x, y], visible: v > 1 };
    });
    const [x = 0, y = 0, w = 0, h = 0] = each.bbox ?? [];
    annotations.push({
      id: newId(),
      category: category.id,
      picture: picture.key,
      marks,
      box: w > 0 && h > 0 ? [x, y, w, h] : null,
      status: "accepted",
      proposal: null,
    });
  }
  if (missing) notes.push(`${missing} annotations are of pictures or categories that are not here`);
  const used = new Set(annotations.map(({ category }) => category));
  return { categories: [...categories.values()].filter(({ id }) => used.has(id)), annotations, notes };
}
