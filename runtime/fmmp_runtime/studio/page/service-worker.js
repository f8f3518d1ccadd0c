// SPDX-License-Identifier: Apache-2.0
// Works offline after the first visit, and sets the headers that threads need where the server doesn't.
const CACHE = "fmmp-studio-page-1";

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET" || new URL(request.url).origin !== self.location.origin) return;
  event.respondWith(answer(request));
});

/** From the network, so that a new version is seen at once; from the cache where there is none. */
async function answer(request) {
  const cache = await caches.open(CACHE);
  try {
    const response = await fetch(request);
    // A bundle's own files are kept by the page, checked by their hashes: not twice.
    if (response.ok && response.status === 200 && !/\.(onnx|bin|safetensors)$/.test(new URL(request.url).pathname)) {
      await cache.put(request, response.clone()).catch(() => undefined); // a full disk: only offline use is lost
    }
    return isolated(response);
  } catch (error) {
    const kept = await cache.match(request);
    if (kept) return isolated(kept);
    throw error;
  }
}

function isolated(response) {
  if (response.status === 0) return response;
  const headers = new Headers(response.headers);
  headers.set("Cross-Origin-Opener-Policy", "same-origin");
  headers.set("Cross-Origin-Embedder-Policy", "require-corp");
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
}
