/**
 * An open file of the simulated disk: where armed faults meet the bytes.
 *
 * It dies with the disk's crash or the process's death, and after a failed sync it refuses to go
 * on. It must never report as written what it did not pass to the file.
 */

import { DiskError, type DiskFile } from './disk.js';
import type { ArmableFault, DiskFaults } from './disk-faults.js';
import type { RandomSource } from './random-source.js';
import type { SimulatedFile } from './simulated-file.js';
import { assertPosition, assertTransfer } from './transfer.js';

/** What a handle needs of the disk that opened it. */
export interface HandleHost {
  readonly random: RandomSource;
  readonly faults: DiskFaults;
  isAlive(): boolean;
  freeBytes(): number;
  /** These bytes of a file were written: what was to surface there never will. */
  wrote(file: SimulatedFile, position: number, length: number): void;
  /** A write that reached the medium in another place than this one. */
  misplace(file: SimulatedFile, bytes: Uint8Array, position: number): void;
}

export class SimulatedHandle implements DiskFile {
  readonly path: string;
  readonly #file: SimulatedFile;
  readonly #writable: boolean;
  readonly #host: HandleHost;
  #open = true;
  #syncFailed = false;

  constructor(path: string, file: SimulatedFile, writable: boolean, host: HandleHost) {
    this.path = path;
    this.#file = file;
    this.#writable = writable;
    this.#host = host;
  }

  read(target: Uint8Array, offset: number, length: number, position: number): number {
    assertTransfer(target, offset, length, position);
    this.#assertOpen('read');
    const code = this.#host.faults.strike('readError', this.path, { position, length });
    if (code !== undefined) throw new DiskError(code, 'read', this.path);
    return this.#file.read(target, offset, this.#shortened('shortRead', length), position);
  }

  write(source: Uint8Array, offset: number, length: number, position: number): number {
    assertTransfer(source, offset, length, position);
    this.#assertTrusted('write');
    if (!this.#writable) throw new DiskError('EBADF', 'write', this.path);
    this.#strike('noSpace', 'write');
    const code = this.#host.faults.strike('writeError', this.path);
    if (code !== undefined) {
      // A failed write promises nothing: any part of it may be in the file.
      this.#file.write(source, offset, this.#host.random.below(length + 1), position);
      throw new DiskError(code, 'write', this.path);
    }
    const taken = this.#fitting(this.#shortened('shortWrite', length), position);
    this.#file.write(source, offset, taken, position);
    this.#host.wrote(this.#file, position, taken);
    const isMisdirected = this.#host.faults.strike('misdirectedWrite', this.path) !== undefined;
    if (isMisdirected || this.#host.faults.strike('lostWrite', this.path) !== undefined) {
      this.#file.lose(position, taken);
    }
    if (isMisdirected) {
      this.#host.misplace(this.#file, source.slice(offset, offset + taken), position);
    }
    return taken;
  }

  sync(): void {
    this.#assertTrusted('sync');
    const code = this.#host.faults.strike('syncError', this.path);
    if (code === undefined) {
      this.#file.sync();
      return;
    }
    this.#syncFailed = true;
    this.#host.faults.count('orphanedSector', this.#file.failSync());
    throw new DiskError(code, 'sync', this.path);
  }

  size(): number {
    this.#assertOpen('size');
    return this.#file.size;
  }

  truncate(length: number): void {
    assertPosition(length);
    this.#assertTrusted('truncate');
    if (!this.#writable) throw new DiskError('EINVAL', 'truncate', this.path);
    this.#strike('writeError', 'truncate');
    const growth = length - this.#file.size;
    if (growth > 0 && growth > this.#host.freeBytes()) throw this.#noSpace('truncate');
    this.#file.truncate(length);
  }

  close(): void {
    this.#open = false;
  }

  /** How many of `length` bytes find space; a disk that has none at all is an error. */
  #fitting(length: number, position: number): number {
    if (position + length <= this.#file.size) return length;
    const room = this.#file.size + this.#host.freeBytes() - position;
    if (length > 0 && room <= 0) throw this.#noSpace('write');
    return Math.min(length, room);
  }

  #noSpace(operation: string): DiskError {
    this.#host.faults.count('noSpace');
    return new DiskError('ENOSPC', operation, this.path);
  }

  #shortened(kind: 'shortRead' | 'shortWrite', length: number): number {
    if (length < 2 || this.#host.faults.strike(kind, this.path) === undefined) return length;
    return 1 + this.#host.random.below(length - 1);
  }

  #strike(kind: ArmableFault, operation: string): void {
    const code = this.#host.faults.strike(kind, this.path);
    if (code !== undefined) throw new DiskError(code, operation, this.path);
  }

  #assertOpen(operation: string): void {
    if (!this.#host.isAlive()) throw new DiskError('ESTALE', operation, this.path);
    if (!this.#open) throw new DiskError('EBADF', operation, this.path);
  }

  #assertTrusted(operation: string): void {
    this.#assertOpen(operation);
    if (this.#syncFailed) throw new DiskError('EIO', operation, this.path);
  }
}
