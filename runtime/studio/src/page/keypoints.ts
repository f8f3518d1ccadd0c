// SPDX-License-Identifier: Apache-2.0
/** The list of a category's keypoints: everything that a pointer does on the picture, for keys and screen readers. */
import * as edit from "../project/edit";
import { palette } from "../canvas/colours";
import { button, h } from "./dom";
import type { Studio } from "./studio";

export function keypointPanel(studio: Studio): HTMLElement {
  const list = h("ol", { className: "keypoints" });
  const category = h("select", { title: "Category", attrs: { "aria-label": "Category" }, onchange: () => studio.chooseCategory(category.value) });
  const name = h("input", {
    attrs: { "aria-label": "Name of the category" },
    onchange: () => {
      const id = studio.category;
      if (id !== null && name.value.trim()) studio.do((project) => edit.renameCategory(project, id, name.value.trim()));
    },
  });
  const add = button("New", () => {
    const id = crypto.randomUUID();
    studio.do((project) => edit.addCategory(project, { id, name: `object ${project.categories.length + 1}`, keypoints: [], links: null }));
    studio.chooseCategory(id);
  }, { title: "New category", says: "New category" });
  const remove = button("Delete", () => {
    const id = studio.category;
    if (id !== null) studio.do((project) => edit.removeCategory(project, id));
  }, { title: "Delete category", says: "Delete category" });
  const tree = button("Shortest tree", () => {
    const id = studio.category;
    if (id !== null) studio.do((project) => edit.setLinks(project, id, null));
  }, { title: "Links as the shortest tree over the keypoints" });
  const links = h("p", { className: "quiet" });

  let drawn = "";
  studio.subscribe(() => {
    const current = studio.currentCategory();
    const annotation = studio.annotation(studio.side);
    // Only what the panel shows: it isn't made anew sixty times a second while a point is dragged.
    const state = JSON.stringify([studio.project.categories, studio.category, annotation?.marks.map((mark) => mark?.visible), studio.point, studio.guessedLinks]);
    if (state === drawn) return;
    drawn = state;
    category.replaceChildren(...studio.project.categories.map((each) => h("option", { value: each.id, selected: each.id === studio.category }, each.name)));
    if (document.activeElement !== name) name.value = current?.name ?? "";
    for (const control of [category, name, remove, tree]) control.disabled = !current;
    const focused = list.contains(document.activeElement) ? (document.activeElement as HTMLElement).dataset["focus"] : undefined;
    const colours = palette(current?.keypoints.length ?? 0);
    list.replaceChildren(...(current?.keypoints ?? []).map((each, k) => row(studio, each, k, colours[k]!)));
    if (focused) list.querySelector<HTMLElement>(`[data-focus="${focused}"]`)?.focus();
    links.textContent = !current ? "" : current.links ? `${current.links.length} links of your own` : `${studio.guessedLinks.length} links: shortest tree`;
  });
  return h(
    "section",
    { className: "panel", attrs: { "aria-label": "Keypoints" } },
    h("h2", {}, "Category"),
    h("div", { className: "row" }, category, name),
    h("div", { className: "row" }, add, remove),
    h("h2", {}, "Keypoints"),
    list,
    h("div", { className: "row" }, links, tree),
  );
}

function row(studio: Studio, name: string, k: number, colour: string): HTMLElement {
  const id = studio.category!;
  const annotation = studio.annotation(studio.side);
  const mark = annotation?.marks[k];
  const marked = (control: HTMLElement, what: string): HTMLElement => {
    control.dataset["focus"] = `${what}-${k}`;
    return control;
  };
  const choose = marked(
    button(String(k + 1), () => {
      studio.point = k;
      studio.notify();
    }, { title: `Select ${name}`, class: "swatch" }),
    "choose",
  );
  choose.style.setProperty("--colour", colour);
  choose.setAttribute("aria-pressed", String(studio.point === k));
  const place = mark ? `${mark.at.map((value) => Math.round(value)).join(", ")}${mark.visible ? "" : ", hidden"}` : "not placed";
  const input = h("input", {
    value: name,
    attrs: { "aria-label": `Name of keypoint ${k + 1}, ${place}` },
    onchange: () => studio.do((project) => edit.renameKeypoint(project, id, k, input.value.trim() || name)),
  });
  const last = studio.currentCategory()!.keypoints.length - 1;
  const move = (to: number) => studio.do((project) => edit.moveKeypoint(project, id, k, to));
  const controls: HTMLElement[] = [
    marked(button("↑", () => move(k - 1), { title: `Move ${name} up` }), "up"),
    marked(button("↓", () => move(k + 1), { title: `Move ${name} down` }), "down"),
    marked(button("×", () => studio.do((project) => edit.removeKeypoint(project, id, k)), { title: `Delete ${name} from the category` }), "delete"),
  ];
  (controls[0] as HTMLButtonElement).disabled = k === 0;
  (controls[1] as HTMLButtonElement).disabled = k === last;
  if (annotation && mark) {
    const see = button(mark.visible ? "seen" : "hidden", () => {
      studio.do((project) => edit.placeMark(project, annotation.id, k, { ...mark, visible: !mark.visible }));
    }, { title: `Whether ${name} can be seen` });
    see.setAttribute("aria-pressed", String(mark.visible));
    controls.unshift(marked(see, "see"));
  }
  for (const control of controls) control.classList.add("extra");
  return h("li", { className: studio.point === k ? "chosen" : "" }, choose, marked(input, "name"), ...controls);
}
