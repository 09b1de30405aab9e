/**
 * A disk whose power ends after a given number of changes: what the log does in its last moment
 * reaches the simulated disk up to there and no further.
 *
 * Reads are free. It must never change what passes through it; what a crash keeps of the unsynced
 * bytes is the business of the disk below.
 */

import type { Disk, DiskFile } from '../../io/disk/disk.js';

/** Thrown in place of an operation: the power is off. */
export class PowerLoss extends Error {
  constructor() {
    super('the power is off');
    this.name = 'PowerLoss';
  }
}

export class FusedDisk implements Disk {
  readonly #disk: Disk;
  #left = Number.POSITIVE_INFINITY;
  #isBlown = false;

  constructor(disk: Disk) {
    this.#disk = disk;
  }

  get isBlown(): boolean {
    return this.#isBlown;
  }

  /** The power ends instead of the change after the next `changes` ones. */
  arm(changes: number): void {
    this.#left = changes;
  }

  disarm(): void {
    this.#left = Number.POSITIVE_INFINITY;
  }

  change(): void {
    if (this.#left <= 0 || this.#isBlown) {
      this.#isBlown = true;
      throw new PowerLoss();
    }
    this.#left -= 1;
  }

  open(path: string, mode: 'read' | 'readwrite' | 'create'): DiskFile {
    if (mode === 'create') this.change();
    return new FusedFile(this, this.#disk.open(path, mode));
  }

  exists(path: string): boolean {
    return this.#disk.exists(path);
  }

  list(directory: string): string[] {
    return this.#disk.list(directory);
  }

  makeDirectory(path: string): void {
    this.change();
    this.#disk.makeDirectory(path);
  }

  rename(from: string, to: string): void {
    this.change();
    this.#disk.rename(from, to);
  }

  remove(path: string): void {
    this.change();
    this.#disk.remove(path);
  }

  syncDirectory(directory: string): void {
    this.change();
    this.#disk.syncDirectory(directory);
  }
}

class FusedFile implements DiskFile {
  readonly #fuse: FusedDisk;
  readonly #file: DiskFile;

  constructor(fuse: FusedDisk, file: DiskFile) {
    this.#fuse = fuse;
    this.#file = file;
  }

  get path(): string {
    return this.#file.path;
  }

  read(target: Uint8Array, offset: number, length: number, position: number): number {
    return this.#file.read(target, offset, length, position);
  }

  write(source: Uint8Array, offset: number, length: number, position: number): number {
    this.#fuse.change();
    return this.#file.write(source, offset, length, position);
  }

  sync(): void {
    this.#fuse.change();
    this.#file.sync();
  }

  size(): number {
    return this.#file.size();
  }

  truncate(length: number): void {
    this.#fuse.change();
    this.#file.truncate(length);
  }

  close(): void {
    this.#file.close();
  }
}
