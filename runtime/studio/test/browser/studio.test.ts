// SPDX-License-Identifier: Apache-2.0
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deflateSync } from "node:zlib";
import type { Browser, BrowserContext } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { png, twoFrames } from "./files";
import { furthest, given, launch, StudioPage } from "./page";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf-8");
let browser: Browser;

beforeAll(async () => {
  browser = await launch();
});
afterAll(() => browser.close());

const answered = ({ annotations }: { annotations: readonly { status: string; marks: readonly unknown[] }[] }) =>
  annotations.some(({ status, marks }) => status === "proposed" && marks.length === given.keypoints.length);

async function axe({ page }: StudioPage): Promise<string[]> {
  await page.evaluate(AXE);
  const found = await page.evaluate("axe.run().then((r) => r.violations.map((v) => `${v.id}: ${v.nodes[0].html}`))");
  return found as string[];
}

describe("in the browser", () => {
  let studio: StudioPage;
  let kept: BrowserContext; // one for all tests, as a person has: the model is fetched once

  beforeAll(async () => {
    kept = await browser.newContext({ viewport: { width: 1280, height: 800 } });
    await (await StudioPage.openIn(kept, given.static)).page.close();
  });
  beforeEach(async () => {
    studio = await StudioPage.openIn(kept, given.static, "page");
    await studio.empty();
  });
  afterAll(() => kept.close());
  afterEach(async () => {
    expect(studio.errors).toEqual([]);
    await studio.page.close();
  });

  test("clicked keypoints are answered as fmmp-run answers them", async () => {
    await studio.add(given.support, given.query);
    for (const point of given.keypoints) await studio.click("example", point);
    await studio.until(answered, "an answer");
    // Clicks fall on whole screen pixels; what fmmp-run got comes in as a file.
    await studio.empty();
    await studio.add(given.support, given.query, given.annotation);
    const project = await studio.until(answered, "an answer to the annotation");
    await studio.shoot("answer");
    const answer = project.annotations.find(({ status }) => status === "proposed")!;
    // Another decoder and another warp than OpenCV's: a grey value or two, which move a point by less than half a pixel.
    expect(furthest(answer.proposal!.points, given.found)).toBeLessThan(0.5);
    answer.proposal!.score.forEach((score, k) => expect(Math.abs(score - given.score[k]!)).toBeLessThan(0.1));
    expect(await axe(studio)).toEqual([]);
  });

  test("undo, redo, and a reload in the middle lose nothing", async () => {
    await studio.add(given.support, given.query);
    for (const point of given.keypoints.slice(0, 3)) await studio.click("example", point);
    await studio.drag("example", given.keypoints[2]!, [300, 100]);
    const marks = async () => (await studio.project()).annotations.find(({ status }) => status === "example")?.marks ?? [];
    const dragged = await marks();
    expect(dragged).toHaveLength(3);
    expect(furthest([dragged[2]!.at], [[300, 100]])).toBeLessThan(3); // screen pixels
    await studio.page.keyboard.press("Control+z");
    expect(furthest([(await marks())[2]!.at], [given.keypoints[2]!])).toBeLessThan(3);
    await studio.page.keyboard.press("Control+y");
    expect(await marks()).toEqual(dragged);
    await studio.saved();
    await studio.page.reload();
    await studio.ready("page");
    expect(await marks()).toEqual(dragged);
    for (let step = 0; step < 10; step++) await studio.page.keyboard.press("Control+z");
    expect(await marks()).toEqual(dragged); // the past does not outlive a reload
  });

  test("a correction is kept, and what the model said stays beside it", async () => {
    await studio.add(given.support, given.query, given.annotation);
    const before = await studio.until(answered, "an answer");
    const proposal = before.annotations.find(({ status }) => status === "proposed")!.proposal!;
    const [x, y] = proposal.points[3]!;
    await studio.drag("answer", [x, y], [x + 60, y - 40]);
    const after = await studio.project();
    const corrected = after.annotations.find(({ status }) => status === "corrected")!;
    expect(furthest([corrected.marks[3]!.at], [[x + 60, y - 40]])).toBeLessThan(3);
    expect(furthest(corrected.proposal!.points, proposal.points)).toBeLessThan(1e-6);
    await studio.shoot("correction");
    await studio.page.keyboard.press("a");
    expect((await studio.project()).annotations.map(({ status }) => status).sort()).toEqual(["corrected", "example"]);
  });

  test("everything by keyboard", async () => {
    await studio.add(given.support, given.query);
    await studio.page.locator(".pane.example canvas").focus();
    for (const key of ["Enter", "ArrowLeft", "ArrowLeft", "Shift+ArrowUp", "Enter", "Shift+ArrowRight", "h", "["]) await studio.page.keyboard.press(key);
    const { annotations } = await studio.project();
    const [first, second] = annotations[0]!.marks;
    const [middleX, middleY] = [given.size[0] / 2, given.size[1] / 2];
    expect(furthest([first!.at], [[middleX - 2, middleY - 10]])).toBeLessThan(1e-6);
    expect(furthest([second!.at], [[middleX + 10, middleY]])).toBeLessThan(1e-6);
    expect(second!.visible).toBe(false);
    await studio.page.keyboard.press("Delete"); // "[" went back to the first
    expect((await studio.project()).annotations[0]!.marks[0]).toBeNull();
    await studio.page.keyboard.press("?");
    expect(await studio.page.locator(".help").isVisible()).toBe(true);
    await studio.shoot("help");
    await studio.page.keyboard.press("Escape");
    await studio.page.keyboard.press("Control+z");
    expect((await studio.project()).annotations[0]!.marks[0]).toEqual(first);
  });

  test("COCO goes out and comes back", async () => {
    await studio.add(given.support, given.query, given.annotation);
    await studio.until(answered, "an answer");
    await studio.page.keyboard.press("a");
    const text = await studio.download("COCO keypoints (.json)");
    const before = await studio.project();
    await studio.empty();
    await studio.add(given.support, given.query);
    await studio.page.setInputFiles("input[type=file]", { name: "annotations.json", mimeType: "application/json", buffer: Buffer.from(text) });
    const after = await studio.until(({ annotations }) => annotations.length === 2, "both annotations");
    expect(after.annotations.map(({ marks }) => marks)).toEqual(before.annotations.map(({ marks }) => marks));
    expect(after.categories[0]!.keypoints).toEqual(before.categories[0]!.keypoints);
  });

  test("what can't be read is said, and the rest goes on", async () => {
    const file = (name: string, text: string, mimeType = "") => ({ name, mimeType, buffer: Buffer.from(text) });
    const bad: [ReturnType<typeof file>, RegExp][] = [
      [file("notes.txt", "hello", "text/plain"), /notes\.txt is neither a picture, a video nor a JSON annotation/],
      [file("photo.jpg", "no jpeg", "image/jpeg"), /can't read photo\.jpg as a picture/],
      [file("x.heic", "no heic", "image/heic"), /can't read x\.heic as a picture/],
      [file("broken.json", "{", "application/json"), /broken\.json is not JSON/],
      [file("other.json", '{"shapes": []}', "application/json"), /is no annotation of ours, of COCO or a project/],
      [file("../../evil.json", '{"keypoints": [[1, 2]], "image": "<img src=x onerror=alert(1)>"}', "application/json"), /which is not among the pictures/],
    ];
    for (const [each, message] of bad) {
      await studio.page.setInputFiles("input[type=file]", each);
      await studio.page.waitForFunction((text) => new RegExp(text).test(document.querySelector(".problem")!.textContent!), message.source);
    }
    await studio.shoot("problem");
    await studio.add(given.support);
    expect((await studio.project()).pictures).toHaveLength(1);
  });

  test("the camera's picture is answered", async () => {
    await studio.add(given.support, given.annotation);
    await studio.context.grantPermissions(["camera"]);
    await studio.page.getByRole("button", { name: "Camera" }).click();
    await studio.page.waitForFunction(() => (document.querySelector("video")?.videoWidth ?? 0) > 0);
    await studio.page.getByRole("button", { name: "Take picture" }).click();
    await studio.until(answered, "an answer to the camera");
    await studio.page.getByRole("button", { name: "Close" }).click();
  });

  test("links are joined and parted by keys, and the tree comes back", async () => {
    await studio.add(given.support, given.annotation);
    const links = async () => (await studio.project()).categories[0]!.links;
    await studio.page.locator(".pane.example canvas").focus();
    for (const key of ["]", "j", "]", "j"]) await studio.page.keyboard.press(key);
    expect(await links()).toEqual([[0, 1]]);
    for (const key of ["j", "[", "j"]) await studio.page.keyboard.press(key);
    expect(await links()).toEqual([]);
    await studio.page.getByRole("button", { name: "Shortest tree" }).click();
    expect(await links()).toBe(null);
  });

  test("a folder's pictures keep their places, and what else is there is left", async () => {
    const folder = mkdtempSync(join(tmpdir(), "fmmp-folder-"));
    mkdirSync(join(folder, "cam1"));
    copyFileSync(given.support, join(folder, "cam1", "view.png"));
    copyFileSync(given.query, join(folder, "view.png"));
    writeFileSync(join(folder, "notes.txt"), "hello");
    await studio.page.setInputFiles("input[webkitdirectory]", folder);
    await studio.page.waitForFunction(() => document.querySelectorAll(".strip li").length === 2);
    expect((await studio.project()).pictures.map(({ name }) => name).sort()).toEqual(["cam1/view.png", "view.png"]);
    expect(await studio.problem()).toBe("");
  });

  test("too large, and moving", async () => {
    const line = Buffer.alloc(1 + Math.ceil(10_001 / 8));
    const large = png(10_001, 10_001, deflateSync(Buffer.concat(Array.from({ length: 10_001 }, () => line))));
    await studio.page.setInputFiles("input[type=file]", { name: "large.png", mimeType: "image/png", buffer: large });
    await studio.page.waitForFunction(() => /large\.png has 10001 x 10001 pixels/.test(document.querySelector(".problem")!.textContent!));
    await studio.page.setInputFiles("input[type=file]", { name: "moves.gif", mimeType: "image/gif", buffer: twoFrames() });
    await studio.page.waitForFunction(() => /moves\.gif moves: its first frame is taken/.test(document.querySelector(".heard")!.textContent!));
    expect((await studio.project()).pictures).toHaveLength(1);
  });

  test("several objects of one picture, each with its box", async () => {
    await studio.add(given.support, given.query, given.annotation);
    await studio.until(answered, "an answer");
    await studio.page.locator(".pane.answer canvas").focus();
    await studio.page.keyboard.press("o");
    await studio.drag("answer", [60, 120], [620, 470]);
    const two = await studio.until(({ annotations }) => annotations.filter(({ proposal }) => proposal).length === 2, "an answer in the box");
    const [first, second] = two.annotations.filter(({ proposal }) => proposal);
    expect(second!.box![0]).toBeCloseTo(60, -1);
    expect(furthest(first!.proposal!.points, second!.proposal!.points)).toBeGreaterThan(0.1);
    await studio.shoot("objects");
    await studio.page.keyboard.press("m");
    await studio.page.keyboard.press("a"); // the first; then the other one is shown for review
    await studio.page.keyboard.press("r");
    expect((await studio.project()).annotations.map(({ status }) => status)).toEqual(["example", "accepted", "rejected"]);
  });

  test("frames of a video become pictures", async () => {
    const recorded = await studio.page.evaluate(async () => {
      const canvas = Object.assign(document.createElement("canvas"), { width: 160, height: 120 });
      const context = canvas.getContext("2d")!;
      const recorder = new MediaRecorder(canvas.captureStream(20), { mimeType: "video/webm" });
      const parts: Blob[] = [];
      recorder.ondataavailable = ({ data }) => parts.push(data);
      recorder.start();
      for (let step = 0; step < 30; step++) {
        context.fillStyle = `hsl(${12 * step} 90% 50%)`;
        context.fillRect(0, 0, 160, 120);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      await new Promise((resolve) => {
        recorder.onstop = resolve;
        recorder.stop();
      });
      return [...new Uint8Array(await new Blob(parts).arrayBuffer())];
    });
    const file = { name: "walk.webm", mimeType: "video/webm", buffer: Buffer.from(recorded) };
    await studio.page.setInputFiles("input[type=file]", file);
    const dialog = studio.page.getByRole("dialog", { name: "Frames of walk.webm" });
    const slider = dialog.getByLabel("Time in the video");
    await slider.focus();
    await slider.fill("0.5");
    await dialog.getByRole("button", { name: "Take this frame" }).click();
    await studio.page.waitForFunction(() => document.querySelectorAll(".strip li").length === 1);
    await studio.shoot("video");
    await dialog.getByLabel("Seconds between frames").fill("0.4");
    await dialog.getByRole("button", { name: "Take all" }).click();
    await studio.page.waitForFunction(() => document.querySelectorAll(".strip li").length >= 4);
    await dialog.getByRole("button", { name: "Close" }).click();
    const { pictures } = await studio.project();
    expect(pictures[0]).toMatchObject({ name: "walk-0.50s.png", width: 160, height: 120 });
  });

  test("works without a network after the first visit", async () => {
    await kept.setOffline(true);
    await studio.page.reload();
    await studio.ready("page");
    await studio.empty();
    await studio.add(given.support, given.query, given.annotation);
    await studio.until(answered, "an answer");
    await kept.setOffline(false);
  });

  test("of two tabs, the second to save is told", async () => {
    await studio.add(given.support);
    const other = await StudioPage.openIn(kept, given.static, "page");
    await studio.click("example", given.keypoints[0]!);
    await other.page.waitForFunction(() => /another tab/.test(document.querySelector(".problem")!.textContent!));
    await other.page.close();
  });
});

describe("at any size and light", () => {
  test.each([
    ["phone-dark", { viewport: { width: 360, height: 740 }, colorScheme: "dark", hasTouch: true }],
    ["4k", { viewport: { width: 3840, height: 2160 }, colorScheme: "light" }],
  ] as const)("%s", async (name, options) => {
    const studio = await StudioPage.open(browser, given.static, options);
    await studio.add(given.support, given.query, given.annotation);
    await studio.until(answered, "an answer");
    await studio.shoot(name);
    expect(await axe(studio)).toEqual([]);
    const wide = await studio.page.evaluate("document.documentElement.scrollWidth <= innerWidth");
    expect(wide).toBe(true);
    await studio.close();
  });
});

test("a full disk is said, and what was there stays", async () => {
  const context = await browser.newContext(); // a browser measures its storage once in a while: before the first picture here
  const studio = await StudioPage.openIn(context, given.static, "page");
  const session = await context.newCDPSession(studio.page);
  await session.send("Storage.overrideQuotaForOrigin", { origin: new URL(given.static).origin, quotaSize: 1 });
  await studio.page.setInputFiles("input[type=file]", given.support);
  await studio.page.waitForFunction(() => /storage is full/.test(document.querySelector(".problem")!.textContent!));
  expect((await studio.project()).pictures).toEqual([]);
  await studio.close();
});

describe("a bundle that can't be trusted", () => {
  const cases: [string, string, (body: Buffer) => Buffer, RegExp][] = [
    ["a newer format", "**/model.json", (body) => Buffer.from(body.toString().replace(/"format": \d+/, '"format": 99')), /format 99.*update fmmp-studio/],
    ["half of the weights", "**/weights.bin", (body) => body.subarray(0, body.length / 2), /weights\.bin is not what its bundle says/],
    ["no JSON", "**/model.json", () => Buffer.from("<html>"), /model\.json is not JSON/],
  ];
  test.each(cases)("%s", async (_, file, change, message) => {
    const context = await browser.newContext({ serviceWorkers: "block" });
    await context.route(file, async (route) => {
      const response = await route.fetch();
      await route.fulfill({ status: 200, body: change(await response.body()) });
    });
    const studio = await StudioPage.openIn(context, given.static, "failed");
    expect(await studio.page.locator("#status").textContent()).toMatch(message);
    await studio.add(given.support); // labelling by hand goes on
    await studio.close();
  });
});
