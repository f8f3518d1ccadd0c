// SPDX-License-Identifier: Apache-2.0
// Film the page at work, a PNG a step: node scripts/film.mjs ADDRESS ANNOTATION.json EXAMPLE QUERY FRAMES
// ADDRESS is a studio in the browser alone, ANNOTATION our own JSON of the example. docs/pictures/film.py makes one file.
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";

const [address, annotation, example, query, frames] = process.argv.slice(2);
const { keypoints } = JSON.parse(readFileSync(annotation, "utf-8"));
mkdirSync(frames, { recursive: true });
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
const page = await (await browser.newContext({ viewport: { width: 1280, height: 640 } })).newPage();
await page.goto(address);
await page.waitForSelector("body[data-ready=model]", { timeout: 120_000 });
await page.setInputFiles("input[type=file]", [example, query]);
await page.waitForFunction(() => document.querySelectorAll(".strip li").length === 2);
let count = 0;
const size = await page.evaluate(async (file) => {
  const image = await createImageBitmap(await (await fetch(file)).blob());
  return [image.width, image.height];
}, `data:image/png;base64,${readFileSync(example).toString("base64")}`);
await shoot();
for (const [n, point] of keypoints.entries()) {
  await page.mouse.click(...(await screen(point)));
  await page.waitForFunction((found) => document.querySelector(".heard").textContent.includes(`of ${found} keypoints`), n + 1);
  await shoot();
}
const [x, y] = keypoints.at(-1);
await page.mouse.move(...(await screen([x, y])));
await page.mouse.down();
for (let step = 1; step <= 4; step++) {
  await page.mouse.move(...(await screen([x + 60 * step, y - 8 * step])));
  await page.waitForTimeout(2500); // for the answer
  await shoot();
}
await page.mouse.up();
await browser.close();

async function shoot() {
  await page.screenshot({ path: join(frames, `${String(count++).padStart(3, "0")}.png`) });
}

async function screen([x, y]) {
  const box = await page.locator(".pane.example canvas").boundingBox();
  const zoom = Math.min(box.width / size[0], box.height / size[1]);
  return [box.x + (box.width - size[0] * zoom) / 2 + x * zoom, box.y + (box.height - size[1] * zoom) / 2 + y * zoom];
}
