/**
 * What ringraft asks of a disk: synchronous calls on files, because the threads that own files have
 * no event loop. Two implementations pass the same conformance suite: the real one (node-disk.ts)
 * and the simulated one (simulated-disk.ts), which loses unsynced bytes, tears writes and fails.
 *
 * Nothing outside io/ opens a file of the data directory. Failures are thrown as `DiskError`.
 */

export interface DiskFile {
  readonly path: string;
  /** Reads up to `length` bytes; returns how many were read (0 at the end of the file). */
  read(target: Uint8Array, offset: number, length: number, position: number): number;
  /** Writes up to `length` bytes and returns how many were taken: a short write is legal, loop. */
  write(source: Uint8Array, offset: number, length: number, position: number): number;
  /** Makes written bytes durable (fdatasync). A failure is final: never retried, never ignored. */
  sync(): void;
  size(): number;
  truncate(length: number): void;
  close(): void;
}

export interface Disk {
  /** Opens for reading and writing; `create` makes it when absent (else ENOENT is thrown). */
  open(path: string, mode: 'read' | 'readwrite' | 'create'): DiskFile;
  exists(path: string): boolean;
  /** Names (not paths) in a directory, sorted. */
  list(directory: string): string[];
  makeDirectory(path: string): void;
  rename(from: string, to: string): void;
  remove(path: string): void;
  /** Makes creations, renames and removals in `directory` durable. */
  syncDirectory(directory: string): void;
}

/** Stable system code (`ENOSPC`, `EIO`, `ENOENT`, `EACCES`, …), operation and path of a failure. */
export class DiskError extends Error {
  readonly code: string;
  readonly operation: string;
  readonly path: string;

  constructor(code: string, operation: string, path: string, cause?: unknown) {
    super(`${operation} ${path}: ${code}`, cause === undefined ? undefined : { cause });
    this.name = 'DiskError';
    this.code = code;
    this.operation = operation;
    this.path = path;
  }
}
