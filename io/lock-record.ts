/**
 * What a lock file says about the process that wrote it, and whether that process is alive.
 *
 *   {"pid":412,"startTime":104038,"bootId":"b6d0…","nonce":"9f…","socket":"LOCK.9f….sock"}
 *
 * The socket is named relative to the data directory when it lies there, because two containers may
 * see one directory under two paths. This file must never decide who gets the lock.
 */

import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { ask } from './lock-socket.js';
import { isSurelyRunning, type ProcessIdentity } from './process-identity.js';

export interface LockRecord extends ProcessIdentity {
  /** Random name of one attempt to get the lock: 16 hexadecimal digits. */
  readonly nonce: string;
  readonly socket: string;
}

const FILE_MODE = 0o600;

/** The record in a lock file; undefined when the file is gone or holds anything else. */
export function readLockRecord(path: string): LockRecord | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
    return isLockRecord(value) ? value : undefined;
  } catch (error) {
    // Records appear whole, by a rename: what does not parse was left by a loss of power, and no
    // process of this boot stands behind it.
    if (error instanceof SyntaxError) return undefined;
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * Makes the record appear at `path`, whole. Not synced: a lock need not outlive a loss of power.
 */
export function writeLockRecord(path: string, record: LockRecord): void {
  const aside = `${path}.new`;
  writeFileSync(aside, `${JSON.stringify(record)}\n`, { mode: FILE_MODE });
  renameSync(aside, path);
}

/**
 * True when the writer of the record still exists. A socket that accepts proves it and one that
 * refuses disproves it. A socket that is missing (somebody cleaned up) leaves the question to the
 * start time: only a process that surely runs counts, so a reused pid does not.
 */
export async function isAlive(record: LockRecord, dataPath: string): Promise<boolean> {
  const answer = await ask(resolve(dataPath, record.socket));
  return answer === 'accepts' || (answer === 'missing' && isSurelyRunning(record));
}

function isLockRecord(value: unknown): value is LockRecord {
  if (typeof value !== 'object' || value === null) return false;
  const { pid, startTime, bootId, nonce, socket } = value as Partial<Record<string, unknown>>;
  return (
    Number.isSafeInteger(pid) &&
    Number.isSafeInteger(startTime) &&
    typeof bootId === 'string' &&
    typeof nonce === 'string' &&
    typeof socket === 'string' &&
    socket !== ''
  );
}
