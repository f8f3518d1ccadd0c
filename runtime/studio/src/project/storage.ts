// SPDX-License-Identifier: Apache-2.0
/** Where projects are kept: in this browser here; `./server` has the same for a folder on a server. */
import { EMPTY, readProject, type Project } from "./model";

export class Conflict extends Error {}

export interface Storage {
  /** The project as it was saved last, and its revision. */
  load(): Promise<{ project: Project; revision: number }>;
  /** Save over the revision that was loaded or saved last; throws Conflict where another tab was faster. */
  save(project: Project, revision: number): Promise<number>;
  putPicture(key: string, file: Blob): Promise<void>;
  getPicture(key: string): Promise<Blob>;
  /** Called when another tab has saved. */
  onOtherTab(heard: () => void): void;
}

const DATABASE = "fmmp-studio";

/** IndexedDB: survives a reload, a crash and being offline. */
export class BrowserStorage implements Storage {
  private readonly channel = new BroadcastChannel(DATABASE);

  private constructor(private readonly database: IDBDatabase) {}

  static open(): Promise<BrowserStorage> {
    return new Promise((resolve, reject) => {
      const request = indexedDB.open(DATABASE, 1);
      request.onupgradeneeded = () => {
        request.result.createObjectStore("project");
        request.result.createObjectStore("pictures");
      };
      request.onsuccess = () => resolve(new BrowserStorage(request.result));
      request.onerror = () => reject(new Error(`this browser keeps no data (${request.error?.message}): export before you leave`));
    });
  }

  async load(): Promise<{ project: Project; revision: number }> {
    const saved = await done<{ project: unknown; revision: number } | undefined>(this.store("project", "readonly").get("current"));
    return saved ? { project: readProject(saved.project), revision: saved.revision } : { project: EMPTY, revision: 0 };
  }

  async save(project: Project, revision: number): Promise<number> {
    const store = this.store("project", "readwrite");
    const saved = await done<{ revision: number } | undefined>(store.get("current"));
    if ((saved?.revision ?? 0) !== revision) {
      throw new Conflict("this project was changed in another tab: reload to see it, or export your work first");
    }
    await kept(store, { project, revision: revision + 1 }, "current", "the last change is not saved");
    this.channel.postMessage(revision + 1);
    return revision + 1;
  }

  async putPicture(key: string, file: Blob): Promise<void> {
    await kept(this.store("pictures", "readwrite"), file, key, "the picture can't be kept");
  }

  async getPicture(key: string): Promise<Blob> {
    const file = await done<Blob | undefined>(this.store("pictures", "readonly").get(key));
    if (!file) throw new Error("the file of a picture is gone from the browser's storage: add it again");
    return file;
  }

  onOtherTab(heard: () => void): void {
    this.channel.onmessage = heard;
  }

  private store(name: string, mode: IDBTransactionMode): IDBObjectStore {
    return this.database.transaction(name, mode).objectStore(name);
  }
}

/** Put something; it is kept when the transaction has ended, and a full disk is known no earlier. */
function kept(store: IDBObjectStore, value: unknown, key: string, problem: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const { transaction } = store;
    const refuse = (error: unknown) => {
      const full = (error as DOMException | null)?.name === "QuotaExceededError";
      reject(new Error(`${problem}: ${full ? "the browser's storage is full; export your work, then remove pictures" : String(error)}`));
    };
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => refuse(transaction.error);
    try {
      store.put(value, key);
    } catch (error) {
      refuse(error);
    }
  });
}

function done<T>(request: IDBRequest): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result as T);
    request.onerror = () => reject(request.error ?? new Error("the browser's storage failed"));
  });
}
