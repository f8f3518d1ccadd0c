// SPDX-License-Identifier: Apache-2.0
/** A project in a folder on a server. */
import { readProject, type Picture, type Project } from "./model";
import { Conflict, type Storage } from "./storage";

export class ServerStorage implements Storage {
  private readonly channel = new BroadcastChannel("fmmp-studio-server");

  static async open(): Promise<ServerStorage> {
    return new ServerStorage();
  }

  async load(): Promise<{ project: Project; revision: number }> {
    const { project, revision } = (await (await ask("api/project")).json()) as { project: unknown; revision: number };
    return { project: readProject(project), revision };
  }

  async save(project: Project, revision: number): Promise<number> {
    const response = await ask("api/project", {
      method: "PUT",
      headers: { "If-Match": String(revision), "Content-Type": "application/json" },
      body: JSON.stringify(project),
    });
    const saved = (await response.json()) as { revision: number };
    this.channel.postMessage(saved.revision);
    return saved.revision;
  }

  async putPicture(key: string, file: Blob): Promise<void> {
    await ask(`api/pictures/${key}`, { method: "PUT", body: file });
  }

  async getPicture(key: string): Promise<Blob> {
    return (await ask(`api/pictures/${key}`)).blob();
  }

  onOtherTab(heard: () => void): void {
    this.channel.onmessage = heard;
  }
}

export interface Foreign {
  readonly objects: readonly { readonly name: string; readonly content: unknown }[];
  readonly notes: readonly string[];
}

/** What fmmp_runtime reads in a file of another tool, an object each, as our own JSON. */
export async function readForeign(file: File, pictures: readonly Picture[]): Promise<Foreign> {
  const body = JSON.stringify({ name: file.name, text: await file.text(), pictures });
  return (await (await ask("api/annotations", { method: "POST", body })).json()) as Foreign;
}

async function ask(address: string, options: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(address, options);
  } catch {
    throw new Error("the server can't be reached, so the last change is not saved: it is tried again");
  }
  if (response.ok) return response;
  const text = await response.text();
  throw response.status === 409 ? new Conflict(text) : new Error(text || `the server says ${response.status}`);
}
