// SPDX-License-Identifier: Apache-2.0
// Label photographs with the page as a person would, and count the corrections:
//   node scripts/label.mjs ADDRESS ANNOTATIONS.json IMAGES CATEGORY...
// ADDRESS is a studio in the browser alone (fmmp-studio --static, served), ANNOTATIONS a COCO keypoint file with the
// truth. Of each category ten photographs are labelled: on the one that shows most keypoints all are clicked, on the
// others those are dragged that the model puts further off than 0.05 or 0.1 of the longer side of the object's box.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";

const PHOTOGRAPHS = 10;
const [address, truth, images, ...names] = process.argv.slice(2);
// Ids beyond 2^53, as MP-100's, are no numbers here.
const file = JSON.parse(readFileSync(truth, "utf-8").replace(/("(?:id|image_id)"\s*:\s*)(\d{16,})/g, '$1"$2"'));
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
const page = await (await browser.newContext({ viewport: { width: 1280, height: 800 } })).newPage();
await page.goto(address);
await page.waitForSelector("body[data-ready=model]", { timeout: 120_000 });
console.log(await page.locator("#status").textContent());

for (const within of [0.05, 0.1]) {
  const total = { clicked: 0, corrected: 0, all: 0 };
  for (const name of names) {
    const counts = await labelled(name, within);
    console.log(`within ${within}, ${name}: ${counts.clicked} clicks on the example, ${counts.corrected} of ${counts.all - counts.clicked} keypoints corrected`);
    for (const key of Object.keys(total)) total[key] += counts[key];
  }
  const { clicked, corrected, all } = total;
  console.log(`within ${within}, together: ${clicked} clicks + ${corrected} corrections = ${clicked + corrected} instead of ${all} clicks`);
}
await browser.close();

async function labelled(name, within) {
  const category = file.categories.find((each) => each.name === name);
  const alone = (each) => file.annotations.filter(({ image_id }) => image_id === each.image_id).length === 1;
  const shows = (each) => each.keypoints.filter((v, n) => n % 3 === 2 && v > 0).length;
  const objects = file.annotations.filter((each) => each.category_id === category.id && alone(each));
  const chosen = objects.sort((one, other) => shows(other) - shows(one)).slice(0, PHOTOGRAPHS);
  await page.setInputFiles("input[type=file]", { name: "new.json", mimeType: "application/json", buffer: Buffer.from('{"version":1,"name":"x","categories":[],"pictures":[],"annotations":[]}') });
  await page.waitForFunction(() => document.querySelectorAll(".strip li").length === 0);
  const picture = (each) => file.images.find(({ id }) => id === each.image_id);
  await page.setInputFiles("input[type=file]", chosen.map((each) => join(images, picture(each).file_name)));
  await page.waitForFunction((count) => document.querySelectorAll(".strip li").length === count, chosen.length);
  const counts = { clicked: 0, corrected: 0, all: 0 };
  const [first, ...others] = chosen;
  for (const [x, y, v] of triples(first)) {
    if (!v) throw new Error(`${name}: no photograph shows all keypoints`);
    await page.mouse.click(...(await screen("example", picture(first), [x, y])));
    counts.clicked++;
    counts.all++;
  }
  for (const each of others) {
    const size = picture(each);
    const short = size.file_name.split("/").at(-1);
    await page.locator(".strip li > button:first-child", { hasText: short }).click();
    const found = await answer(short);
    const reach = within * Math.max(each.bbox[2], each.bbox[3]);
    for (const [k, [x, y, v]] of triples(each).entries()) {
      if (!v) continue;
      counts.all++;
      const at = found.marks[k].at;
      if (Math.hypot(at[0] - x, at[1] - y) <= reach) continue;
      counts.corrected++;
      await page.mouse.move(...(await screen("answer", size, at)));
      await page.mouse.down();
      await page.mouse.move(...(await screen("answer", size, [x, y])), { steps: 2 });
      await page.mouse.up();
    }
    await page.keyboard.press("a");
  }
  return counts;
}

function triples({ keypoints }) {
  return Array.from({ length: keypoints.length / 3 }, (_, k) => keypoints.slice(3 * k, 3 * k + 3));
}

/** The model's answer for a picture, once it is there. */
async function answer(name) {
  for (let tries = 0; tries < 200; tries++) {
    const waiting = page.waitForEvent("download");
    await page.getByLabel("Export").selectOption("Project (.json)");
    const project = JSON.parse(readFileSync(await (await waiting).path(), "utf-8"));
    const { key } = project.pictures.find((each) => each.name === name);
    const found = project.annotations.find((each) => each.picture === key && each.proposal);
    const example = project.annotations.find((each) => each.status === "example");
    if (found && found.marks.length === example.marks.length) return found;
    await page.waitForTimeout(100);
  }
  throw new Error(`no answer for ${name}`);
}

async function screen(side, { width, height }, [x, y]) {
  const box = await page.locator(`.pane.${side} canvas`).boundingBox();
  const zoom = Math.min(box.width / width, box.height / height);
  return [box.x + (box.width - width * zoom) / 2 + x * zoom, box.y + (box.height - height * zoom) / 2 + y * zoom];
}
