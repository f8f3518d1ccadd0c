// SPDX-License-Identifier: Apache-2.0
/** A bundle opened in the browser: its two graphs, checked against PyTorch's answers before anything is shown. */
import type * as Ort from "onnxruntime-common";
import { fetchChecked, fetchText, type OnProgress } from "../bundle/download";
import { readModel, REFERENCE_FILE, WEIGHTS_FILE, type GraphSpec, type Model } from "../bundle/model";
import { floats, readSafetensors, type SafeTensor } from "../bundle/safetensors";
import type { SupportInputs } from "./inputs";
import { loadRuntime, tensor, type Provider, type Runtime, type Tensors } from "./runtime";

// As fmmp_runtime.parity has them: float32 differs by rounding alone, fewer bits by what the export found.
const MAX_FLOAT = 1e-4; // of the crop, any layer
const MAX_P99_PX = 0.5;
const MORE_THAN_FOUND = 2;
const CHECKED_ROWS = 1; // questions of the reference that are asked: each costs a support and a query

export interface Files {
  readonly model: Model;
  readonly graphs: Readonly<Record<"support" | "query", ArrayBuffer>>;
  readonly weights: ArrayBuffer;
  readonly reference: ArrayBuffer;
}

/** Answer of the query graph. */
export interface Answer {
  /** (L, 1, K, 2) in [0, 1]. */
  readonly points: Float32Array;
  /** (1, K). */
  readonly score: Float32Array;
}

/** Fetch a bundle; `url` ends with a slash. */
export async function fetchBundle(url: string, onProgress: (file: string, done: number, total: number) => void): Promise<Files> {
  const model = readModel(await fetchText(url + "model.json"));
  const get = (file: string): Promise<ArrayBuffer> => {
    const sha256 = model.files[file];
    if (!sha256) throw new Error(`model.json names no ${file}: export the bundle again`);
    const report: OnProgress = (done, total) => onProgress(file, done, total);
    return fetchChecked(url + file, sha256, report);
  };
  const [support, query, weights, reference] = await Promise.all([
    get(model.graphs.support!.file),
    get(model.graphs.query!.file),
    get(WEIGHTS_FILE),
    get(REFERENCE_FILE),
  ]);
  return { model, graphs: { support, query }, weights, reference };
}

export class BundleSession {
  private constructor(
    readonly model: Model,
    readonly runtime: Runtime,
    private readonly support: Ort.InferenceSession,
    private readonly query: Ort.InferenceSession,
  ) {}

  /** Open a bundle with one provider, and refuse it where its answers are not PyTorch's. */
  static async open(files: Files, folder: string, provider: Provider): Promise<BundleSession> {
    const runtime = await loadRuntime(folder, provider);
    const options: Ort.InferenceSession.SessionOptions = {
      executionProviders: [provider],
      externalData: [{ path: WEIGHTS_FILE, data: new Uint8Array(files.weights) }],
    };
    const create = runtime.ort.InferenceSession.create.bind(runtime.ort.InferenceSession);
    const support = await create(new Uint8Array(files.graphs.support), options);
    const query = await create(new Uint8Array(files.graphs.query), options);
    const session = new BundleSession(files.model, runtime, support, query);
    await session.check(files.reference);
    return session;
  }

  async remember(inputs: SupportInputs): Promise<Tensors> {
    return this.run(this.support, this.model.graphs.support!, inputs as unknown as Record<string, ArrayBufferView>);
  }

  async locate(crop: Uint8Array, state: Tensors): Promise<Answer> {
    const spec = this.model.graphs.query!.inputs.find((each) => each.name === "query")!;
    const answer = await this.query.run({ query: tensor(this.runtime.ort, spec, crop), ...state });
    const result = { points: answer.points!.data as Float32Array, score: answer.score!.data as Float32Array };
    if (!result.points.every(Number.isFinite) || !result.score.every(Number.isFinite)) {
      throw new Error(`${this.runtime.provider} gave numbers that are not finite`);
    }
    return result;
  }

  async release(): Promise<void> {
    await Promise.all([this.support.release(), this.query.release()]);
  }

  private async run(
    session: Ort.InferenceSession,
    graph: GraphSpec,
    data: Readonly<Record<string, ArrayBufferView>>,
  ): Promise<Tensors> {
    const feed = graph.inputs.map((spec) => [spec.name, tensor(this.runtime.ort, spec, data[spec.name]!)] as const);
    return (await session.run(Object.fromEntries(feed))) as Tensors;
  }

  /** Ask what the exporter asked PyTorch; throws where an answer is further off than the bundle's precision allows. */
  private async check(file: ArrayBuffer): Promise<void> {
    const reference = readSafetensors(file);
    const rows = reference.get("query")!.shape[0]!;
    for (let row = 0; row < Math.min(rows, CHECKED_ROWS); row++) {
      const state = await this.remember({
        support: new Uint8Array(rowOf(reference.get("support")!, row)),
        keypoints: new Float32Array(rowOf(reference.get("keypoints")!, row)),
        visible: new Uint8Array(rowOf(reference.get("visible")!, row)),
        reference_index: new BigInt64Array(rowOf(reference.get("reference_index")!, row)),
      });
      const answer = await this.locate(new Uint8Array(rowOf(reference.get("query")!, row)), state);
      const fault = faultOf(answer, reference.get("points")!, row, this.model);
      if (fault) throw new Error(`${this.runtime.provider} doesn't give PyTorch's answers: ${fault}`);
    }
  }
}

function rowOf(tensor: SafeTensor, row: number): ArrayBuffer {
  const each = tensor.bytes.byteLength / tensor.shape[0]!;
  return tensor.bytes.slice(row * each, (row + 1) * each).buffer as ArrayBuffer;
}

/** What is too far off, or null. */
export function faultOf(answer: Answer, points: SafeTensor, row: number, model: Model): string | null {
  const [layers, rows, count] = points.shape as [number, number, number];
  const expected = floats(points);
  const shifts: number[] = [];
  let largest = 0;
  for (let layer = 0; layer < layers; layer++) {
    for (let k = 0; k < count; k++) {
      const there = 2 * ((layer * rows + row) * count + k);
      const here = 2 * (layer * count + k);
      const dx = answer.points[here]! - expected[there]!;
      const dy = answer.points[here + 1]! - expected[there + 1]!;
      largest = Math.max(largest, Math.abs(dx), Math.abs(dy));
      if (layer === layers - 1) shifts.push(Math.hypot(dx, dy) * model.image_size);
    }
  }
  if (model.precision === "fp32") {
    return largest <= MAX_FLOAT ? null : `a point is ${largest.toExponential(1)} of the crop off, at most 1e-4 is allowed`;
  }
  const p99 = shifts.sort((one, other) => one - other)[Math.ceil(0.99 * shifts.length) - 1]!;
  const found = Math.max(0, ...Object.values(model.parity).map((entry) => entry.p99_px));
  const limit = model.precision === "int8" ? MORE_THAN_FOUND * found : MAX_P99_PX;
  return p99 <= limit ? null : `99 of 100 points are within ${p99.toFixed(2)} px, ${limit.toFixed(2)} is allowed`;
}
