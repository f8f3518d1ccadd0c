// SPDX-License-Identifier: Apache-2.0
/** The golden numbers that the Python code is tested with. */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";

export function golden<T>(name: string): T {
  const file = new URL(`../../../tests/golden/${name}.json.gz`, import.meta.url);
  return JSON.parse(gunzipSync(readFileSync(file)).toString()) as T;
}
