// SPDX-License-Identifier: Apache-2.0
/** From a box in a picture to the square crop that the network sees, and back: fmmp_runtime.pose.crop, in a browser. */

/** x, y, width, height in pixels. */
export type Box = readonly [number, number, number, number];
/** x, y. */
export type Point = readonly [number, number];
/** Affine map, row by row: x' = a x + b y + c, y' = d x + e y + f. */
export type Matrix = readonly [number, number, number, number, number, number];
export interface Size {
  readonly width: number;
  readonly height: number;
}

const BOX_MARGIN = 0.1; // around annotated points that come without a box, of their longer side, on every side

/** Clip a box to its picture as COCO tools do; the far corner is the last pixel inside. Throws where nothing is left. */
export function sanitizeBox(box: Box, size: Size): Box {
  if (!box.every(Number.isFinite)) throw new RangeError(`a box is four finite numbers, got ${box.join(", ")}`);
  const x = Math.max(box[0], 0);
  const y = Math.max(box[1], 0);
  const farX = Math.min(x + Math.max(box[2] - 1, 0), size.width - 1);
  const farY = Math.min(y + Math.max(box[3] - 1, 0), size.height - 1);
  if (farX < x || farY < y || (farX === x && farY === y)) {
    throw new RangeError(
      `the box ${box.map((v) => v.toFixed(1)).join(", ")} covers nothing of the ${size.width} x ${size.height} picture`,
    );
  }
  return [x, y, farX - x, farY - y];
}

/** Map from picture pixels to pixels of the square crop around the middle of a sanitised box. */
export function cropMatrix(box: Box, size: number, padding: number): Matrix {
  const zoom = size / (Math.max(box[2], box[3]) * padding);
  return [zoom, 0, size / 2 - zoom * (box[0] + box[2] / 2), 0, zoom, size / 2 - zoom * (box[1] + box[3] / 2)];
}

export function invert([a, b, c, d, e, f]: Matrix): Matrix {
  const det = a * e - b * d;
  return [e / det, -b / det, (b * f - c * e) / det, -d / det, a / det, (c * d - a * f) / det];
}

export function transform([x, y]: Point, [a, b, c, d, e, f]: Matrix): Point {
  return [a * x + b * y + c, d * x + e * y + f];
}

/** Box around points with a margin; the whole picture where they lie in one place. Not yet sanitised. */
export function boxAround(points: readonly Point[], size: Size): Box {
  const xs = points.map((p) => p[0]);
  const ys = points.map((p) => p[1]);
  const low: Point = [Math.min(...xs), Math.min(...ys)];
  const high: Point = [Math.max(...xs), Math.max(...ys)];
  const longest = Math.max(high[0] - low[0], high[1] - low[1]);
  if (!(longest >= 1)) return [0, 0, size.width, size.height];
  const margin = BOX_MARGIN * longest;
  const x = Math.max(low[0] - margin, 0);
  const y = Math.max(low[1] - margin, 0);
  return [x, y, high[0] + margin - x + 1, high[1] + margin - y + 1]; // the last pixel is inside
}

/** A box that leaves visible points outside by more than a pixel is widened to hold them, as `fmmp-run` does. */
export function widenBox(box: Box, points: readonly Point[], size: Size): Box {
  const [x, y, width, height] = box;
  const outside = ([u, v]: Point) => u < x - 1 || v < y - 1 || u > x + width + 1 || v > y + height + 1;
  const count = points.filter(outside).length;
  if (!count) return box;
  if (2 * count > points.length) throw new RangeError(`the box leaves ${count} of ${points.length} keypoints outside: draw it anew`);
  const left = Math.max(Math.min(x, ...points.map((p) => p[0])), 0);
  const top = Math.max(Math.min(y, ...points.map((p) => p[1])), 0);
  const right = Math.min(Math.max(x + width, ...points.map((p) => p[0] + 1)), size.width);
  const bottom = Math.min(Math.max(y + height, ...points.map((p) => p[1] + 1)), size.height);
  return [left, top, right - left, bottom - top];
}

/**
 * Square RGB crop whose pixel p shows the picture at matrix^-1 p, bilinear; black outside of the picture.
 *
 * As `cv2.warpAffine` with INTER_LINEAR, which rounds places to 1/32 pixel: so does this.
 *
 * @param rgba pixels of the picture, 4 bytes each, opaque.
 * @returns (side, side, 3) bytes.
 */
export function warp(rgba: Uint8ClampedArray, size: Size, matrix: Matrix, side: number): Uint8Array {
  const [a, b, c, d, e, f] = invert(matrix);
  const { width, height } = size;
  const crop = new Uint8Array(side * side * 3);
  let out = 0;
  for (let v = 0; v < side; v++) {
    for (let u = 0; u < side; u++) {
      const x = Math.round((a * u + b * v + c) * 32) / 32;
      const y = Math.round((d * u + e * v + f) * 32) / 32;
      const left = Math.floor(x);
      const top = Math.floor(y);
      const right = x - left;
      const down = y - top;
      let red = 0;
      let green = 0;
      let blue = 0;
      for (let corner = 0; corner < 4; corner++) {
        const px = left + (corner & 1);
        const py = top + (corner >> 1);
        if (px < 0 || py < 0 || px >= width || py >= height) continue;
        const weight = (corner & 1 ? right : 1 - right) * (corner & 2 ? down : 1 - down);
        if (weight === 0) continue;
        const at = 4 * (py * width + px);
        red += weight * rgba[at]!;
        green += weight * rgba[at + 1]!;
        blue += weight * rgba[at + 2]!;
      }
      crop[out++] = red + 0.5;
      crop[out++] = green + 0.5;
      crop[out++] = blue + 0.5;
    }
  }
  return crop;
}
