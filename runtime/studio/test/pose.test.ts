// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { boxAround, cropMatrix, invert, sanitizeBox, transform, warp, widenBox, type Box, type Point } from "../src/pose/crop";
import { padKeypoints } from "../src/pose/padding";
import { minimumSpanningTree, referenceIndex, type Link } from "../src/pose/skeleton";
import { golden } from "./golden";

interface CropCase {
  image_wh: [number, number];
  bbox_xywh: number[];
  clean_bbox: number[];
  rotation_deg: number;
  keypoints_px: Point[];
  keypoints_crop_px: Point[];
}

interface PaddingCase {
  method: "uniform" | "mixup" | "zero";
  count: number;
  links: Link[];
  keypoints: Point[];
  visible: (0 | 1)[];
  padded_keypoints: Point[];
  padded_visible: (0 | 1)[];
  padded_links: Link[];
  reference_index: number[][];
}

const crops = golden<{ crop: CropCase[] }>("geometry").crop;
const paddings = golden<PaddingCase[]>("padding").filter(({ method }) => method !== "mixup");

describe("crop", () => {
  test.each(crops.map((each, n) => [n, each] as const))("golden %i", (_, each) => {
    const [width, height] = each.image_wh;
    const clean = sanitizeBox(each.bbox_xywh as unknown as Box, { width, height });
    clean.forEach((value, n) => expect(value).toBeCloseTo(each.clean_bbox[n]!, 9));
    if (each.rotation_deg !== 0) return; // augmentation turns; a page doesn't
    const matrix = cropMatrix(clean, 256, 1.25);
    each.keypoints_px.forEach((point, n) => {
      const [x, y] = transform(point, matrix);
      // The golden matrix was solved in float32 from three points: 1e-3 px, as in the Python test.
      expect(Math.abs(x - each.keypoints_crop_px[n]![0])).toBeLessThan(1e-3);
      expect(Math.abs(y - each.keypoints_crop_px[n]![1])).toBeLessThan(1e-3);
      const [u, v] = transform([x, y], invert(matrix));
      expect(u).toBeCloseTo(point[0], 6);
      expect(v).toBeCloseTo(point[1], 6);
    });
  });

  test("the golden cases hold some that are not turned", () => {
    expect(crops.filter(({ rotation_deg }) => rotation_deg === 0).length).toBeGreaterThan(3);
  });

  test("a box outside of the picture is refused", () => {
    expect(() => sanitizeBox([50, 0, 10, 10], { width: 40, height: 40 })).toThrow("covers nothing");
    expect(() => sanitizeBox([Number.NaN, 0, 10, 10], { width: 40, height: 40 })).toThrow("four finite");
  });

  test("a box around points has a margin of a tenth, and points in one place mean the whole picture", () => {
    expect(boxAround([[10, 20], [30, 60]], { width: 100, height: 100 })).toEqual([6, 16, 29, 49]); // the last pixel is inside, as in fmmp_runtime
    expect(boxAround([[10, 20]], { width: 100, height: 90 })).toEqual([0, 0, 100, 90]);
  });

  test("a box that leaves a keypoint outside is widened, and refused where it is of something else", () => {
    const size = { width: 100, height: 100 };
    expect(widenBox([10, 10, 20, 20], [[12, 12], [31, 20]], size)).toEqual([10, 10, 20, 20]); // by a pixel
    expect(widenBox([10, 10, 20, 20], [[12, 12], [50, 20], [20, 20]], size)).toEqual([10, 10, 41, 20]);
    expect(() => widenBox([10, 10, 5, 5], [[60, 60]], size)).toThrow("1 of 1 keypoints outside");
  });

  test("warp reads bilinearly, and black outside", () => {
    // A picture of width 3 and height 2, so that swapped axes are seen: red is 100 x + 10 y.
    const rgba = new Uint8ClampedArray([0, 1, 2, 255, 100, 1, 2, 255, 200, 1, 2, 255, 10, 1, 2, 255, 110, 1, 2, 255, 210, 1, 2, 255]);
    const crop = warp(rgba, { width: 3, height: 2 }, [2, 0, 0, 0, 2, 0], 6); // twice as large
    const red = (u: number, v: number) => crop[3 * (6 * v + u)];
    expect([red(0, 0), red(1, 0), red(2, 0), red(0, 1), red(1, 1)]).toEqual([0, 50, 100, 5, 55]);
    expect(red(5, 0)).toBe(100); // half of it lies outside
    expect(red(0, 4)).toBe(0);
    expect(crop[1]).toBe(1);
  });
});

describe("padding and skeleton", () => {
  test.each(paddings.map((each, n) => [n, each.method, each] as const))("golden %i, %s", (_, method, each) => {
    const padded = padKeypoints(each.keypoints, each.visible.map(Boolean), each.links, each.count, method as "uniform" | "zero");
    each.padded_keypoints.forEach(([x, y], k) => {
      // float32 rounds at 2^-24: a point of [0, 1] by 6e-8
      expect(Math.abs(padded.keypoints[2 * k]! - x)).toBeLessThan(2e-7);
      expect(Math.abs(padded.keypoints[2 * k + 1]! - y)).toBeLessThan(2e-7);
    });
    expect(padded.visible).toEqual(each.padded_visible.map(Boolean));
    expect(padded.links).toEqual(each.padded_links);
    const heads = each.reference_index[0]!.length;
    expect(referenceIndex(padded.visible, padded.links, heads)).toEqual(each.reference_index.flat());
  });

  test("the shortest tree over a row of points joins neighbours, and leaves hidden ones out", () => {
    const points: Point[] = [[0, 0], [30, 1], [10, 0], [20, 0], [500, 500]];
    expect(minimumSpanningTree(points, [true, true, true, true, false])).toEqual([[0, 2], [1, 3], [2, 3]]);
    expect(minimumSpanningTree(points, [true, false, false, false, false])).toEqual([]);
  });
});
