// SPDX-License-Identifier: Apache-2.0
/** Every category gets the same number of keypoints, by adding points on its links: fmmp_runtime.pose.padding. */
import type { Point } from "./crop";
import type { Link } from "./skeleton";

export type Padding = "uniform" | "zero";

export interface Padded {
  /** (K, 2) x, y in [0, 1]. */
  readonly keypoints: Float32Array;
  /** (K,). */
  readonly visible: boolean[];
  /** The given links, then the chains of the new points. */
  readonly links: Link[];
}

/**
 * Pad the keypoints of one picture to `count`.
 *
 * uniform: equally many points on every link, dividing it equally; the chain of a link begins with the point nearest
 * to its end, as released. zero: points at (0, 0), hidden. A padded point is visible when both ends of its link are.
 */
export function padKeypoints(
  points: readonly Point[],
  visible: readonly boolean[],
  links: readonly Link[],
  count: number,
  method: Padding,
): Padded {
  const extra = count - points.length;
  if (extra < 0) throw new RangeError(`${points.length} keypoints do not fit: this model takes at most ${count}`);
  const each = method === "uniform" && links.length ? Math.floor(extra / links.length) : 0;
  const keypoints = new Float32Array(2 * count);
  points.forEach((point, k) => keypoints.set(point, 2 * k));
  const shown = Array.from({ length: count }, (_, k) => visible[k] ?? false);
  const chains: Link[] = [];
  let next = points.length;
  for (const [start, end] of links) {
    let last = start;
    const both = shown[start]! && shown[end]!;
    for (let step = 1; step <= each; step++, next++) {
      const share = step / (each + 1);
      for (const axis of [0, 1]) {
        keypoints[2 * next + axis] = share * keypoints[2 * start + axis]! + (1 - share) * keypoints[2 * end + axis]!;
      }
      shown[next] = both;
      if (both) {
        chains.push([last, next]);
        last = next;
      }
    }
    if (both && each) chains.push([last, end]);
  }
  return { keypoints, visible: shown, links: [...links, ...chains] };
}
