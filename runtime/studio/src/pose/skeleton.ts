// SPDX-License-Identifier: Apache-2.0
/** The graph of keypoints: fmmp_runtime.pose.skeleton, in a browser. */
import type { Point } from "./crop";

/** Indices of the two keypoints that a link joins. */
export type Link = readonly [number, number];

/** (K, heads) indices, row by row: the first `heads` keypoints in breadth-first order, the keypoint itself first. */
export function referenceIndex(visible: readonly boolean[], links: readonly Link[], heads: number): number[] {
  const neighbours: number[][] = visible.map(() => []);
  for (const [start, end] of links) {
    if (visible[start]) neighbours[start]!.push(end);
    if (visible[end]) neighbours[end]!.push(start);
  }
  return visible.flatMap((_, start) => nearest(neighbours, start, heads));
}

function nearest(neighbours: readonly number[][], start: number, count: number): number[] {
  const order = [start];
  for (let next = 0; next < order.length && order.length < count; next++) {
    for (const near of new Set(neighbours[order[next]!])) if (!order.includes(near)) order.push(near);
  }
  return Array.from({ length: count }, (_, place) => order[place] ?? start);
}

/** Links for a category without any: the shortest tree over its visible keypoints (Prim), lower index first, sorted. */
export function minimumSpanningTree(points: readonly Point[], visible: readonly boolean[]): Link[] {
  const nodes = points.flatMap((_, k) => (visible[k] ? [k] : []));
  if (nodes.length < 2) return [];
  const distance = nodes.map((node) => between(points[node]!, points[nodes[0]!]!));
  const parent = nodes.map(() => 0);
  const outside = nodes.map((_, n) => n > 0);
  const links: Link[] = [];
  for (let step = 1; step < nodes.length; step++) {
    let near = -1;
    for (let n = 0; n < nodes.length; n++) if (outside[n] && (near < 0 || distance[n]! < distance[near]!)) near = n;
    const ends = [nodes[parent[near]!]!, nodes[near]!];
    links.push([Math.min(...ends), Math.max(...ends)]);
    outside[near] = false;
    for (let n = 0; n < nodes.length; n++) {
      const there = between(points[nodes[n]!]!, points[nodes[near]!]!);
      if (there < distance[n]!) {
        distance[n] = there;
        parent[n] = near;
      }
    }
  }
  return links.sort((one, other) => one[0] - other[0] || one[1] - other[1]);
}

function between(one: Point, other: Point): number {
  return Math.hypot(one[0] - other[0], one[1] - other[1]);
}
