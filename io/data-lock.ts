/**
 * One process per data directory: the lock `DATA/LOCK`, which dies with its holder.
 *
 * Every starter listens on a socket of its own, then publishes a record `LOCK.<nonce>`, then looks
 * for others, and only one that sees nobody else alive renames its record to `LOCK`. Of two
 * starters the one that published later sees the earlier: never both win. If each sees the other,
 * the lower nonce waits and the higher withdraws. A record is judged by its socket, so a killed
 * holder's lock is free at once, and no file's age or pid alone is ever believed. Runs on the main
 * thread.
 */

import { randomBytes } from 'node:crypto';
import { lstatSync, readdirSync, realpathSync, renameSync, rmSync } from 'node:fs';
import type { Server } from 'node:net';
import { basename, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DataDirectoryError, unusableDirectory } from './data-directory-error.js';
import { unknownLockVersion } from './data-refusals.js';
import { DiskError } from './disk/disk.js';
import { makeDurableDirectory } from './disk/durable-directory.js';
import { NodeDisk } from './disk/node-disk.js';
import { diskError } from './disk/system-error.js';
import { isAlive, type LockRecord, readLockFile, writeLockRecord } from './lock-record.js';
import { isLockSocketName, listenOn, lockSocketFor, stopListening } from './lock-socket.js';
import { thisProcess } from './process-identity.js';

/** How long a starter waits for another one that is starting: 500 × 10 ms. */
const ROUNDS_MAX = 500;
const ROUND_MS = 10;

const RECORD_NAME = /^LOCK\.[0-9a-f]{16}$/;

/** What a lock is of, in words. */
export type LockedKind = 'data directory' | 'WAL directory';

/** Another process has the directory. */
export class DataLockedError extends Error {
  readonly code = 'ERR_DATA_LOCKED';
  readonly path: string;
  readonly holderPid: number;

  constructor(path: string, holderPid: number, what: LockedKind = 'data directory') {
    const holder = holderPid === process.pid ? 'this process itself' : `process ${holderPid}`;
    super(
      `${what} ${path} is in use by ${holder}. ` +
        `Stop that one first, or give this node a ${what} of its own.`,
    );
    this.name = 'DataLockedError';
    this.path = path;
    this.holderPid = holderPid;
  }
}

export interface DataLock {
  /** The locked directory, without symbolic links. */
  readonly path: string;
  /** Gives the directory free; call it when nothing writes there any more. May be repeated. */
  release(): Promise<void>;
}

/**
 * Makes the directory if need be and locks it for this process. Throws DataLockedError when another
 * process has it, DataDirectoryError when the disk does not let us or a lock cannot be judged.
 */
export async function acquireDataLock(
  dataPath: string,
  what: LockedKind = 'data directory',
): Promise<DataLock> {
  try {
    makeDurableDirectory(new NodeDisk(), resolve(dataPath));
    return await Starter.lock(realpathSync(dataPath), what);
  } catch (error) {
    if (error instanceof DataLockedError || error instanceof DataDirectoryError) throw error;
    const failure =
      error instanceof DiskError ? error : diskError('lock', resolve(dataPath, 'LOCK'), error);
    throw unusableDirectory(resolve(dataPath), failure);
  }
}

interface Rivals {
  readonly holder: LockRecord | undefined;
  readonly starters: readonly LockRecord[];
}

/** One attempt to get the lock, and the holder once it succeeded. */
class Starter {
  readonly #dataPath: string;
  readonly #what: LockedKind;
  readonly #server: Server;
  readonly #record: LockRecord;
  /** Files that a dead process left: removed by whoever gets the lock. */
  readonly #remains = new Set<string>();

  private constructor(dataPath: string, what: LockedKind, server: Server, record: LockRecord) {
    this.#dataPath = dataPath;
    this.#what = what;
    this.#server = server;
    this.#record = record;
  }

  static async lock(dataPath: string, what: LockedKind): Promise<DataLock> {
    const nonce = randomBytes(8).toString('hex');
    const socket = lockSocketFor(dataPath, nonce);
    const server = await listenOn(resolve(dataPath, socket));
    const starter = new Starter(dataPath, what, server, { ...thisProcess(), nonce, socket });
    try {
      await starter.#compete();
    } catch (error) {
      await starter.#withdraw();
      throw error;
    }
    let released: Promise<void> | undefined;
    return {
      path: dataPath,
      release: () => {
        released ??= starter.#release();
        return released;
      },
    };
  }

  get #lockPath(): string {
    return join(this.#dataPath, 'LOCK');
  }

  get #recordPath(): string {
    return join(this.#dataPath, `LOCK.${this.#record.nonce}`);
  }

  async #compete(): Promise<void> {
    let published = false;
    let rival: LockRecord | undefined;
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const { holder, starters } = await this.#rivals();
      if (holder !== undefined) throw this.#lockedBy(holder.pid);
      rival = starters[0];
      if (rival === undefined) {
        if (published) return this.#takeOver();
        writeLockRecord(this.#recordPath, this.#record);
        published = true;
        continue;
      }
      if (published && starters.some(({ nonce }) => nonce < this.#record.nonce)) {
        rmSync(this.#recordPath, { force: true });
        published = false;
      }
      await sleep(ROUND_MS);
    }
    throw this.#lockedBy(rival?.pid);
  }

  /**
   * Who else is alive. `LOCK` is read after the listing: a record that is renamed to it during the
   * listing may be missed under its old name, and is then found under the new one.
   */
  async #rivals(): Promise<Rivals> {
    const starters: LockRecord[] = [];
    for (const name of readdirSync(this.#dataPath)) {
      const path = join(this.#dataPath, name);
      if (!RECORD_NAME.test(name) || path === this.#recordPath) continue;
      const starter = await this.#living(path);
      if (starter !== undefined) starters.push(starter);
    }
    return { holder: await this.#living(this.#lockPath), starters };
  }

  async #living(path: string): Promise<LockRecord | undefined> {
    const file = readLockFile(path);
    if (file.kind === 'unknownVersion')
      throw unknownLockVersion(this.#dataPath, path, file.version);
    if (file.kind === 'none') return undefined;
    const { record } = file;
    if (await isAlive(record, this.#dataPath)) return record;
    if (path !== this.#lockPath) this.#remains.add(path);
    this.#remains.add(resolve(this.#dataPath, record.socket));
    return undefined;
  }

  #lockedBy(pid = 0): DataLockedError {
    return new DataLockedError(this.#dataPath, pid, this.#what);
  }

  #takeOver(): void {
    renameSync(this.#recordPath, this.#lockPath);
    const file = readLockFile(this.#lockPath);
    const holder = file.kind === 'record' ? file.record : null;
    if (holder?.nonce !== this.#record.nonce) {
      throw this.#lockedBy(holder?.pid);
    }
    for (const path of this.#remains) removeRemains(path);
  }

  async #withdraw(): Promise<void> {
    rmSync(this.#recordPath, { force: true });
    await stopListening(this.#server);
  }

  /** The record goes before the socket: without a socket it would be a lock that nobody holds. */
  async #release(): Promise<void> {
    const file = readLockFile(this.#lockPath);
    if (file.kind === 'record' && file.record.nonce === this.#record.nonce) {
      rmSync(this.#lockPath, { force: true });
    }
    await stopListening(this.#server);
  }
}

/**
 * Removes a dead starter's record or socket, and nothing that merely has been named in a record.
 */
function removeRemains(path: string): void {
  const name = basename(path);
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return;
  if (stat.isSocket() ? isLockSocketName(name) : RECORD_NAME.test(name)) rmSync(path);
}
