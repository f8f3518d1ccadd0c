// SPDX-License-Identifier: Apache-2.0
/** A row a keypoint: for spreadsheets and data frames. */
import { categoryOf, pictureOf, type Project } from "../project/model";
import { exported } from "./shared";

export function toCsv(project: Project): string {
  const rows = [["picture", "object", "category", "keypoint", "x", "y", "visible", "status"]];
  exported(project).forEach((each, n) => {
    const category = categoryOf(project, each.category)!;
    each.marks.forEach((mark, k) => {
      const [x, y] = mark ? mark.at.map((value) => value.toFixed(2)) : ["", ""];
      const visible = mark ? (mark.visible ? "1" : "0") : "";
      const picture = pictureOf(project, each.picture)!.name;
      rows.push([picture, String(n + 1), category.name, category.keypoints[k]!, x!, y!, visible, each.status]);
    });
  });
  return rows.map((row) => row.map(quote).join(",")).join("\r\n") + "\r\n";
}

function quote(cell: string): string {
  const safe = /^[=+\-@]/.test(cell) && Number.isNaN(Number(cell)) ? `'${cell}` : cell; // no formula for a spreadsheet
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
