// SPDX-License-Identifier: Apache-2.0
/** Files that come in and go out: pictures and annotations by button, drop and paste; exports as downloads. */
import { strToU8, zipSync } from "fflate";
import { fromCoco, toCoco } from "../formats/coco";
import { toCsv } from "../formats/csv";
import { fromOwn, toOwn } from "../formats/own";
import { toYolo } from "../formats/yolo";
import * as edit from "../project/edit";
import { readProject } from "../project/model";
import { download } from "./dom";
import { takeFrames } from "./frames";
import type { Studio } from "./studio";

const VIDEO = /\.(mp4|m4v|mov|webm|mkv)$/i;
const PICTURE = /\.(jpe?g|png|webp|avif|gif|bmp)$/i;

/** Take pictures first, then the annotations that are of them. */
export async function takeFiles(studio: Studio, files: readonly File[]): Promise<void> {
  const pictures = files.filter((file) => file.type.startsWith("image/") || PICTURE.test(file.name));
  await studio.addFiles(pictures);
  for (const file of files.filter((each) => !pictures.includes(each))) {
    try {
      if (file.type.startsWith("video/") || VIDEO.test(file.name)) await takeFrames(studio, file);
      else if (isJson(file)) await takeJson(studio, file);
      else await takeForeign(studio, file, `${file.name} is neither a picture, a video nor a JSON annotation`);
    } catch (error) {
      studio.fail(error);
    }
  }
}

/** A folder's files: of what else lies in it nothing is said. */
export function takeFolder(studio: Studio, files: readonly File[]): Promise<void> {
  const known = files.filter((file) => PICTURE.test(file.name) || isJson(file));
  if (!known.length) studio.say("there are no pictures in this folder");
  return takeFiles(studio, known.sort((one, other) => one.webkitRelativePath.localeCompare(other.webkitRelativePath, undefined, { numeric: true })));
}

function isJson(file: File): boolean {
  return /\.json$/i.test(file.name);
}

/** A file of another tool: a server reads what fmmp-run reads. */
async function takeForeign(studio: Studio, file: File, problem: string): Promise<void> {
  if (!studio.readForeign) throw new Error(`${problem}: fmmp-data convert, or this page on fmmp-studio's server, reads more`);
  const { objects, notes } = await studio.readForeign(file, studio.project.pictures);
  for (const { name, content } of objects) takeOwn(studio, name, content);
  studio.say([`${file.name}: ${objects.length} annotation${objects.length > 1 ? "s" : ""} read`, ...notes].join(". "));
}

async function takeJson(studio: Studio, file: File): Promise<void> {
  const { name } = file;
  let content: unknown;
  try {
    content = JSON.parse(await file.text());
  } catch {
    throw new Error(`${name} is not JSON`);
  }
  const kind = content as Record<string, unknown> | null;
  if (kind && Array.isArray(kind["annotations"]) && Array.isArray(kind["images"])) {
    const { categories, annotations, notes } = fromCoco(content, studio.project, () => crypto.randomUUID());
    studio.do((project) => ({
      ...project,
      categories: [...project.categories, ...categories],
      annotations: [...project.annotations, ...annotations],
    }));
    if (categories[0]) studio.chooseCategory(categories[0].id);
    studio.say(`${name}: ${annotations.length} annotations read. ${notes.join(". ")}`);
  } else if (kind && Array.isArray(kind["keypoints"])) {
    takeOwn(studio, name, content);
  } else if (kind && "version" in kind && "pictures" in kind) {
    studio.replace(readProject(content));
  } else await takeForeign(studio, file, `${name} is no annotation of ours, of COCO or a project`);
}

function takeOwn(studio: Studio, name: string, content: unknown): void {
  const { category, annotation } = fromOwn(content, studio.project, () => crypto.randomUUID(), name);
  const isNew = !studio.project.categories.some(({ id }) => id === category.id);
  const isFirst = !studio.project.annotations.some((each) => each.category === category.id);
  studio.do((project) => {
    const known = isNew ? edit.addCategory(project, category) : project;
    return edit.addAnnotation(known, isFirst ? { ...annotation, status: "example" } : annotation);
  });
  studio.chooseCategory(category.id);
  studio.say(`${name} read`);
}

export const EXPORTS: Readonly<Record<string, (studio: Studio) => void>> = {
  "COCO keypoints (.json)": ({ project }) => download("annotations.json", json(toCoco(project))),
  "YOLO-pose (.zip)": ({ project }) => download("yolo-pose.zip", zip(toYolo(project))),
  "FMMP annotations (.zip)": ({ project }) => download("fmmp-annotations.zip", zip(toOwn(project))),
  "Table (.csv)": ({ project }) => download("keypoints.csv", new Blob([toCsv(project)], { type: "text/csv" })),
  "Project (.json)": ({ project }) => download("project.json", json(JSON.stringify(project, null, 1))),
};

function json(text: string): Blob {
  return new Blob([text], { type: "application/json" });
}

function zip(files: ReadonlyMap<string, string>): Blob {
  const packed = zipSync(Object.fromEntries([...files].map(([name, text]) => [name, strToU8(text)])));
  return new Blob([packed as Uint8Array<ArrayBuffer>], { type: "application/zip" });
}

/** Drop and paste anywhere on the page. */
export function listenForFiles(studio: Studio): void {
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    void takeFiles(studio, [...(event.dataTransfer?.files ?? [])]);
  });
  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length) void takeFiles(studio, files);
  });
}
