// SPDX-License-Identifier: Apache-2.0
/** The strip of pictures: what each is, and what is left to do. */
import * as edit from "../project/edit";
import { annotationsOf, type Picture } from "../project/model";
import { button, h } from "./dom";
import { meter, sureness, toPropose, toReview } from "./label";
import type { Studio } from "./studio";

const SIGNS = { example: "★", proposed: "?", accepted: "✓", corrected: "✎", rejected: "∅" } as const;

export function pictureStrip(studio: Studio): HTMLElement {
  const list = h("ul", { className: "strip" });
  const progress = h("p", { className: "quiet", attrs: { role: "status" } });
  let cancelled = false;
  let running = false;
  const propose = button("Propose on all", () => {
    if (running) {
      cancelled = true;
      return;
    }
    void proposeAll();
  }, { title: "Let the model answer for every picture that has no keypoints yet" });

  async function proposeAll(): Promise<void> {
    const category = studio.category;
    if (category === null) return;
    const todo = toPropose(studio.project, category);
    [running, cancelled] = [true, false];
    propose.textContent = "Stop";
    let count = 0;
    for (const picture of todo) {
      if (cancelled || studio.category !== category) break;
      if (!(await studio.ask(picture)) && studio.problem) break;
      progress.textContent = `${++count} of ${todo.length} pictures`;
    }
    propose.textContent = "Propose on all";
    running = false;
    studio.say(`proposed on ${count} of ${todo.length} pictures${cancelled ? ", stopped" : ""}`);
  }

  const next = button("Next to review", () => reviewNext(studio), { key: "N", title: "The least sure proposal" });
  const gauge = h("p", { className: "quiet" });
  const tiles = new Map<string, HTMLElement>();
  studio.subscribe(() => {
    const { project, category } = studio;
    for (const [key, tile] of tiles) {
      if (!project.pictures.some((picture) => picture.key === key)) {
        tile.remove();
        tiles.delete(key);
      }
    }
    for (const picture of project.pictures) {
      let tile = tiles.get(picture.key);
      if (!tile) {
        tile = makeTile(studio, picture);
        tiles.set(picture.key, tile);
        list.append(tile);
      }
      updateTile(studio, tile, picture);
    }
    const waiting = category === null ? [] : toReview(project, category);
    next.disabled = waiting.length === 0;
    propose.disabled = !running && (category === null || !studio.engine || toPropose(project, category).length === 0);
    gauge.textContent = "";
    if (category !== null) {
      const { points, right, pictures, left } = meter(project, category);
      const share = points ? `Right so far: ${Math.round((100 * right) / points)} % of ${points} keypoints in ${pictures} picture${pictures > 1 ? "s" : ""}. ` : "";
      gauge.textContent = `${share}${left} of ${project.pictures.length} pictures left.`;
    }
  });
  return h(
    "section",
    { className: "pictures", attrs: { "aria-label": "Pictures" } },
    h("div", { className: "row" }, propose, next, progress, gauge),
    list,
  );
}

/** Show the least sure proposal on the answer side. */
export function reviewNext(studio: Studio): void {
  const [first] = studio.category === null ? [] : toReview(studio.project, studio.category);
  if (first === undefined) studio.say("nothing is left to review");
  else studio.show("answer", first.picture, first.id);
}

/** Say what a person thinks of the answer, and go on to the next. */
export function judge(studio: Studio, status: "accepted" | "rejected"): void {
  const annotation = studio.annotation("answer");
  if (!annotation || annotation.status === "example") return;
  const verdict = status === "accepted" && annotation.status === "corrected" ? "corrected" : status;
  studio.do((project) => edit.setStatus(project, annotation.id, verdict));
  studio.message = `${verdict}`;
  reviewNext(studio);
}

function makeTile(studio: Studio, picture: Picture): HTMLElement {
  const canvas = h("canvas", { width: 120, height: 80, attrs: { "aria-hidden": "true" } });
  studio.image(picture.key).then(
    (image) => {
      const scale = Math.max(120 / image.width, 80 / image.height);
      const [width, height] = [image.width * scale, image.height * scale];
      canvas.getContext("2d")!.drawImage(image, (120 - width) / 2, (80 - height) / 2, width, height);
    },
    () => undefined, // said by the studio
  );
  const open = h("button", {
    type: "button",
    onclick: () => {
      const [there] = studio.category === null ? [] : annotationsOf(studio.project, picture.key, studio.category);
      studio.show(there?.status === "example" || studio.shown.example === null ? "example" : "answer", picture.key);
    },
  }, canvas, h("span", { className: "sign" }), h("span", { className: "name" }, picture.name));
  const example = button("★", () => toggleExample(studio, picture.key), { title: `Use ${picture.name} as an example` });
  example.className = "toggle";
  const remove = button("×", () => studio.do((project) => edit.removePicture(project, picture.key)), { title: `Remove ${picture.name}` });
  remove.className = "toggle remove";
  return h("li", {}, open, example, remove);
}

function updateTile(studio: Studio, tile: HTMLElement, picture: Picture): void {
  const all = studio.category === null ? [] : annotationsOf(studio.project, picture.key, studio.category);
  const annotation = all.find(({ status }) => status === "proposed") ?? all[0];
  tile.classList.toggle("chosen", Object.values(studio.shown).includes(picture.key));
  const open = tile.querySelector("button")!;
  const sure = annotation?.status === "proposed" ? `, ${Math.round(100 * sureness(annotation))} % sure` : "";
  open.setAttribute("aria-label", `${picture.name}, ${annotation?.status ?? "no keypoints"}${sure}`);
  tile.querySelector(".sign")!.textContent = annotation ? SIGNS[annotation.status] : "";
  tile.querySelector(".toggle")!.setAttribute("aria-pressed", String(annotation?.status === "example"));
}

/** An example becomes a correction and the other way round; a picture without keypoints is shown as the example. */
export function toggleExample(studio: Studio, picture: string): void {
  const [there] = studio.category === null ? [] : annotationsOf(studio.project, picture, studio.category);
  if (!there) return studio.show("example", picture);
  const status = there.status === "example" ? "corrected" : "example";
  studio.do((project) => edit.setStatus(project, there.id, status));
  if (status === "example") studio.show("example", picture);
}
