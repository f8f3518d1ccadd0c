// SPDX-License-Identifier: Apache-2.0
/** A page of the studio in a real browser, and what a person does with it. */
import { mkdirSync, readFileSync } from "node:fs";
import { chromium, type Browser, type BrowserContext, type BrowserContextOptions, type Page } from "playwright-core";
import type { Project } from "../../src/project/model";

function variable(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: tests/runtime/studio/test_browser.py runs these tests`);
  return value;
}

/** Written by test_browser.py: addresses, pictures, and what fmmp-run answers. */
export const given = JSON.parse(readFileSync(variable("STUDIO_TEST"), "utf-8")) as {
  readonly chromium: string;
  readonly shots: string;
  readonly static: string;
  readonly server: readonly string[]; // the command that starts one; the port is added
  readonly support: string;
  readonly query: string;
  readonly size: readonly [number, number];
  readonly annotation: string;
  readonly keypoints: readonly (readonly [number, number])[];
  readonly found: readonly (readonly [number, number])[];
  readonly score: readonly number[];
};

export function launch(): Promise<Browser> {
  const flags = ["--no-sandbox", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"];
  return chromium.launch({ executablePath: given.chromium, args: flags });
}

export class StudioPage {
  private constructor(
    readonly page: Page,
    readonly context: BrowserContext,
    readonly errors: string[],
  ) {}

  static async open(browser: Browser, url: string, options: BrowserContextOptions = {}, until = "model"): Promise<StudioPage> {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
    return StudioPage.openIn(context, url, until);
  }

  static async openIn(context: BrowserContext, url: string, until = "model"): Promise<StudioPage> {
    const page = await context.newPage();
    const errors: string[] = [];
    page.on("pageerror", (error) => errors.push(error.message));
    await page.goto(url);
    const opened = new StudioPage(page, context, errors);
    await opened.ready(until);
    return opened;
  }

  /** Wait for the page alone, for its model too, or for the line that says why there is none. */
  ready(state: string): Promise<unknown> {
    const wanted = state === "page" ? "body[data-ready]" : `body[data-ready=${state}]`;
    return this.page.waitForSelector(wanted, { timeout: 90_000 });
  }

  /** Wait until all that was done is kept. */
  saved(): Promise<unknown> {
    return this.page.waitForSelector("body[data-saved=true]", { timeout: 30_000 });
  }

  /** Begin a new project: the page of the one before is left, saved or not. */
  async empty(): Promise<void> {
    const empty = { version: 1, name: "test", categories: [], pictures: [], annotations: [] };
    await this.page.setInputFiles("input[type=file]", { name: "empty.json", mimeType: "application/json", buffer: Buffer.from(JSON.stringify(empty)) });
    await this.page.waitForFunction(() => document.querySelectorAll(".strip li").length === 0);
  }

  async add(...files: string[]): Promise<void> {
    const before = await this.page.locator(".strip li").count();
    await this.page.setInputFiles("input[type=file]", files);
    const pictures = files.filter((file) => /\.(png|jpg)$/.test(file)).length;
    await this.page.waitForFunction((count) => document.querySelectorAll(".strip li").length === count, before + pictures);
  }

  /** Where a point of the picture lies on the screen, while the whole picture is shown. */
  async screen(side: "example" | "answer", [x, y]: readonly [number, number]): Promise<[number, number]> {
    const box = (await this.page.locator(`.pane.${side} canvas`).boundingBox())!;
    const zoom = Math.min(box.width / given.size[0], box.height / given.size[1]);
    return [box.x + (box.width - given.size[0] * zoom) / 2 + x * zoom, box.y + (box.height - given.size[1] * zoom) / 2 + y * zoom];
  }

  async click(side: "example" | "answer", point: readonly [number, number]): Promise<void> {
    await this.page.mouse.click(...(await this.screen(side, point)));
  }

  async drag(side: "example" | "answer", from: readonly [number, number], to: readonly [number, number]): Promise<void> {
    await this.page.mouse.move(...(await this.screen(side, from)));
    await this.page.mouse.down();
    await this.page.mouse.move(...(await this.screen(side, to)), { steps: 8 });
    await this.page.mouse.up();
  }

  /** The project as the page exports it. */
  async project(): Promise<Project> {
    return JSON.parse(await this.download("Project (.json)")) as Project;
  }

  async download(label: string): Promise<string> {
    const waiting = this.page.waitForEvent("download");
    await this.page.getByLabel("Export").selectOption(label);
    return readFileSync((await (await waiting).path())!, "utf-8");
  }

  /** Wait until the project is as wanted; gives it. */
  async until(holds: (project: Project) => boolean, what: string): Promise<Project> {
    for (let tries = 0; tries < 120; tries++) {
      const project = await this.project();
      if (holds(project)) return project;
      await this.page.waitForTimeout(250);
    }
    throw new Error(`never: ${what}. ${await this.problem()}`);
  }

  async problem(): Promise<string> {
    return (await this.page.locator(".problem").textContent()) ?? "";
  }

  async shoot(name: string): Promise<void> {
    mkdirSync(given.shots, { recursive: true });
    await this.page.screenshot({ path: `${given.shots}/${name}.png` });
  }

  async close(): Promise<void> {
    await this.context.close();
  }
}

/** Largest distance of two lists of points, pixels. */
export function furthest(ours: readonly (readonly [number, number])[], theirs: readonly (readonly [number, number])[]): number {
  if (ours.length !== theirs.length) return Infinity;
  return Math.max(...ours.map(([x, y], k) => Math.hypot(x - theirs[k]![0], y - theirs[k]![1])));
}
