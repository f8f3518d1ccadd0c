// SPDX-License-Identifier: Apache-2.0
/** What a bundle's model.json says, as far as a page needs it; what can't run here is refused by name. */
import type { Padding } from "../pose/padding";

export interface TensorSpec {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
}

export interface GraphSpec {
  readonly file: string;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
}

export interface Model {
  readonly format: number;
  readonly name: string;
  readonly keypoints: number;
  readonly shots: number;
  readonly image_size: number;
  readonly crop_padding: number;
  readonly precision: string;
  readonly padding: Padding;
  readonly graphs: Readonly<Record<string, GraphSpec>>;
  readonly score: { readonly calibrated: boolean; readonly meaning: string };
  readonly files: Readonly<Record<string, string>>;
  readonly parity: Readonly<Record<string, { readonly p99_px: number; readonly score_max: number }>>;
}

export const NEWEST_FORMAT = 2;
export const WEIGHTS_FILE = "weights.bin";
export const REFERENCE_FILE = "reference.safetensors";

/** Read model.json; throws an Error that says what is wrong and what to do. */
export function readModel(text: string): Model {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    throw new Error("model.json is not JSON, so this is no bundle or a broken one: export it again");
  }
  const model = content as Partial<Model>;
  if (typeof model?.format !== "number") throw new Error("model.json has no format: this is no bundle of fmmp-export");
  if (model.format > NEWEST_FORMAT) {
    throw new Error(`this bundle has format ${model.format}, this page reads up to ${NEWEST_FORMAT}: update fmmp-studio`);
  }
  const counts = [model.keypoints, model.shots, model.image_size];
  if (counts.some((n) => !Number.isInteger(n) || n! < 1 || n! > 4096)) {
    throw new Error("model.json has no usable keypoints, shots or image_size: export the bundle again");
  }
  if (!(Number.isFinite(model.crop_padding) && model.crop_padding! > 0 && model.crop_padding! < 100)) {
    throw new Error(`model.json has crop_padding ${model.crop_padding}, expected a positive number: export it again`);
  }
  for (const name of ["support", "query"]) {
    if (!model.graphs?.[name]) throw new Error(`this bundle has no ${name} graph: export it again`);
  }
  const padding = (model.padding as string | undefined) ?? "uniform";
  if (padding !== "uniform" && padding !== "zero") {
    throw new Error(`this bundle pads by ${padding}, which a browser can't: open it with fmmp-studio on a server`);
  }
  return { ...(model as Model), padding };
}

/** M, the columns of the reference index. */
export function headsOf(model: Model): number {
  const spec = model.graphs.support!.inputs.find((tensor) => tensor.name === "reference_index");
  return spec!.shape.at(-1)!;
}
