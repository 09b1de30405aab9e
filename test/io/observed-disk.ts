/**
 * A disk that writes down every change that passes through it, and loses power right after a chosen
 * one, before its caller hears of it: so a moment of a log's life can be named and visited.
 *
 * It must never change what passes through it.
 */

import type { Disk, DiskFile } from '../../io/disk/disk.js';
import { PowerLoss } from './wal-harness.js';

/** A change of the disk, with what the caller was about when it was made. */
export interface Change {
  readonly phase: string;
  /** `clear` is a write of zeros. */
  readonly operation:
    | 'create'
    | 'write'
    | 'clear'
    | 'truncate'
    | 'sync'
    | 'rename'
    | 'remove'
    | 'syncDirectory'
    | 'makeDirectory';
  readonly name: string;
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

export class ObservedDisk implements Disk {
  readonly changes: Change[] = [];
  phase = '';
  isOff = false;
  readonly #disk: Disk;
  readonly #changesMax: number;

  constructor(disk: Disk, changesMax = Number.POSITIVE_INFINITY) {
    this.#disk = disk;
    this.#changesMax = changesMax;
  }

  change<T>(operation: Change['operation'], path: string, act: () => T): T {
    if (this.isOff) throw new PowerLoss();
    const result = act();
    this.changes.push({ phase: this.phase, operation, name: nameOf(path) });
    if (this.changes.length < this.#changesMax) return result;
    this.isOff = true;
    throw new PowerLoss();
  }

  open(path: string, mode: 'read' | 'readwrite' | 'create'): DiskFile {
    const open = (): DiskFile => new ObservedFile(this, this.#disk.open(path, mode));
    return mode === 'create' ? this.change('create', path, open) : open();
  }

  exists(path: string): boolean {
    return this.#disk.exists(path);
  }

  list(directory: string): string[] {
    return this.#disk.list(directory);
  }

  makeDirectory(path: string): void {
    this.change('makeDirectory', path, () => this.#disk.makeDirectory(path));
  }

  /** Named after what the file is called from now on. */
  rename(from: string, to: string): void {
    this.change('rename', to, () => this.#disk.rename(from, to));
  }

  remove(path: string): void {
    this.change('remove', path, () => this.#disk.remove(path));
  }

  syncDirectory(directory: string): void {
    this.change('syncDirectory', directory, () => this.#disk.syncDirectory(directory));
  }
}

class ObservedFile implements DiskFile {
  readonly #disk: ObservedDisk;
  readonly #file: DiskFile;

  constructor(disk: ObservedDisk, file: DiskFile) {
    this.#disk = disk;
    this.#file = file;
  }

  get path(): string {
    return this.#file.path;
  }

  read(target: Uint8Array, offset: number, length: number, position: number): number {
    return this.#file.read(target, offset, length, position);
  }

  write(source: Uint8Array, offset: number, length: number, position: number): number {
    const isZeros = source.subarray(offset, offset + length).every((byte) => byte === 0);
    return this.#disk.change(isZeros ? 'clear' : 'write', this.path, () =>
      this.#file.write(source, offset, length, position),
    );
  }

  sync(): void {
    this.#disk.change('sync', this.path, () => this.#file.sync());
  }

  size(): number {
    return this.#file.size();
  }

  truncate(length: number): void {
    this.#disk.change('truncate', this.path, () => this.#file.truncate(length));
  }

  close(): void {
    this.#file.close();
  }
}
