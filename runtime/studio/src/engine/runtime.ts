// SPDX-License-Identifier: Apache-2.0
/** onnxruntime-web, which lies beside the page and not in it: 14 MB, or 27 MB with WebGPU. */
import type * as Ort from "onnxruntime-common";
import type { TensorSpec } from "../bundle/model";

export type Provider = "webgpu" | "wasm";
export type Tensors = Record<string, Ort.Tensor>;

/** The files of onnxruntime-web that a page needs, in a folder `ort/` beside it. */
export const ORT_FILES: Readonly<Record<Provider, readonly string[]>> = {
  wasm: ["ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"],
  webgpu: ["ort.webgpu.min.mjs", "ort-wasm-simd-threaded.asyncify.mjs", "ort-wasm-simd-threaded.asyncify.wasm"],
};

export interface Runtime {
  readonly ort: typeof Ort;
  readonly provider: Provider;
  readonly threads: number;
}

/** Load onnxruntime-web from `folder`, an absolute address that ends with a slash. */
export async function loadRuntime(folder: string, provider: Provider): Promise<Runtime> {
  const file = folder + ORT_FILES[provider][0];
  let ort: typeof Ort;
  try {
    ort = (await import(/* @vite-ignore */ file)) as typeof Ort;
  } catch {
    throw new Error(`onnxruntime-web is not at ${folder}: put its files there, or use fmmp-studio on a server`);
  }
  // Threads share memory, which a page may only do when it is isolated from others (COOP and COEP headers).
  const threads = globalThis.crossOriginIsolated ? Math.min(navigator.hardwareConcurrency || 1, 8) : 1;
  ort.env.wasm.numThreads = threads;
  ort.env.wasm.wasmPaths = folder;
  ort.env.logLevel = "error";
  return { ort, provider, threads };
}

/** A tensor of the type that a graph wants, over existing data. */
export function tensor(ort: typeof Ort, spec: TensorSpec, data: ArrayBufferView): Ort.Tensor {
  const type = spec.dtype as Ort.Tensor.Type; // model.json and onnxruntime-web spell them alike
  return new ort.Tensor(type, data as Ort.Tensor.DataType, spec.shape);
}
