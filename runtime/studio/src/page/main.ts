// SPDX-License-Identifier: Apache-2.0
/** The page: storage, model, and the parts of the page put together. */
import { BrowserEngine } from "../engine/browser";
import type { Engine } from "../engine/engine";
import type { News } from "../engine/messages";
import { ServerEngine } from "../engine/server";
import { BrowserStorage, type Storage } from "../project/storage";
import { readForeign, ServerStorage } from "../project/server";
import { h } from "./dom";
import { listenForFiles } from "./files";
import { keypointPanel } from "./keypoints";
import { commands, listen, type Command } from "./keys";
import { Pane } from "../canvas/pane";
import { pictureStrip } from "./pictures";
import "./style.css";
import { Studio } from "./studio";
import { heard, toolbar } from "./toolbar";

/** `studio.json` beside the page: written by fmmp-studio and by fmmp-export --web. */
interface Settings {
  /** Address of the bundle, for the browser. */
  readonly bundle: string | null;
  /** Address of the folder with onnxruntime-web. */
  readonly ort: string;
  /** Whether a server answers and keeps the project. */
  readonly server: boolean;
}

const WORKER_STARTS_MS = 5000;

async function start(): Promise<void> {
  const settings = (await (await fetch("studio.json")).json()) as Settings;
  if (!settings.server && (await isolate())) return;
  const storage: Storage = settings.server ? await ServerStorage.open() : await BrowserStorage.open();
  const { project, revision } = await storage.load();
  const studio = new Studio(storage, project, revision);
  if (settings.server) studio.readForeign = readForeign;
  build(studio);
  const engine = await openEngine(settings, (news) => report(news));
  studio.useEngine(engine);
  status(`${engine.info.bundle}: ${engine.info.description}${engine.info.calibrated ? "" : "; of the scores only the order has meaning"}`);
  addEventListener("pagehide", () => void studio.save());
}

/**
 * Let the service worker answer from now on: it works offline, and sets the headers that threads need where the web
 * server doesn't; then the page has to be loaded again, once. Returns whether it is.
 */
async function isolate(): Promise<boolean> {
  if (!("serviceWorker" in navigator)) return false;
  try {
    await navigator.serviceWorker.register("service-worker.js");
    await Promise.race([navigator.serviceWorker.ready, late(WORKER_STARTS_MS)]);
  } catch (error) {
    console.warn("works online and on one thread only:", error);
    return false;
  }
  if (crossOriginIsolated || sessionStorage.getItem("isolated")) return false;
  sessionStorage.setItem("isolated", "tried");
  location.reload();
  return true;
}

/** A worker that a policy or a full disk keeps from starting must not keep the page from it. */
function late(milliseconds: number): Promise<never> {
  return new Promise((_, reject) => setTimeout(() => reject(new Error("the service worker doesn't start")), milliseconds));
}

async function openEngine(settings: Settings, onNews: (news: News) => void): Promise<Engine> {
  if (settings.server) return ServerEngine.open(onNews);
  const providers = "gpu" in navigator ? (["webgpu", "wasm"] as const) : (["wasm"] as const);
  return BrowserEngine.open(settings.bundle!, settings.ort, providers, onNews);
}

function build(studio: Studio): void {
  const panes = { example: new Pane(studio, "example", "Example"), answer: new Pane(studio, "answer", "Answer") };
  const help = h("dialog", { className: "help", attrs: { "aria-label": "Keyboard help" } });
  const toggleHelp = () => (help.open ? help.close() : help.showModal());
  const all = commands(studio, panes, toggleHelp);
  help.append(h("h2", {}, "Keys"), helpTable(all), h("button", { type: "button", onclick: toggleHelp }, "Close"));
  const saved = h("p");
  document.body.replaceChildren(
    toolbar(studio, toggleHelp),
    h("main", {}, panes.example.element, panes.answer.element, keypointPanel(studio)),
    pictureStrip(studio),
    h("footer", {}, h("p", { id: "status", attrs: { role: "status" } }, "opening the model"), heard(studio), saved),
    help,
  );
  studio.subscribe(() => {
    document.body.dataset["saved"] = String(studio.saved);
    saved.textContent = studio.saved ? "saved" : "not saved yet";
  });
  listen(all);
  listenForFiles(studio);
  studio.notify();
  document.body.dataset["ready"] = "page";
}

function helpTable(all: readonly Command[]): HTMLElement {
  const rows = new Map<string, string[]>();
  for (const { keys, says } of all) rows.set(says, [...(rows.get(says) ?? []), ...keys]);
  return h(
    "table",
    {},
    ...[...rows].map(([says, keys]) => h("tr", {}, h("th", { scope: "row" }, keys.map(keyName).join("  ")), h("td", {}, says))),
  );
}

function keyName(key: string): string {
  const name = key.replace("mod+", "Ctrl+").replace("shift+", "Shift+").replace("Arrow", "");
  return name.replace(/[a-z]$/, (letter) => (/(^|\+).$/.test(name) ? letter.toUpperCase() : letter));
}

const files = new Map<string, { done: number; total: number }>();

function report(news: News): void {
  if ("note" in news) {
    console.warn(news.note);
    return;
  }
  files.set(news.file, news);
  const done = [...files.values()].reduce((sum, file) => sum + file.done, 0);
  const total = [...files.values()].reduce((sum, file) => sum + file.total, 0);
  status(`loading the model: ${(done / 1e6).toFixed(0)} of ${(total / 1e6).toFixed(0)} MB`);
}

function status(text: string): void {
  document.getElementById("status")!.textContent = text;
}

start().then(
  () => {
    if (document.getElementById("status")) document.body.dataset["ready"] = "model";
  },
  (error: unknown) => {
    const text = error instanceof Error ? error.message : String(error);
    document.body.dataset["ready"] = "failed";
    const line = document.getElementById("status");
    if (line) line.textContent = text;
    else document.body.append(h("p", { className: "problem", attrs: { role: "alert" } }, text));
  },
);
