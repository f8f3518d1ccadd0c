// SPDX-License-Identifier: Apache-2.0
/** Files of a bundle over HTTP: with progress, checked against their SHA-256, and kept for the next visit. */

const CACHE = "fmmp-bundles-1";

export type OnProgress = (done: number, total: number) => void;

/**
 * Fetch a file whose SHA-256 is known. A file that was cut off or changed is not kept, and said.
 *
 * The cache is asked by content, so that a bundle which is replaced under its address is fetched anew.
 */
export async function fetchChecked(url: string, sha256: string, onProgress: OnProgress): Promise<ArrayBuffer> {
  const key = `${url}?sha256=${sha256}`;
  const cache = await openCache();
  const kept = await cache?.match(key);
  if (kept) {
    const data = await kept.arrayBuffer();
    if ((await digest(data)) === sha256) {
      onProgress(data.byteLength, data.byteLength);
      return data;
    }
    await cache?.delete(key);
  }
  const data = await fetchWithProgress(url, onProgress);
  const found = await digest(data);
  if (found !== sha256) {
    throw new Error(
      `${url} is not what its bundle says (SHA-256 ${found.slice(0, 12)}, expected ${sha256.slice(0, 12)}): ` +
        "it was cut off or changed; reload, or copy the bundle again",
    );
  }
  try {
    await cache?.put(key, new Response(data, { headers: { "Content-Type": "application/octet-stream" } }));
  } catch (error) {
    console.warn(`${url} is not kept for the next visit: ${String(error)}`); // a full disk: it works all the same
  }
  return data;
}

export async function fetchText(url: string): Promise<string> {
  return (await request(url)).text();
}

async function fetchWithProgress(url: string, onProgress: OnProgress): Promise<ArrayBuffer> {
  const response = await request(url);
  const total = Number(response.headers.get("Content-Length") ?? 0);
  const reader = response.body!.getReader();
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let done = 0;
  for (;;) {
    const { value, done: ended } = await reader.read();
    if (ended) break;
    parts.push(value);
    done += value.byteLength;
    onProgress(done, Math.max(total, done));
  }
  return new Blob(parts).arrayBuffer();
}

async function request(url: string): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url);
  } catch {
    throw new Error(`${url} can't be reached: is the server there?`);
  }
  if (!response.ok) throw new Error(`${url}: the server says ${response.status} ${response.statusText}`);
  return response;
}

async function digest(data: ArrayBuffer): Promise<string> {
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", data));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function openCache(): Promise<Cache | null> {
  return "caches" in globalThis ? caches.open(CACHE) : null; // none in a page that is not served securely
}
