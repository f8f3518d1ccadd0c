// SPDX-License-Identifier: Apache-2.0
/** A bundle on a server, asked over a WebSocket; a server that goes away is waited for. */
import type { Box, Size } from "../pose/crop";
import type { Link } from "../pose/skeleton";
import type { Engine, EngineInfo, Example, Pose } from "./engine";
import type { News } from "./messages";

const RETRY_AFTER_MS = 1000;

type Reply = { readonly id: number; readonly value: unknown } | { readonly id: number; readonly error: string };

export class ServerEngine implements Engine {
  private readonly open = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();
  private readonly lessons = new Map<string, readonly unknown[]>(); // told again after a lost connection
  private count = 0;
  private closed = false;
  info!: EngineInfo;

  private constructor(
    private socket: WebSocket,
    private readonly onNews: (news: News) => void,
  ) {
    this.listen();
  }

  static async open(onNews: (news: News) => void): Promise<ServerEngine> {
    const engine = new ServerEngine(await connect(), onNews);
    engine.info = await engine.call<EngineInfo>("info");
    return engine;
  }

  /** The server has it already: it keeps the project's pictures. */
  addPicture(key: string): Promise<Size> {
    return this.call("picture", key);
  }

  forgetPicture(): void {
    // nothing is kept for a page there
  }

  remember(category: string, examples: readonly Example[], links: readonly Link[] | null): Promise<readonly Link[]> {
    const lesson = [category, examples, links] as const;
    this.lessons.set(category, lesson);
    return this.call("remember", ...lesson);
  }

  locate(category: string, picture: string, box: Box | null): Promise<Pose | null> {
    return this.call("locate", category, picture, box);
  }

  close(): void {
    this.closed = true;
    this.socket.close();
  }

  private call<T>(method: string, ...args: unknown[]): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.socket.readyState !== WebSocket.OPEN) return reject(new Error("the server went away: waiting for it"));
      this.open.set(++this.count, { resolve: resolve as (value: never) => void, reject });
      this.socket.send(JSON.stringify({ id: this.count, method, args }));
    });
  }

  private listen(): void {
    this.socket.onmessage = ({ data }: MessageEvent<string>) => {
      const reply = JSON.parse(data) as Reply;
      const call = this.open.get(reply.id);
      this.open.delete(reply.id);
      if ("error" in reply) call?.reject(new Error(reply.error));
      else call?.resolve(reply.value as never);
    };
    this.socket.onclose = () => {
      for (const call of this.open.values()) call.reject(new Error("the server went away: waiting for it"));
      this.open.clear();
      if (!this.closed) void this.reconnect();
    };
  }

  private async reconnect(): Promise<void> {
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, RETRY_AFTER_MS));
      if (this.closed) return;
      try {
        this.socket = await connect();
        break;
      } catch {
        this.onNews({ note: "the server can't be reached" });
      }
    }
    this.listen();
    for (const lesson of this.lessons.values()) await this.call("remember", ...lesson).catch(() => undefined);
  }
}

function connect(): Promise<WebSocket> {
  const address = new URL("api/model", document.baseURI);
  address.protocol = address.protocol.replace("http", "ws");
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(address);
    socket.onopen = () => resolve(socket);
    socket.onerror = () => reject(new Error("the server can't be reached: is fmmp-studio running?"));
  });
}
