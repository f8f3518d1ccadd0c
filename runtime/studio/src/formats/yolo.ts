// SPDX-License-Identifier: Apache-2.0
/** YOLO-pose: a text file a picture, a line an object, shares of the picture's size; and the data.yaml of a category. */
import { categoryOf, type Category, type Project } from "../project/model";
import { boxOf, exported, stem, unique } from "./shared";

/** File name -> content, a folder a category: their numbers of keypoints differ, and YOLO-pose knows one. */
export function toYolo(project: Project): Map<string, string> {
  const files = new Map<string, string>();
  const folders = new Map<string, string>();
  const taken = new Set<string>();
  for (const category of project.categories) {
    const folder = unique(category.name.replace(/[^\w-]+/g, "_") || "category", taken);
    folders.set(category.id, folder);
    files.set(`${folder}/data.yaml`, dataYaml(category));
  }
  for (const each of exported(project)) {
    const category = categoryOf(project, each.category)!;
    const { name, width, height } = project.pictures.find(({ key }) => key === each.picture)!;
    const [x, y, w, h] = boxOf(each, project);
    const numbers = [(x + w / 2) / width, (y + h / 2) / height, w / width, h / height];
    const points = each.marks.flatMap((mark) =>
      mark ? [mark.at[0] / width, mark.at[1] / height, mark.visible ? 2 : 1] : [0, 0, 0],
    );
    const line = ["0", ...[...numbers, ...points].map((n) => (Number.isInteger(n) ? String(n) : n.toFixed(6)))].join(" ");
    const file = `${folders.get(category.id)!}/labels/${stem(name)}.txt`;
    files.set(file, (files.get(file) ?? "") + line + "\n");
  }
  return files;
}

function dataYaml({ name, keypoints }: Category): string {
  const flip = keypoints.map((_, k) => k).join(", ");
  return [
    "train: images",
    "val: images",
    `kpt_shape: [${keypoints.length}, 3]`,
    `flip_idx: [${flip}]  # no left and right are known: set them before training with flips`,
    `names: {0: ${JSON.stringify(name)}}`,
    "kpt_names:",
    `  0: [${keypoints.map((each) => JSON.stringify(each)).join(", ")}]`,
    "",
  ].join("\n");
}
