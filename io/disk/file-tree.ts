/**
 * A tree of directories in memory with the error codes of POSIX: names only, no bytes. The memory
 * disk and the simulated disk hang their files into it.
 *
 * Each change answers with the entries it set, so that the simulated disk can take them back. This
 * file must never know what a file holds.
 */

import { DiskError } from './disk.js';

export class TreeDirectory<F extends object> {
  readonly entries = new Map<string, TreeNode<F>>();
}

export type TreeNode<F extends object> = TreeDirectory<F> | F;

/** One directory entry that a change set (`after`) and what stood there (`before`). */
export interface EntryChange<F extends object> {
  readonly directory: TreeDirectory<F>;
  readonly name: string;
  readonly before: TreeNode<F> | undefined;
  readonly after: TreeNode<F> | undefined;
}

interface Place<F extends object> {
  readonly directory: TreeDirectory<F>;
  readonly name: string;
  readonly node: TreeNode<F> | undefined;
}

function namesOf(path: string): string[] {
  const names: string[] = [];
  for (const name of path.split('/')) {
    if (name === '..') names.pop();
    else if (name !== '' && name !== '.') names.push(name);
  }
  return names;
}

export class FileTree<F extends object> {
  /** Paths are absolute; a relative one starts here as well. */
  readonly root = new TreeDirectory<F>();

  /** The file or directory at `path`, undefined when a name on the way is missing or is a file. */
  find(path: string): TreeNode<F> | undefined {
    let node: TreeNode<F> | undefined = this.root;
    for (const name of namesOf(path)) {
      if (!(node instanceof TreeDirectory)) return undefined;
      node = node.entries.get(name);
    }
    return node;
  }

  file(operation: string, path: string): F {
    const { node } = this.#place(operation, path);
    if (node === undefined) throw new DiskError('ENOENT', operation, path);
    if (node instanceof TreeDirectory) throw new DiskError('EISDIR', operation, path);
    return node;
  }

  directory(operation: string, path: string): TreeDirectory<F> {
    const names = namesOf(path);
    const node = names.length === 0 ? this.root : this.#place(operation, path).node;
    if (node === undefined) throw new DiskError('ENOENT', operation, path);
    if (!(node instanceof TreeDirectory)) throw new DiskError('ENOTDIR', operation, path);
    return node;
  }

  /** Hangs `file` in at a path that must be free. */
  create(path: string, file: F): EntryChange<F>[] {
    const { directory, name, node } = this.#place('open', path);
    if (node !== undefined) throw new DiskError('EEXIST', 'open', path);
    return [set(directory, name, file)];
  }

  /** Makes the directory and its missing parents; one change for each. */
  makeDirectory(path: string): EntryChange<F>[] {
    const names = namesOf(path);
    const changes: EntryChange<F>[] = [];
    let directory = this.root;
    names.forEach((name, index) => {
      let node = directory.entries.get(name);
      if (node === undefined) {
        node = new TreeDirectory<F>();
        changes.push(set(directory, name, node));
      }
      if (!(node instanceof TreeDirectory)) {
        const code = index === names.length - 1 ? 'EEXIST' : 'ENOTDIR';
        throw new DiskError(code, 'makeDirectory', path);
      }
      directory = node;
    });
    return changes;
  }

  /** Moves the entry and replaces what stood at `to`: one indivisible change of two entries. */
  rename(from: string, to: string): EntryChange<F>[] {
    const source = this.#place('rename', from);
    if (source.node === undefined) throw new DiskError('ENOENT', 'rename', from);
    const target = this.#place('rename', to);
    if (source.node === target.node) return [];
    assertReplaceable(source.node, target.node, to);
    if (`${namesOf(to).join('/')}/`.startsWith(`${namesOf(from).join('/')}/`)) {
      throw new DiskError('EINVAL', 'rename', to);
    }
    return [
      set(source.directory, source.name, undefined),
      set(target.directory, target.name, source.node),
    ];
  }

  remove(path: string): EntryChange<F>[] {
    this.file('remove', path);
    const { directory, name } = this.#place('remove', path);
    return [set(directory, name, undefined)];
  }

  #place(operation: string, path: string): Place<F> {
    const names = namesOf(path);
    const name = names.pop();
    if (name === undefined) throw new DiskError('EISDIR', operation, path);
    let directory = this.root;
    for (const step of names) {
      const node = directory.entries.get(step);
      if (node === undefined) throw new DiskError('ENOENT', operation, path);
      if (!(node instanceof TreeDirectory)) throw new DiskError('ENOTDIR', operation, path);
      directory = node;
    }
    return { directory, name, node: directory.entries.get(name) };
  }
}

/** Puts `node` at an entry, or frees it. */
export function set<F extends object>(
  directory: TreeDirectory<F>,
  name: string,
  after: TreeNode<F> | undefined,
): EntryChange<F> {
  const before = directory.entries.get(name);
  if (after === undefined) directory.entries.delete(name);
  else directory.entries.set(name, after);
  return { directory, name, before, after };
}

function assertReplaceable<F extends object>(
  source: TreeNode<F>,
  target: TreeNode<F> | undefined,
  path: string,
): void {
  if (target === undefined) return;
  if (target instanceof TreeDirectory) {
    if (!(source instanceof TreeDirectory)) throw new DiskError('EISDIR', 'rename', path);
    if (target.entries.size > 0) throw new DiskError('ENOTEMPTY', 'rename', path);
  } else if (source instanceof TreeDirectory) {
    throw new DiskError('ENOTDIR', 'rename', path);
  }
}
