// SPDX-License-Identifier: Apache-2.0
import { defineConfig } from "vitest/config";

/** Tests in Debian's Chromium, one after the other; tests/runtime/studio/test_browser.py starts the servers. */
export default defineConfig({
  test: { include: ["test/browser/*.test.ts"], fileParallelism: false, testTimeout: 120_000, hookTimeout: 120_000 },
});
