// SPDX-License-Identifier: Apache-2.0
// How long an answer takes in the browser: node scripts/latency.mjs ADDRESS PICTURE [RUNS]
// ADDRESS is a studio in the browser alone. Asks its worker as the page does, so a picture's crop is counted; prints
// the median and the fastest of the runs. tests/runtime/studio compares answers; fmmp-bench times the same bundle natively.
import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const [address, picture, runs = "30"] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
const page = await (await browser.newContext()).newPage();
await page.goto(address);
await page.waitForSelector("body[data-ready]");
await page.waitForFunction(() => crossOriginIsolated); // the second load, by the service worker
await page.waitForSelector("body[data-ready=model]", { timeout: 120_000 });
const measured = await page.evaluate(measure, { file: readFileSync(picture).toString("base64"), runs: Number(runs) });
for (const [what, times] of Object.entries(measured.times)) {
  const sorted = times.sort((one, other) => one - other);
  console.log(`${what}: median ${sorted[sorted.length >> 1].toFixed(0)} ms, fastest ${sorted[0].toFixed(0)} ms, ${times.length} runs; ${measured.description}`);
}
await browser.close();

async function measure({ file, runs }) {
  const worker = new Worker("assets/worker.js", { type: "module" });
  const open = new Map();
  let count = 0;
  worker.onmessage = ({ data }) => {
    if (!("id" in data)) return;
    const { resolve, reject } = open.get(data.id);
    if ("error" in data) reject(new Error(data.error));
    else resolve(data.value);
  };
  const call = (method, ...args) =>
    new Promise((resolve, reject) => {
      open.set(++count, { resolve, reject });
      worker.postMessage({ id: count, method, args });
    });
  const bundle = new URL("bundle/", document.baseURI).href;
  const { description } = await call("open", bundle, new URL("ort/", document.baseURI).href, ["wasm"]);
  const { width, height } = await call("addPicture", "p", await (await fetch(`data:;base64,${file}`)).blob());
  const keypoints = Array.from({ length: 8 }, (_, k) => [width * (0.2 + 0.07 * k), height * (0.3 + 0.05 * ((3 * k) % 8))]);
  const example = { picture: "p", keypoints, visible: keypoints.map(() => true), box: null };
  const times = { remember: [], locate: [] };
  for (let run = 0; run < runs; run++) {
    for (const [what, job] of [["remember", () => call("remember", "c", [example], null)], ["locate", () => call("locate", "c", "p", null)]]) {
      const start = performance.now();
      await job();
      times[what].push(performance.now() - start);
    }
  }
  return { times, description };
}
