// SPDX-License-Identifier: Apache-2.0
/** The worker: pictures, states and the network live here, so that the page never waits. */
import type { Box, Point } from "../pose/crop";
import { invert, transform } from "../pose/crop";
import type { Link } from "../pose/skeleton";
import type { EngineInfo, Example, Pose } from "./engine";
import { cropOf, linksOf, supportInputs, type Pixels, type Support } from "./inputs";
import { serve } from "./messages";
import { decode } from "./pixels";
import type { Provider, Tensors } from "./runtime";
import { BundleSession, fetchBundle } from "./session";

interface State {
  readonly tensors: Tensors;
  readonly known: readonly boolean[];
  readonly links: readonly Link[];
}

export interface WorkerApi {
  open(bundle: string, ort: string, providers: readonly Provider[]): Promise<EngineInfo>;
  addPicture(key: string, file: Blob): Promise<{ width: number; height: number }>;
  forgetPicture(key: string): Promise<void>;
  remember(category: string, examples: readonly Example[], links: readonly Link[] | null): Promise<readonly Link[]>;
  locate(category: string, picture: string, box: Box | null): Promise<Pose>;
}

const MOST_DECODED = 4; // pictures kept as pixels: one of 12 megapixels takes 48 MB
const files = new Map<string, Blob>();
const decoded = new Map<string, Pixels>();
const states = new Map<string, State>();
let session: BundleSession | null = null;

const api: WorkerApi = {
  async open(bundle, ort, providers) {
    const content = await fetchBundle(bundle, (file, done, total) => tell({ file, done, total }));
    const reasons: string[] = [];
    for (const provider of providers) {
      try {
        session = await BundleSession.open(content, ort, provider);
        break;
      } catch (error) {
        reasons.push(`${provider}: ${messageOf(error)}`);
        tell({ note: `${provider} is not used: ${messageOf(error)}` });
      }
    }
    if (!session) throw new Error(`this bundle can't run in this browser. ${reasons.join("; ")}`);
    const { model, runtime } = session;
    const threads = runtime.provider === "wasm" ? `, ${runtime.threads} thread${runtime.threads > 1 ? "s" : ""}` : "";
    return {
      description: `this browser, ${runtime.provider === "wasm" ? "WASM" : "WebGPU"}${threads}`,
      bundle: model.name,
      keypoints: model.keypoints,
      shots: model.shots,
      calibrated: model.score.calibrated,
      scoreMeaning: model.score.meaning,
      finds: false,
    };
  },
  async addPicture(key, file) {
    files.set(key, file);
    const { width, height } = await pixelsOf(key);
    return { width, height };
  },
  async forgetPicture(key) {
    files.delete(key);
    decoded.delete(key);
  },
  async remember(category, examples, links) {
    const supports: Support[] = [];
    for (const { picture, ...annotation } of examples) {
      supports.push({ ...annotation, pixels: await pixelsOf(picture) });
    }
    const skeleton = linksOf(supports, links);
    const tensors = await opened().remember(supportInputs(supports, skeleton, opened().model));
    const known = supports[0]!.visible.map((_, k) => supports.some((support) => support.visible[k]));
    states.set(category, { tensors, known, links: skeleton });
    return skeleton;
  },
  async locate(category, picture, box) {
    const state = states.get(category);
    if (!state) throw new Error("annotate an example first");
    const { model } = opened();
    const { crop, matrix, box: looked } = cropOf(await pixelsOf(picture), box, model);
    const answer = await opened().locate(crop, state.tensors);
    const last = answer.points.length - 2 * model.keypoints;
    const back = invert(matrix);
    const point = (k: number): Point =>
      transform(
        [answer.points[last + 2 * k]! * model.image_size, answer.points[last + 2 * k + 1]! * model.image_size],
        back,
      );
    return {
      keypoints: state.known.map((_, k) => point(k)),
      score: state.known.map((known, k) => (known ? answer.score[k]! : 0)),
      known: state.known,
      links: state.links,
      box: looked,
      presence: null,
    };
  },
};

const tell = serve(api);

function opened(): BundleSession {
  if (!session) throw new Error("no bundle is open");
  return session;
}

/** The pixels of a picture; the least recently used are decoded again when they are wanted. */
async function pixelsOf(key: string): Promise<Pixels> {
  const file = files.get(key);
  if (!file) throw new Error(`no picture ${key}`);
  const pixels = decoded.get(key) ?? (await decode(file));
  decoded.delete(key);
  decoded.set(key, pixels);
  for (const oldest of decoded.keys()) {
    if (decoded.size <= MOST_DECODED) break;
    decoded.delete(oldest);
  }
  return pixels;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
