// SPDX-License-Identifier: Apache-2.0
import { defineConfig } from "vitest/config";

/** Unit tests; those in a real browser have `vitest.browser.config.ts`. */
export default defineConfig({ test: { include: ["test/*.test.ts"] } });
