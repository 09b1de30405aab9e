/**
 * A plain volatile disk for a node without a data directory: the production WAL runs on it
 * unchanged, and everything is forgotten with the process. Syncs do nothing.
 *
 * It must never pretend to durability or to faults (simulated-disk.ts does), and belongs to the one
 * thread that made it.
 */

import { type Disk, DiskError, type DiskFile } from './disk.js';
import { FileTree } from './file-tree.js';
import { SparsePages } from './sparse-pages.js';
import { assertPosition, assertTransfer } from './transfer.js';

const PAGE_BYTES = 64 * 1024;

class MemoryFile implements DiskFile {
  readonly path: string;
  readonly #pages: SparsePages;
  readonly #writable: boolean;
  #open = true;

  constructor(path: string, pages: SparsePages, writable: boolean) {
    this.path = path;
    this.#pages = pages;
    this.#writable = writable;
  }

  read(target: Uint8Array, offset: number, length: number, position: number): number {
    assertTransfer(target, offset, length, position);
    this.#assertOpen('read');
    return this.#pages.read(target, offset, length, position);
  }

  write(source: Uint8Array, offset: number, length: number, position: number): number {
    assertTransfer(source, offset, length, position);
    this.#assertOpen('write');
    if (!this.#writable) throw new DiskError('EBADF', 'write', this.path);
    this.#pages.write(source, offset, length, position);
    return length;
  }

  sync(): void {
    this.#assertOpen('sync');
  }

  size(): number {
    this.#assertOpen('size');
    return this.#pages.size;
  }

  truncate(length: number): void {
    assertPosition(length);
    this.#assertOpen('truncate');
    if (!this.#writable) throw new DiskError('EINVAL', 'truncate', this.path);
    this.#pages.resize(length);
  }

  close(): void {
    this.#open = false;
  }

  #assertOpen(operation: string): void {
    if (!this.#open) throw new DiskError('EBADF', operation, this.path);
  }
}

export class MemoryDisk implements Disk {
  readonly #tree = new FileTree<SparsePages>();

  open(path: string, mode: 'read' | 'readwrite' | 'create'): DiskFile {
    if (mode === 'create' && this.#tree.find(path) === undefined) {
      this.#tree.create(path, new SparsePages(PAGE_BYTES));
    }
    return new MemoryFile(path, this.#tree.file('open', path), mode !== 'read');
  }

  exists(path: string): boolean {
    return this.#tree.find(path) !== undefined;
  }

  list(directory: string): string[] {
    return [...this.#tree.directory('list', directory).entries.keys()].sort();
  }

  makeDirectory(path: string): void {
    this.#tree.makeDirectory(path);
  }

  rename(from: string, to: string): void {
    this.#tree.rename(from, to);
  }

  remove(path: string): void {
    this.#tree.remove(path);
  }

  syncDirectory(directory: string): void {
    this.#tree.directory('syncDirectory', directory);
  }
}
