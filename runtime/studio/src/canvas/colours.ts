// SPDX-License-Identifier: Apache-2.0
/** Colours of keypoints, those of fmmp_runtime's pictures: told apart by the colour-blind. */

const DISTINCT = ["#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7", "#ffffff"]; // Okabe and Ito (2008)
// For more keypoints a ramp from dark to light, so that the order is seen without seeing hue (after viridis).
const RAMP = [
  [72, 20, 140],
  [59, 82, 175],
  [33, 145, 160],
  [53, 183, 121],
  [160, 218, 57],
  [253, 231, 37],
] as const;

export function palette(count: number): string[] {
  if (count <= DISTINCT.length) return DISTINCT.slice(0, count);
  return Array.from({ length: count }, (_, k) => {
    const place = (k / (count - 1)) * (RAMP.length - 1);
    const low = Math.min(Math.floor(place), RAMP.length - 2);
    const channel = (c: 0 | 1 | 2) => Math.round(RAMP[low]![c] + (place - low) * (RAMP[low + 1]![c] - RAMP[low]![c]));
    return `rgb(${channel(0)} ${channel(1)} ${channel(2)})`;
  });
}
