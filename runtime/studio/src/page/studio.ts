// SPDX-License-Identifier: Apache-2.0
/** The state of the page and all that changes it; the parts of the page listen. */
import type { Engine, Example } from "../engine/engine";
import { Newest } from "../engine/newest";
import { MOST_PIXELS } from "../engine/pixels";
import type { Box, Point } from "../pose/crop";
import type { Link } from "../pose/skeleton";
import * as edit from "../project/edit";
import { History } from "../project/history";
import {
  annotationsOf,
  categoryOf,
  pictureOf,
  teachers,
  type Annotation,
  type Category,
  type Picture,
  type Project,
} from "../project/model";
import type { Foreign } from "../project/server";
import { Conflict, type Storage } from "../project/storage";
import { lessons, shown } from "../project/teachers";

export type Tool = "point" | "link" | "box";
export type Side = "example" | "answer";

const SAVE_AFTER_MS = 400;
const SAVE_AGAIN_MS = 3000; // where it could not be done
const DEFAULT_THRESHOLD = 0.3;

export class Studio {
  engine: Engine | null = null;
  /** Reads an annotation file of another tool, as objects in our own JSON; only a server can. */
  readForeign: ((file: File, pictures: readonly Picture[]) => Promise<Foreign>) | null = null;
  tool: Tool = "point";
  threshold = DEFAULT_THRESHOLD;
  showNames = false;
  /** The side that keys act on. */
  side: Side = "example";
  category: string | null = null;
  /** Pictures that are shown on the two sides. */
  shown: Record<Side, string | null> = { example: null, answer: null };
  /** The keypoint that keys act on. */
  point: number | null = null;
  /** Links that the model used where the category has none of its own. */
  guessedLinks: readonly Link[] = [];
  /** Said once, for a person and for a screen reader. */
  message = "";
  problem: string | null = null;
  /** The keypoint that a link begins at, while the other end is chosen by key. */
  joinFrom: number | null = null;
  /** Show what the model had said in place of the corrections. */
  showBefore = false;
  /** Of several objects in one picture, the one that is worked on; null: the first. */
  private readonly chosen: Record<Side, string | null> = { example: null, answer: null };

  private savedProject: Project;
  private notes: string[] = [];
  private readonly history: History<Project>;
  private readonly newest = new Newest<Annotation | null>();
  private readonly listeners = new Set<() => void>();
  private readonly images = new Map<string, Promise<ImageBitmap>>();
  private readonly known = new Map<string, Promise<unknown>>(); // pictures that the engine has
  private remembered = new Map<string, string>(); // category -> what it was learnt from
  private saveTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly storage: Storage,
    project: Project,
    private revision: number,
  ) {
    this.history = new History(project);
    this.savedProject = project;
    this.category = project.categories[0]?.id ?? null;
    this.showFirstPictures();
    storage.onOtherTab(() => this.fail(new Conflict("this project is open in another tab, which has saved: reload to go on there")));
  }

  get project(): Project {
    return this.history.now;
  }

  /** Whether all that was done would outlive a crash. */
  get saved(): boolean {
    return this.project === this.savedProject;
  }

  get canUndo(): boolean {
    return this.history.canUndo;
  }

  get canRedo(): boolean {
    return this.history.canRedo;
  }

  subscribe(listener: () => void): void {
    this.listeners.add(listener);
  }

  notify(): void {
    for (const listener of this.listeners) listener();
  }

  say(message: string): void {
    this.message = message;
    this.notify();
  }

  fail(error: unknown): void {
    this.problem = error instanceof Error ? error.message : String(error);
    this.notify();
  }

  /** Do something that can be undone; steps with one `merge`, such as those of a drag, are one. */
  do(change: (project: Project) => Project, merge: string | null = null): void {
    this.message = "";
    this.history.push(change(this.project), merge);
    this.changed();
  }

  undo(): void {
    this.history.undo();
    this.changed();
  }

  redo(): void {
    this.history.redo();
    this.changed();
  }

  replace(project: Project): void {
    this.do(() => project);
    this.category = project.categories[0]?.id ?? null;
    this.showFirstPictures();
    this.notify();
  }

  useEngine(engine: Engine): void {
    this.engine?.close();
    this.engine = engine;
    this.known.clear();
    this.remembered.clear();
    this.changed();
  }

  // What is shown

  currentCategory(): Category | undefined {
    return this.category === null ? undefined : categoryOf(this.project, this.category);
  }

  /** All objects of the category in the picture of a side. */
  objects(side: Side): readonly Annotation[] {
    const picture = this.shown[side];
    return picture === null || this.category === null ? [] : annotationsOf(this.project, picture, this.category);
  }

  /** The object of a side that is worked on. */
  annotation(side: Side): Annotation | undefined {
    const all = this.objects(side);
    return all.find(({ id }) => id === this.chosen[side]) ?? all[0];
  }

  links(): readonly Link[] {
    return this.currentCategory()?.links ?? this.guessedLinks;
  }

  show(side: Side, picture: string | null, object: string | null = null): void {
    this.shown[side] = picture;
    this.chosen[side] = object;
    this.side = side;
    this.showBefore = false;
    this.point = null;
    this.changed();
  }

  chooseCategory(id: string): void {
    this.category = id;
    this.joinFrom = null;
    this.point = null;
    const example = teachers(this.project, id)[0];
    if (example) this.shown.example = example.picture;
    this.changed();
  }

  image(key: string): Promise<ImageBitmap> {
    let image = this.images.get(key);
    if (!image) {
      image = this.storage.getPicture(key).then((file) => createImageBitmap(file, { imageOrientation: "from-image" }));
      this.images.set(key, image);
      image.catch((error: unknown) => this.fail(error));
      for (const oldest of this.images.keys()) {
        if (this.images.size <= 8) break;
        if (!Object.values(this.shown).includes(oldest)) this.images.delete(oldest);
        else break;
      }
    }
    return image;
  }

  // Pictures and categories

  /** Add picture files; what can't be read is said, and the others are there. */
  async addFiles(files: readonly File[]): Promise<void> {
    this.notes = [];
    for (const file of files) {
      try {
        const key = await sha256(file);
        const { width, height } = await sizeOf(file);
        if (await moves(file)) this.notes.push(`${file.name} moves: its first frame is taken`);
        await this.storage.putPicture(key, file);
        this.do((project) => edit.addPicture(project, { key, name: nameOf(file), width, height }));
        if (this.shown.example === null) this.shown.example = key;
        else if (this.shown.answer === null && key !== this.shown.example) this.shown.answer = key;
      } catch (error) {
        this.fail(error);
      }
    }
    this.changed();
    if (this.notes.length) this.say(this.notes.join(". "));
  }

  /** The annotation of a side, made where there is none: in the example's picture it teaches. */
  ensureAnnotation(side: Side): Annotation | undefined {
    return this.annotation(side) ?? this.begin(side, side === "example" ? "example" : "corrected");
  }

  /** Another object of the category in the same picture: a box says which. */
  addObject(side: Side): void {
    if (this.shown[side] === null) return this.say("add a picture first");
    if (this.annotation(side)) this.chosen[side] = this.begin(side, side === "example" ? "example" : "proposed")!.id;
    this.tool = "box";
    this.point = null;
    this.say("drag a box around the other object");
  }

  nextObject(side: Side): void {
    const all = this.objects(side);
    if (all.length < 2) return this.say("this picture has one object: New object begins another");
    const next = (all.indexOf(this.annotation(side)!) + 1) % all.length;
    this.chosen[side] = all[next]!.id;
    this.point = null;
    this.changed();
    this.say(`object ${next + 1} of ${all.length}`);
  }

  private begin(side: Side, status: Annotation["status"]): Annotation | undefined {
    const picture = this.shown[side];
    if (picture === null) return undefined;
    if (this.category === null) {
      const category: Category = { id: crypto.randomUUID(), name: "object", keypoints: [], links: null };
      this.category = category.id;
      this.do((project) => edit.addCategory(project, category));
    }
    const category = this.currentCategory()!;
    const annotation: Annotation = {
      id: crypto.randomUUID(),
      category: category.id,
      picture,
      marks: category.keypoints.map(() => null),
      box: null,
      status,
      proposal: null,
    };
    this.do((project) => edit.addAnnotation(project, annotation), "begin");
    return annotation;
  }

  placePoint(side: Side, at: Point): void {
    const annotation = this.ensureAnnotation(side);
    if (!annotation) return;
    const free = annotation.marks.findIndex((mark) => mark === null);
    if (free >= 0) this.do((project) => edit.placeMark(project, annotation.id, free, { at, visible: true }));
    else if (side === "example") this.do((project) => edit.addKeypoint(project, annotation.id, at));
    else return this.say("all keypoints are placed: drag one to correct it; new ones begin on an example");
    this.point = free >= 0 ? free : annotation.marks.length;
    this.notify();
  }

  /** Join two keypoints, or part them; a guessed tree that is changed becomes the category's own. */
  join(from: number, to: number): void {
    const category = this.currentCategory();
    if (!category || from === to) return;
    const start = category.links ?? this.guessedLinks;
    this.do((project) => edit.toggleLink(edit.setLinks(project, category.id, start), category.id, from, to));
  }

  setBox(side: Side, box: Box | null, merge: string | null = null): void {
    const annotation = this.ensureAnnotation(side);
    if (annotation) this.do((project) => edit.setBox(project, annotation.id, box), merge);
  }

  // The model

  /** Let the model answer for the picture on the answer side; of wishes that come faster than answers the last counts. */
  private async askNewest(): Promise<void> {
    await this.newest.run(async () => (this.shown.answer === null ? null : this.ask(this.shown.answer, this.annotation("answer")?.id)));
  }

  /** Let the model answer for a picture, with what the examples teach now; null where it can't. */
  async ask(picture: string, object?: string): Promise<Annotation | null> {
    const { engine, category } = this;
    if (!engine || !category || !pictureOf(this.project, picture)) return null;
    try {
      if (!(await this.teach(category, picture))) return null;
      const all = annotationsOf(this.project, picture, category);
      const there = all.find(({ id }) => id === object) ?? all[0];
      if (all.length > 1 && !there!.box && !there!.marks.some((mark) => mark)) return null; // its box says which it is
      const pose = await engine.locate(category, picture, there?.box ?? null);
      if (!pose || pose.keypoints.length !== categoryOf(this.project, category)?.keypoints.length) return null;
      const gone = there && !this.project.annotations.some((each) => each.id === there.id);
      if (gone || !pictureOf(this.project, picture)) return null; // removed in the meantime
      const proposal = { points: pose.keypoints, score: pose.score };
      const id = there?.id ?? crypto.randomUUID();
      this.history.amend(
        edit.propose(this.project, { id, category, picture, box: there?.box ?? (engine.info.finds ? pose.box : null), proposal }),
      );
      this.problem = null;
      this.notify();
      this.saveSoon();
      return this.project.annotations.find((each) => each.id === id) ?? null;
    } catch (error) {
      this.fail(error);
      return null;
    }
  }

  /** Tell the engine what is new in the examples; false where there is nothing to learn from yet. */
  private async teach(category: string, query: string): Promise<boolean> {
    const engine = this.engine!;
    const taught = lessons(this.project, category, query, engine.info.shots);
    const examples = taught
      .map((each): Example => ({
        picture: each.picture,
        box: each.box,
        keypoints: each.marks.map((mark) => mark?.at ?? [0, 0]),
        visible: shown(each, this.project),
      }))
      .filter(({ visible }) => visible.includes(true));
    if (!examples.length) return false;
    const { links, keypoints } = categoryOf(this.project, category)!;
    if (keypoints.length > engine.info.keypoints) {
      throw new Error(`${keypoints.length} keypoints are too many for this bundle, which takes ${engine.info.keypoints}`);
    }
    await Promise.all([...examples.map((each) => each.picture), query].map((key) => this.tellPicture(key)));
    const lesson = JSON.stringify([examples, links]);
    if (this.remembered.get(category) !== lesson) {
      this.guessedLinks = await engine.remember(category, examples, links);
      this.remembered.set(category, lesson);
    }
    return true;
  }

  private tellPicture(key: string): Promise<unknown> {
    let told = this.known.get(key);
    if (!told) {
      const engine = this.engine!;
      told = this.storage.getPicture(key).then((file) => engine.addPicture(key, file));
      told.catch(() => this.known.delete(key));
      this.known.set(key, told);
    }
    return told;
  }

  private showFirstPictures(): void {
    const [first = null, second = null] = this.project.pictures.map(({ key }) => key);
    const example = this.category === null ? undefined : teachers(this.project, this.category)[0];
    this.shown.example = example?.picture ?? first;
    this.shown.answer = this.shown.example === first ? second : first;
  }

  private changed(): void {
    for (const side of ["example", "answer"] as const) {
      const key = this.shown[side];
      if (key !== null && !pictureOf(this.project, key)) this.shown[side] = null;
    }
    if (this.category === null || !this.currentCategory()) this.category = this.project.categories[0]?.id ?? null;
    if (this.point !== null && this.point >= (this.currentCategory()?.keypoints.length ?? 0)) this.point = null;
    this.notify();
    this.saveSoon();
    void this.askNewest();
  }

  private saveSoon(): void {
    clearTimeout(this.saveTimer);
    this.saveTimer = setTimeout(() => void this.save(), SAVE_AFTER_MS);
  }

  private saving: Promise<void> = Promise.resolve();

  /** Save now; one after the other, each over the revision of the one before. */
  save(): Promise<void> {
    clearTimeout(this.saveTimer);
    this.saving = this.saving.then(async () => {
      const { project } = this;
      if (project === this.savedProject) return;
      try {
        this.revision = await this.storage.save(project, this.revision);
        this.savedProject = project;
      } catch (error) {
        if (!(error instanceof Conflict)) this.saveTimer = setTimeout(() => void this.save(), SAVE_AGAIN_MS);
        return this.fail(error);
      }
      this.notify();
    });
    return this.saving;
  }
}

/** Its path in the folder that was added, so that pictures of one name are told apart; else its name. */
function nameOf(file: File): string {
  return file.webkitRelativePath.split("/").slice(1).join("/") || file.name;
}

/** Size of a picture as it is shown; one that is too large is refused before its pixels are decoded. */
async function sizeOf(file: File): Promise<{ width: number; height: number }> {
  const unreadable = () => new Error(`this browser can't read ${file.name} as a picture: use JPEG, PNG or WebP`);
  const url = URL.createObjectURL(file);
  const image = new Image();
  image.src = url;
  await new Promise((resolve, reject) => {
    image.onload = resolve;
    image.onerror = () => reject(unreadable());
  }).finally(() => URL.revokeObjectURL(url));
  const { naturalWidth: width, naturalHeight: height } = image;
  if (width * height > MOST_PIXELS) throw new Error(`${file.name} has ${width} x ${height} pixels, at most ${MOST_PIXELS / 1e6} million work: make it smaller`);
  const bitmap = await createImageBitmap(file, { imageOrientation: "from-image" }).catch(() => {
    throw unreadable();
  });
  bitmap.close();
  return { width, height };
}

/** Whether a picture has more than one frame; unknown, and so said to have one, where the browser can't count. */
async function moves(file: File): Promise<boolean> {
  if (!("ImageDecoder" in globalThis) || !/^image\/(gif|webp|png|avif)$/.test(file.type)) return false;
  const decoder = new ImageDecoder({ data: await file.arrayBuffer(), type: file.type });
  await decoder.completed.catch(() => undefined);
  await decoder.tracks.ready.catch(() => undefined);
  const count = decoder.tracks.selectedTrack?.frameCount ?? 1;
  decoder.close();
  return count > 1;
}

async function sha256(file: Blob): Promise<string> {
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", await file.arrayBuffer()));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
