// SPDX-License-Identifier: Apache-2.0
/** What answers: a bundle in this browser, or one on a server. The page knows no more of either than this. */
import type { Box, Point, Size } from "../pose/crop";
import type { Link } from "../pose/skeleton";

/** An annotated example, as a page tells it: the picture by its key. */
export interface Example {
  readonly picture: string;
  readonly keypoints: readonly Point[];
  readonly visible: readonly boolean[];
  readonly box: Box | null;
}

export interface Pose {
  /** (K_c) x, y in pixels of the picture. */
  readonly keypoints: readonly Point[];
  /** (K_c) in [0, 1]; 0 where no example shows the keypoint. */
  readonly score: readonly number[];
  /** (K_c) shown by an example; the others are guesses. */
  readonly known: readonly boolean[];
  readonly links: readonly Link[];
  /** What was looked at. */
  readonly box: Box;
  /** Probability that the object is there; null where the bundle can't tell. */
  readonly presence: number | null;
}

export interface EngineInfo {
  /** What runs, in words: "this browser, WASM, 2 threads". */
  readonly description: string;
  readonly bundle: string;
  readonly keypoints: number;
  readonly shots: number;
  readonly calibrated: boolean;
  readonly scoreMeaning: string;
  /** Whether a box of null means "find it"; else it means the whole picture. */
  readonly finds: boolean;
}

export interface Engine {
  readonly info: EngineInfo;
  /** Make a picture known under a key; gives its size as it is shown (EXIF applied). */
  addPicture(key: string, file: Blob): Promise<Size>;
  forgetPicture(key: string): void;
  /** Learn a category from its examples; the answer goes into `locate`, until the next call with this key. */
  remember(category: string, examples: readonly Example[], links: readonly Link[] | null): Promise<readonly Link[]>;
  /** Find the category in a picture; null where a newer call overtook this one. */
  locate(category: string, picture: string, box: Box | null): Promise<Pose | null>;
  close(): void;
}
