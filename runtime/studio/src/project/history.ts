// SPDX-License-Identifier: Apache-2.0
/** Undo and redo of everything: a project is immutable, so its past is a list of them. */

const MOST = 500; // steps that can be undone; they share what did not change

export class History<T> {
  private past: T[] = [];
  private future: T[] = [];
  private mergeKey: string | null = null;

  constructor(private present: T) {}

  get now(): T {
    return this.present;
  }

  get canUndo(): boolean {
    return this.past.length > 0;
  }

  get canRedo(): boolean {
    return this.future.length > 0;
  }

  /** Go on to `next`. Steps with the same `merge` in a row, such as those of one drag, are undone together. */
  push(next: T, merge: string | null = null): void {
    if (next === this.present) return;
    if (merge === null || merge !== this.mergeKey) {
      this.past.push(this.present);
      if (this.past.length > MOST) this.past.shift();
    }
    this.mergeKey = merge;
    this.present = next;
    this.future = [];
  }

  /** Change the present without a step of its own: what the model says is no deed of a person. */
  amend(next: T): void {
    this.present = next;
  }

  undo(): void {
    const last = this.past.pop();
    if (last === undefined) return;
    this.future.push(this.present);
    this.present = last;
    this.mergeKey = null;
  }

  redo(): void {
    const next = this.future.pop();
    if (next === undefined) return;
    this.past.push(this.present);
    this.present = next;
    this.mergeKey = null;
  }
}
