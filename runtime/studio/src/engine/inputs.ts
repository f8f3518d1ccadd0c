// SPDX-License-Identifier: Apache-2.0
/** From annotated examples to the tensors of the support graph: what fmmp_runtime's `remember` does. */
import { headsOf, type Model } from "../bundle/model";
import { boxAround, cropMatrix, sanitizeBox, transform, warp, widenBox, type Box, type Matrix, type Point, type Size } from "../pose/crop";
import { padKeypoints } from "../pose/padding";
import { minimumSpanningTree, referenceIndex, type Link } from "../pose/skeleton";

/** Decoded pixels of a picture, 4 bytes each. */
export interface Pixels extends Size {
  readonly rgba: Uint8ClampedArray;
}

/** One annotated example of a category. */
export interface Support {
  readonly pixels: Pixels;
  readonly keypoints: readonly Point[];
  readonly visible: readonly boolean[];
  readonly box: Box | null;
}

export interface SupportInputs {
  readonly support: Uint8Array;
  readonly keypoints: Float32Array;
  readonly visible: Uint8Array;
  readonly reference_index: BigInt64Array;
}

/** Links of a category: the given ones, or the shortest tree over the example that shows most keypoints. */
export function linksOf(supports: readonly Support[], links: readonly Link[] | null): readonly Link[] {
  if (links !== null) return links;
  const shown = (support: Support) => support.visible.filter(Boolean).length;
  const best = supports.reduce((one, other) => (shown(other) > shown(one) ? other : one));
  return minimumSpanningTree(best.keypoints, best.visible);
}

/** The crop of a frame, and the map that made it; a box of null is the whole picture. */
export function cropOf(pixels: Pixels, box: Box | null, model: Model): { crop: Uint8Array; matrix: Matrix; box: Box } {
  const clean = sanitizeBox(box ?? [0, 0, pixels.width, pixels.height], pixels);
  const matrix = cropMatrix(clean, model.image_size, model.crop_padding);
  return { crop: warp(pixels.rgba, pixels, matrix, model.image_size), matrix, box: clean };
}

/**
 * With fewer supports than the bundle's shots the free places in front are blank examples that show no keypoint, whose
 * keypoints lie at the mean of the real ones; so they have no weight in the network's means over the shots.
 */
export function supportInputs(supports: readonly Support[], links: readonly Link[], model: Model): SupportInputs {
  const { shots, keypoints: count, image_size: side } = model;
  if (supports.length < 1 || supports.length > shots) {
    throw new RangeError(`this bundle takes 1 to ${shots} examples, got ${supports.length}`);
  }
  const heads = headsOf(model);
  const first = shots - supports.length;
  const inputs: SupportInputs = {
    support: new Uint8Array(shots * side * side * 3),
    keypoints: new Float32Array(shots * count * 2),
    visible: new Uint8Array(shots * count),
    reference_index: BigInt64Array.from({ length: shots * count * heads }, (_, n) =>
      BigInt(Math.floor(n / heads) % count),
    ),
  };
  supports.forEach((support, n) => {
    const place = first + n;
    const shown = support.keypoints.filter((_, k) => support.visible[k]);
    if (!shown.length) throw new RangeError("an example needs at least one visible keypoint");
    const box = support.box ? widenBox(support.box, shown, support.pixels) : boxAround(shown, support.pixels);
    const { crop, matrix } = cropOf(support.pixels, box, model);
    const unit = support.keypoints.map((point, k): Point => {
      const [x, y] = transform(support.visible[k] ? point : shown[0]!, matrix);
      return [x / side, y / side];
    });
    const padded = padKeypoints(unit, support.visible, links, count, model.padding);
    inputs.support.set(crop, place * crop.length);
    inputs.keypoints.set(padded.keypoints, place * count * 2);
    inputs.visible.set(padded.visible.map(Number), place * count);
    const index = referenceIndex(padded.visible, padded.links, heads);
    inputs.reference_index.set(index.map(BigInt), place * count * heads);
  });
  for (let blank = 0; blank < first; blank++) {
    for (let n = 0; n < 2 * count; n++) {
      let sum = 0;
      for (let place = first; place < shots; place++) sum += inputs.keypoints[place * count * 2 + n]!;
      inputs.keypoints[blank * count * 2 + n] = sum / supports.length;
    }
  }
  return inputs;
}
