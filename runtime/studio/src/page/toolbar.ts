// SPDX-License-Identifier: Apache-2.0
/** The top of the page: files in and out, tools, undo, threshold, and what answers. */
import { camera } from "./camera";
import { button, h } from "./dom";
import { EXPORTS, takeFiles, takeFolder } from "./files";
import { judge } from "./pictures";
import type { Studio, Tool } from "./studio";

const TOOLS: readonly (readonly [Tool, string, string])[] = [
  ["point", "Points", "P"],
  ["link", "Links", "L"],
  ["box", "Box", "B"],
];

export function toolbar(studio: Studio, toggleHelp: () => void): HTMLElement {
  const input = h("input", {
    type: "file",
    multiple: true,
    hidden: true,
    accept: "image/*,video/*,.json,.xml,.txt,.csv",
    attrs: { "aria-label": "Pictures, videos and annotations" },
    onchange: () => {
      void takeFiles(studio, [...(input.files ?? [])]);
      input.value = "";
    },
  });
  const add = button("Add pictures", () => input.click(), { title: "Pictures, and annotations of them", class: "primary" });
  const tree = h("input", {
    type: "file",
    webkitdirectory: true,
    hidden: true,
    attrs: { "aria-label": "Folder of pictures" },
    onchange: () => {
      void takeFolder(studio, [...(tree.files ?? [])]);
      tree.value = "";
    },
  });
  const folder = button("Folder", () => tree.click(), { title: "All pictures of a folder" });
  const film = button("Camera", () => void camera(studio), { title: "Answer on the camera's picture" });
  const save = h("select", { attrs: { "aria-label": "Export" }, onchange: () => {
    EXPORTS[save.value]?.(studio);
    save.selectedIndex = 0;
  } }, h("option", { value: "" }, "Export…"), ...Object.keys(EXPORTS).map((name) => h("option", { value: name }, name)));
  const tools = TOOLS.map(([tool, label, key]) => {
    const control = button(label, () => {
      studio.tool = tool;
      studio.notify();
    }, { key });
    control.dataset["tool"] = tool;
    return control;
  });
  const undo = button("Undo", () => studio.undo(), { key: "Ctrl+Z" });
  const redo = button("Redo", () => studio.redo(), { key: "Ctrl+Y" });
  const accept = button("Accept", () => judge(studio, "accepted"), { key: "A", title: "The answer is right" });
  const reject = button("Not here", () => judge(studio, "rejected"), { key: "R", title: "The object isn't in this picture" });
  const threshold = h("input", { type: "range", min: "0", max: "1", step: "0.01", value: String(studio.threshold), oninput: () => {
    studio.threshold = Number(threshold.value);
    studio.notify();
  } });
  const value = h("output", {}, "");
  const names = h("input", { type: "checkbox", onchange: () => {
    studio.showNames = names.checked;
    studio.notify();
  } });
  const clear = button("Dismiss", () => {
    studio.problem = null;
    studio.notify();
  });
  const problem = h("p", { className: "problem", attrs: { role: "alert" } });
  studio.subscribe(() => {
    for (const control of tools) control.setAttribute("aria-pressed", String(control.dataset["tool"] === studio.tool));
    undo.disabled = !studio.canUndo;
    redo.disabled = !studio.canRedo;
    const answer = studio.annotation("answer");
    accept.disabled = reject.disabled = !answer || answer.status === "example";
    value.textContent = `${Math.round(100 * studio.threshold)} %`;
    if (problem.dataset["text"] !== (studio.problem ?? "")) {
      problem.dataset["text"] = studio.problem ?? "";
      problem.replaceChildren(...(studio.problem ? [studio.problem, " ", clear] : []));
    }
  });
  return h(
    "header",
    {},
    h("h1", {}, "fmmp studio"),
    h("div", { className: "row" }, add, input, folder, tree, film, save),
    h("div", { className: "row", attrs: { role: "group", "aria-label": "Tools" } }, ...tools),
    h("div", { className: "row" }, undo, redo),
    h("div", { className: "row" }, accept, reject),
    h("label", { className: "row", title: "Keypoints with a lower score are drawn as dashed rings" }, "Sure from", threshold, value),
    h("label", { className: "row" }, names, "Names"),
    button("?", toggleHelp, { key: "?", title: "Keyboard help", says: "Keyboard help" }),
    problem,
  );
}

/** What was said last, else the answer in a sentence: for who can't see it. */
export function heard(studio: Studio): HTMLElement {
  const line = h("p", { className: "heard", attrs: { role: "status" } });
  studio.subscribe(() => {
    const said = studio.message || summary(studio);
    if (line.textContent !== said) line.textContent = said;
  });
  return line;
}

function summary(studio: Studio): string {
  const answer = studio.annotation("answer");
  if (!answer?.proposal || answer.status !== "proposed") return "";
  const { score } = answer.proposal;
  const sure = score.filter((each) => each >= studio.threshold).length;
  return `${sure} of ${score.length} keypoints found, the surest with ${Math.round(100 * Math.max(...score))} %`;
}
