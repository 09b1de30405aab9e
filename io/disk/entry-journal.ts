/**
 * The directory operations of a simulated disk that no directory sync has made durable yet, in
 * order.
 *
 * After a crash each of them has happened or not, with one rule: an operation survives only if
 * every earlier one on the same entry or the same file did. So a rename is whole or absent, and a
 * file never appears twice; but two unrelated creations may survive in either order, as on a real
 * disk.
 */

import { type EntryChange, set, type TreeDirectory, type TreeNode } from './file-tree.js';

type Operation<F extends object> = readonly EntryChange<F>[];

export class EntryJournal<F extends object> {
  #pending: Operation<F>[] = [];

  get length(): number {
    return this.#pending.length;
  }

  record(operation: Operation<F>): void {
    if (operation.length > 0) this.#pending.push(operation);
  }

  /** Makes durable what was done in `directory`, and what those operations build on. */
  sync(directory: TreeDirectory<F>): void {
    const durable = new Touched<F>();
    const left: Operation<F>[] = [];
    for (const operation of this.#pending.toReversed()) {
      const here = operation.some((change) => change.directory === directory);
      if (here || durable.overlaps(operation)) durable.add(operation);
      else left.push(operation);
    }
    this.#pending = left.reverse();
  }

  /** Takes back, newest first, the operations that `survives` drops; returns how many those are. */
  crash(survives: () => boolean): number {
    const lost = new Touched<F>();
    const undone: Operation<F>[] = [];
    for (const operation of this.#pending) {
      if (!lost.overlaps(operation) && survives()) continue;
      lost.add(operation);
      undone.push(operation);
    }
    for (const operation of undone.reverse()) {
      for (const { directory, name, before } of operation.toReversed()) {
        set(directory, name, before);
      }
    }
    this.#pending = [];
    return undone.length;
  }
}

/** The entries and files that a set of operations touches. */
class Touched<F extends object> {
  readonly #names = new Map<TreeDirectory<F>, Set<string>>();
  readonly #nodes = new Set<TreeNode<F>>();

  add(operation: Operation<F>): void {
    for (const { directory, name, before, after } of operation) {
      const names = this.#names.get(directory) ?? new Set();
      this.#names.set(directory, names.add(name));
      if (before !== undefined) this.#nodes.add(before);
      if (after !== undefined) this.#nodes.add(after);
    }
  }

  overlaps(operation: Operation<F>): boolean {
    return operation.some(
      ({ directory, name, before, after }) =>
        this.#names.get(directory)?.has(name) === true ||
        (before !== undefined && this.#nodes.has(before)) ||
        (after !== undefined && this.#nodes.has(after)),
    );
  }
}
