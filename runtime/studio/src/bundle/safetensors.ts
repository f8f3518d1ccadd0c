// SPDX-License-Identifier: Apache-2.0
/** Read a safetensors file: a length, a JSON header, and the tensors one behind the other. */

export interface SafeTensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

export function readSafetensors(file: ArrayBuffer): Map<string, SafeTensor> {
  const broken = new Error("the reference answers of this bundle are cut off or broken: copy it again");
  if (file.byteLength < 8) throw broken;
  const length = Number(new DataView(file).getBigUint64(0, true));
  if (8 + length > file.byteLength) throw broken;
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(file, 8, length))) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >;
  const tensors = new Map<string, SafeTensor>();
  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const [start, end] = entry.data_offsets;
    if (8 + length + end > file.byteLength) throw broken;
    // A copy, so that typed arrays of any width can lie on it.
    tensors.set(name, { ...entry, bytes: new Uint8Array(file.slice(8 + length + start, 8 + length + end)) });
  }
  return tensors;
}

export function floats(tensor: SafeTensor): Float32Array {
  return new Float32Array(tensor.bytes.buffer);
}
