// SPDX-License-Identifier: Apache-2.0
/** Of requests that come faster than answers, only the newest is worth an answer. */

/** Run one job at a time; a job that waits is dropped, and answers null, when a newer one comes. */
export class Newest<T> {
  private running = false;
  private waiting: { job: () => Promise<T>; settle: (value: Promise<T> | null) => void } | null = null;

  run(job: () => Promise<T>): Promise<T | null> {
    return new Promise((settle) => {
      this.waiting?.settle(null);
      this.waiting = { job, settle };
      void this.next();
    });
  }

  private async next(): Promise<void> {
    if (this.running || !this.waiting) return;
    const { job, settle } = this.waiting;
    this.waiting = null;
    this.running = true;
    const answer = job();
    settle(answer);
    await answer.catch(() => undefined); // whoever asked is told
    this.running = false;
    void this.next();
  }
}
