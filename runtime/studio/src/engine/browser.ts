// SPDX-License-Identifier: Apache-2.0
/** A bundle that runs in this browser, in a worker: nothing leaves the machine. */
import type { Box, Size } from "../pose/crop";
import type { Link } from "../pose/skeleton";
import type { Engine, EngineInfo, Example, Pose } from "./engine";
import { Caller, type News } from "./messages";
import type { Provider } from "./runtime";

export class BrowserEngine implements Engine {
  private constructor(
    readonly info: EngineInfo,
    private readonly worker: Worker,
    private readonly caller: Caller,
  ) {}

  /**
   * Open a bundle.
   *
   * @param bundle address of its folder.
   * @param ort address of the folder with onnxruntime-web.
   * @param providers tried in this order; one whose answers are not PyTorch's is left, and `onNews` says so.
   */
  static async open(
    bundle: string,
    ort: string,
    providers: readonly Provider[],
    onNews: (news: News) => void,
  ): Promise<BrowserEngine> {
    const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
    const caller = new Caller(worker, onNews);
    try {
      const info = await caller.call<EngineInfo>("open", absolute(bundle), absolute(ort), providers);
      return new BrowserEngine(info, worker, caller);
    } catch (error) {
      worker.terminate();
      throw error;
    }
  }

  addPicture(key: string, file: Blob): Promise<Size> {
    return this.caller.call("addPicture", key, file);
  }

  forgetPicture(key: string): void {
    void this.caller.call("forgetPicture", key);
  }

  remember(category: string, examples: readonly Example[], links: readonly Link[] | null): Promise<readonly Link[]> {
    return this.caller.call("remember", category, examples, links);
  }

  locate(category: string, picture: string, box: Box | null): Promise<Pose | null> {
    return this.caller.call("locate", category, picture, box);
  }

  close(): void {
    this.worker.terminate();
  }
}

function absolute(address: string): string {
  const url = new URL(address, document.baseURI).href;
  return url.endsWith("/") ? url : `${url}/`;
}
