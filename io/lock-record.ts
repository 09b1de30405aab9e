/**
 * What a lock file says about the process that wrote it, and whether that process is alive.
 *
 *   {"version":1,"pid":412,"startTime":104038,"bootId":"b6d0…","nonce":"9f…","socket":"LOCK.9f…"}
 *
 * The socket is named relative to the data directory when it lies there, because two containers may
 * see one directory under two paths. The first records had no version and mean the same as version
 * 1. What a record of another version proves is not known here: it must never be taken over. This
 * file must never decide who gets the lock.
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

export const LOCK_VERSION = 1;
const FILE_MODE = 0o600;

export type LockFile =
  | { readonly kind: 'record'; readonly record: LockRecord }
  /** The file is gone, or holds what no process of this boot stands behind. */
  | { readonly kind: 'none' }
  /** `version` as it is spelled there. */
  | { readonly kind: 'unknownVersion'; readonly version: string };

/** What a lock file holds. */
export function readLockFile(path: string): LockFile {
  try {
    return parseLockFile(readFileSync(path, 'utf8'));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
      return { kind: 'none' };
    }
    throw error;
  }
}

/** Records appear whole, by a rename: what is none was left by a loss of power. */
export function parseLockFile(text: string): LockFile {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { kind: 'none' };
  }
  if (typeof value !== 'object' || value === null) return { kind: 'none' };
  const { version = LOCK_VERSION, ...record } = value as { readonly version?: unknown };
  if (version !== LOCK_VERSION) return { kind: 'unknownVersion', version: JSON.stringify(version) };
  return isLockRecord(record) ? { kind: 'record', record } : { kind: 'none' };
}

/**
 * Makes the record appear at `path`, whole. Not synced: a lock need not outlive a loss of power.
 */
export function writeLockRecord(path: string, record: LockRecord): void {
  const aside = `${path}.new`;
  const text = JSON.stringify({ version: LOCK_VERSION, ...record });
  writeFileSync(aside, `${text}\n`, { mode: FILE_MODE });
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

function isLockRecord(value: object): value is LockRecord {
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
