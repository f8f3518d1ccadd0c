// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { Newest } from "../src/engine/newest";
import { fromCoco, toCoco } from "../src/formats/coco";
import { toCsv } from "../src/formats/csv";
import { fromOwn, toOwn } from "../src/formats/own";
import { toYolo } from "../src/formats/yolo";
import { meter, toReview } from "../src/page/label";
import * as edit from "../src/project/edit";
import { History } from "../src/project/history";
import { readProject, type Annotation, type Project } from "../src/project/model";
import { difference, lessons, shown } from "../src/project/teachers";

const A = "a".repeat(64);
const B = "b".repeat(64);

function project(): Project {
  const marks = [{ at: [10.25, 20.5], visible: true }, { at: [90, 40], visible: false }, null] as const;
  const annotation: Annotation = { id: "1", category: "c", picture: A, marks, box: [5, 10, 100, 50], status: "example", proposal: null };
  return {
    version: 1,
    name: "test",
    categories: [{ id: "c", name: "bike", keypoints: ["lamp", "hub, \"rear\"", "seat"], links: [[0, 1], [1, 2]] }],
    pictures: [
      { key: A, name: "one.jpg", width: 200, height: 100 },
      { key: B, name: "two.png", width: 300, height: 150 },
    ],
    annotations: [annotation],
  };
}

let count = 0;
const newId = () => `new-${++count}`;
const without = (each: Annotation) => ({ ...each, id: "", category: "", status: "" });

test("COCO loses nothing on its way out and back", () => {
  const before = project();
  const { categories, annotations, notes } = fromCoco(JSON.parse(toCoco(before)), before, newId);
  expect(categories.map(({ name, keypoints, links }) => [name, keypoints, links])).toEqual(
    before.categories.map(({ name, keypoints, links }) => [name, keypoints, links]),
  );
  expect(annotations.map(without)).toEqual(before.annotations.map(without));
  expect(notes).toEqual([]);
});

test("a COCO file that contradicts itself or the picture is refused", () => {
  const file = JSON.parse(toCoco(project()));
  file.images[0].width = 400;
  expect(() => fromCoco(file, project(), newId)).toThrow("400 x 100 in the file and 200 x 100 here");
  file.images[0].width = 200;
  file.annotations[0].keypoints.pop();
  expect(() => fromCoco(file, project(), newId)).toThrow("has 8 numbers");
  file.categories[0].skeleton = [[0, 1]];
  expect(() => fromCoco(file, project(), newId)).toThrow("from 1");
});

test("our own JSON loses nothing on its way out and back", () => {
  const before = project();
  const [[name, text]] = [...toOwn(before)] as [[string, string]];
  const { annotation, category } = fromOwn(JSON.parse(text), before, newId, name);
  expect(category).toBe(before.categories[0]);
  expect(without(annotation)).toEqual(without(before.annotations[0]!));
});

test("YOLO-pose has the box's centre and size and the keypoints as shares, three numbers each", () => {
  const files = toYolo(project());
  expect(files.get("bike/labels/one.txt")).toBe("0 0.275000 0.350000 0.500000 0.500000 0.051250 0.205000 2 0.450000 0.400000 1 0 0 0\n");
  expect(files.get("bike/data.yaml")).toContain("kpt_shape: [3, 3]");
});

test("CSV quotes, and starts no formula", () => {
  const bad = edit.renameKeypoint(project(), "c", 0, "=1+1");
  const lines = toCsv(bad).split("\r\n");
  expect(lines[1]).toBe("one.jpg,1,bike,'=1+1,10.25,20.50,1,example");
  expect(lines[2]).toContain('"hub, ""rear"""');
});

test("taking a keypoint out takes its marks and links with it, and moving one keeps what is joined", () => {
  const gone = edit.removeKeypoint(project(), "c", 1);
  expect(gone.categories[0]!.links).toEqual([]);
  expect(gone.annotations[0]!.marks).toEqual([{ at: [10.25, 20.5], visible: true }, null]);
  const moved = edit.moveKeypoint(project(), "c", 0, 2);
  expect(moved.categories[0]!.keypoints).toEqual(["hub, \"rear\"", "seat", "lamp"]);
  expect(moved.categories[0]!.links).toEqual([[2, 0], [0, 1]]);
  expect(moved.annotations[0]!.marks[2]).toEqual({ at: [10.25, 20.5], visible: true });
});

test("a proposal never changes what a person said", () => {
  const proposal = { points: [[1, 1], [2, 2], [3, 3]] as const, score: [0.5, 0.5, 0.5] };
  const next = edit.propose(project(), { id: "x", category: "c", picture: A, box: null, proposal });
  expect(next.annotations[0]!.marks).toEqual(project().annotations[0]!.marks);
  expect(next.annotations[0]!.proposal).toEqual(proposal);
  const fresh = edit.propose(project(), { id: "x", category: "c", picture: B, box: null, proposal });
  expect(fresh.annotations[1]!.status).toBe("proposed");
  const corrected = edit.placeMark(fresh, "x", 0, { at: [9, 9], visible: true });
  expect(corrected.annotations[1]!.status).toBe("corrected");
});

test("everything can be undone and done again; a drag is one step", () => {
  const history = new History(project());
  const seen = [history.now];
  history.push(edit.renameCategory(history.now, "c", "motorcycle"));
  seen.push(history.now);
  for (let x = 0; x < 5; x++) history.push(edit.placeMark(history.now, "1", 0, { at: [x, 0], visible: true }), "drag-1");
  seen.push(history.now);
  history.push(edit.removeAnnotation(history.now, "1"));
  history.undo();
  expect(history.now).toBe(seen[2]);
  history.undo();
  expect(history.now).toBe(seen[1]);
  history.undo();
  expect(history.now).toBe(seen[0]);
  expect(history.canUndo).toBe(false);
  history.redo();
  history.redo();
  history.redo();
  expect(history.now.annotations).toEqual([]);
});

test("the meter counts proposals within a twentieth of the box, the least sure are reviewed first", () => {
  const proposal = { points: [[10, 20], [60, 60], [70, 70]] as const, score: [0.9, 0.2, 0.4] };
  let now = edit.propose(project(), { id: "x", category: "c", picture: B, box: [0, 0, 100, 100], proposal });
  expect(toReview(now, "c").map(({ picture }) => picture)).toEqual([B]);
  now = edit.placeMark(now, "x", 0, { at: [14, 20], visible: true }); // 4 px of 100: right
  now = edit.placeMark(now, "x", 1, { at: [66, 60], visible: true }); // 6 px: wrong
  expect(meter(now, "c")).toEqual({ points: 3, right: 2, pictures: 1, left: 0 });
});

test("a damaged project is refused by name", () => {
  expect(() => readProject({ version: 2, categories: [], pictures: [], annotations: [] })).toThrow("version 2");
  expect(() => readProject([])).toThrow("no project");
  const broken = { ...project(), categories: [{ ...project().categories[0]!, keypoints: ["one"] }] };
  expect(() => readProject(broken)).toThrow("has 3 keypoints, the category has 1");
});

test("of jobs that wait, only the newest is done", async () => {
  const newest = new Newest<number>();
  const started: number[] = [];
  const release: (() => void)[] = [];
  const job = (n: number) => () =>
    new Promise<number>((resolve) => {
      started.push(n);
      release.push(() => resolve(n));
    });
  const answers = [1, 2, 3].map((n) => newest.run(job(n)));
  release[0]!();
  await answers[0];
  await Promise.resolve();
  await new Promise((resolve) => setTimeout(resolve));
  release[1]!();
  expect(await Promise.all(answers)).toEqual([1, null, 3]);
  expect(started).toEqual([1, 3]);
});

test("lessons: examples first, then the corrections that differ most", () => {
  const pose = (id: string, picture: string, status: Annotation["status"], points: [number, number][]): Annotation => ({
    ...project().annotations[0]!, id, picture, status, marks: points.map((at) => ({ at, visible: true })), box: null,
  });
  const example = pose("e", "0", "example", [[0, 0], [10, 0], [10, 10]]);
  const same = pose("s", "1", "corrected", [[100, 100], [120, 100], [120, 120]]); // moved and twice as large
  const other = pose("o", "2", "corrected", [[0, 0], [10, 0], [0, 10]]);
  const all = { ...project(), annotations: [same, other, example] };
  expect(difference(example, same)).toBeCloseTo(0, 9);
  expect(lessons(all, "c", "q", 2).map(({ id }) => id)).toEqual(["e", "o"]);
  expect(lessons(all, "c", "2", 5).map(({ id }) => id)).toEqual(["e", "s"]); // a picture doesn't teach about itself
  expect(lessons({ ...all, annotations: [same, other] }, "c", "q", 1).map(({ id }) => id)).toEqual(["s"]);
});

test("a keypoint beyond the edge of its picture is kept, and not shown to the model", () => {
  const [annotation] = project().annotations;
  const beyond = { ...annotation!, marks: [{ at: [200, 100], visible: true }, { at: [-1, 5], visible: true }, null] as const };
  expect(shown(beyond, project())).toEqual([true, false, false]);
});

test("of several objects in a picture an answer is put on the one that was asked for", () => {
  const proposal = { points: [[1, 1], [2, 2], [3, 3]] as const, score: [0.5, 0.5, 0.5] };
  const empty: Annotation = { ...project().annotations[0]!, id: "2", marks: [null, null, null], status: "proposed" };
  const two = edit.addAnnotation(project(), empty);
  const next = edit.propose(two, { id: "2", category: "c", picture: A, box: null, proposal });
  expect(next.annotations.map(({ marks }) => marks[0]?.at)).toEqual([[10.25, 20.5], [1, 1]]);
});
