// SPDX-License-Identifier: Apache-2.0
/** Calls over messages between a page and its worker: a promise a call. */

type Methods = Record<string, (...args: never[]) => Promise<unknown>>;
interface Call {
  readonly id: number;
  readonly method: string;
  readonly args: unknown[];
}
type Reply = { readonly id: number; readonly value: unknown } | { readonly id: number; readonly error: string };
/** What a worker says unasked. */
export type News = { readonly file: string; readonly done: number; readonly total: number } | { readonly note: string };

/** In a worker: answer the calls with `api`; gives the function that says something unasked. */
export function serve(api: object): (news: News) => void {
  self.onmessage = ({ data }: MessageEvent<Call>) => {
    const method = (api as Methods)[data.method]!;
    method(...(data.args as never[])).then(
      (value) => self.postMessage({ id: data.id, value } satisfies Reply),
      (error: unknown) => {
        console.error(error);
        const message = error instanceof Error ? error.message : String(error);
        self.postMessage({ id: data.id, error: message } satisfies Reply);
      },
    );
  };
  return (news) => self.postMessage(news);
}

/** In a page: call the methods of a worker. */
export class Caller {
  private readonly open = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();
  private count = 0;

  constructor(
    private readonly worker: Worker,
    onNews: (news: News) => void,
  ) {
    worker.onmessage = ({ data }: MessageEvent<Reply | News>) => {
      if (!("id" in data)) return onNews(data);
      const call = this.open.get(data.id);
      this.open.delete(data.id);
      if ("error" in data) call?.reject(new Error(data.error));
      else call?.resolve(data.value as never);
    };
    worker.onerror = (event) => {
      for (const call of this.open.values()) call.reject(new Error(`the worker stopped: ${event.message}`));
      this.open.clear();
    };
  }

  call<T>(method: string, ...args: unknown[]): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.open.set(++this.count, { resolve: resolve as (value: never) => void, reject });
      this.worker.postMessage({ id: this.count, method, args } satisfies Call);
    });
  }
}
