// SPDX-License-Identifier: Apache-2.0
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { furthest, given, launch, StudioPage } from "./page";

let browser: Browser;
let server: ChildProcess;
let address: string;
const project = mkdtempSync(join(tmpdir(), "fmmp-studio-"));

/** Start fmmp-studio; resolves with the address that it prints. */
function start(port: string): Promise<string> {
  const [program, ...args] = given.server;
  server = spawn(program!, [...args, "--project", project, "--port", port], { stdio: ["ignore", "pipe", "inherit"] });
  return new Promise((resolve, reject) => {
    server.stdout!.on("data", (data: Buffer) => {
      const found = /http:\S+/.exec(data.toString());
      if (found) resolve(found[0]);
    });
    server.on("exit", (code) => reject(new Error(`fmmp-studio ended with ${code}`)));
  });
}

beforeAll(async () => {
  browser = await launch();
  address = await start("0");
});
afterAll(async () => {
  server.kill();
  await browser.close();
});

test("the server answers as fmmp-run does, keeps the project, and may go away for a while", async () => {
  const studio = await StudioPage.open(browser, address);
  await studio.add(given.support, given.query, given.annotation);
  const proposed = await studio.until(
    ({ annotations }) => annotations.some(({ status }) => status === "proposed"),
    "an answer",
  );
  const answer = proposed.annotations.find(({ status }) => status === "proposed")!;
  expect(furthest(answer.proposal!.points, given.found)).toBeLessThan(0.01); // fmmp-run rounds to 0.01 px
  await studio.shoot("server");

  server.removeAllListeners("exit");
  server.kill("SIGKILL");
  await studio.page.keyboard.press("Control+z");
  await studio.page.waitForFunction(() => /server/.test(document.querySelector(".problem")!.textContent!));
  await studio.page.keyboard.press("Control+y");
  await start(new URL(address).port);
  await studio.saved(); // by itself
  await studio.drag("example", given.keypoints[0]!, [given.keypoints[0]![0] + 20, given.keypoints[0]![1]]);
  await studio.until(
    ({ annotations }) => {
      const again = annotations.find(({ status }) => status === "proposed");
      return again !== undefined && furthest(again.proposal!.points, given.found) > 1;
    },
    "an answer after the server came back",
  );
  await studio.saved();
  const there = await studio.project();
  await studio.close();

  const later = await StudioPage.open(browser, address);
  expect((await later.project()).annotations.map(({ marks }) => marks)).toEqual(there.annotations.map(({ marks }) => marks));
  expect(later.errors).toEqual([]);
  await later.close();
});
