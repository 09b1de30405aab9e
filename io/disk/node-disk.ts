/**
 * The real disk: synchronous `node:fs` calls, one system call per method, every failure a
 * `DiskError`.
 *
 * Results are passed on honestly: a short write returns its count and nothing is repeated here
 * (EINTR included). This file must never hide, retry or soften a failure, and never syncs except by
 * fsync.ts.
 */

import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { type Disk, DiskError, type DiskFile } from './disk.js';
import { syncDirectoryEntries, syncFileData } from './fsync.js';
import { diskError } from './system-error.js';
import { assertPosition, assertTransfer } from './transfer.js';

/** The log holds what users wrote: nobody but the owner reads it. */
const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;
const CLOSED = -1;

const OPEN_FLAGS = {
  read: constants.O_RDONLY,
  readwrite: constants.O_RDWR,
  create: constants.O_RDWR | constants.O_CREAT,
} as const;

function attempt<T>(operation: string, path: string, call: () => T): T {
  try {
    return call();
  } catch (cause) {
    throw diskError(operation, path, cause);
  }
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

/**
 * Makes a directory and the parents that are missing, each by a call of its own: `recursive: true`
 * tries for ever where a parent is there and takes no directories (/proc).
 */
function makeDirectories(path: string): void {
  const missing: string[] = [];
  let at = path;
  while (!isDirectory(at)) {
    missing.push(at);
    if (dirname(at) === at) break;
    at = dirname(at);
  }
  for (const one of missing.reverse()) {
    try {
      mkdirSync(one, { mode: DIRECTORY_MODE });
    } catch (cause) {
      // Somebody else may have made it meanwhile.
      if (!isDirectory(one)) throw cause;
    }
  }
}

class NodeFile implements DiskFile {
  readonly path: string;
  /** Forgotten at close, because the system soon gives the same number to another file. */
  #fd: number;
  /** After a failed sync nobody knows what the disk holds: the handle takes nothing more. */
  #syncFailed = false;

  constructor(path: string, fd: number) {
    this.path = path;
    this.#fd = fd;
  }

  read(target: Uint8Array, offset: number, length: number, position: number): number {
    assertTransfer(target, offset, length, position);
    this.#assertOpen('read');
    try {
      return readSync(this.#fd, target, offset, length, position);
    } catch (cause) {
      throw diskError('read', this.path, cause);
    }
  }

  write(source: Uint8Array, offset: number, length: number, position: number): number {
    assertTransfer(source, offset, length, position);
    this.#assertTrusted('write');
    try {
      return writeSync(this.#fd, source, offset, length, position);
    } catch (cause) {
      throw diskError('write', this.path, cause);
    }
  }

  sync(): void {
    this.#assertTrusted('sync');
    this.#syncFailed = true;
    syncFileData(this.#fd, this.path);
    this.#syncFailed = false;
  }

  size(): number {
    this.#assertOpen('size');
    return attempt('size', this.path, () => fstatSync(this.#fd).size);
  }

  truncate(length: number): void {
    assertPosition(length);
    this.#assertTrusted('truncate');
    attempt('truncate', this.path, () => ftruncateSync(this.#fd, length));
  }

  close(): void {
    if (this.#fd === CLOSED) return;
    const fd = this.#fd;
    this.#fd = CLOSED;
    attempt('close', this.path, () => closeSync(fd));
  }

  #assertOpen(operation: string): void {
    if (this.#fd === CLOSED) throw new DiskError('EBADF', operation, this.path);
  }

  #assertTrusted(operation: string): void {
    this.#assertOpen(operation);
    if (this.#syncFailed) throw new DiskError('EIO', operation, this.path);
  }
}

export class NodeDisk implements Disk {
  open(path: string, mode: 'read' | 'readwrite' | 'create'): DiskFile {
    const fd = attempt('open', path, () => openSync(path, OPEN_FLAGS[mode], FILE_MODE));
    // Linux opens a directory for reading without complaint and fails only at the first read.
    if (mode === 'read' && fstatSync(fd).isDirectory()) {
      closeSync(fd);
      throw new DiskError('EISDIR', 'open', path);
    }
    return new NodeFile(path, fd);
  }

  /** Unlike `fs.existsSync`, "may not look" is an error: it must never pass for "is not there". */
  exists(path: string): boolean {
    try {
      return statSync(path, { throwIfNoEntry: false }) !== undefined;
    } catch (cause) {
      const error = diskError('exists', path, cause);
      if (error.code === 'ENOTDIR') return false;
      throw error;
    }
  }

  list(directory: string): string[] {
    return attempt('list', directory, () => readdirSync(directory).sort());
  }

  makeDirectory(path: string): void {
    attempt('makeDirectory', path, () => makeDirectories(path));
  }

  rename(from: string, to: string): void {
    attempt('rename', from, () => renameSync(from, to));
  }

  remove(path: string): void {
    attempt('remove', path, () => unlinkSync(path));
  }

  syncDirectory(directory: string): void {
    syncDirectoryEntries(directory);
  }
}
