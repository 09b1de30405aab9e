/**
 * Starts of a damaged log, one after the other, on one disk: a start that refuses has changed
 * nothing, and what one changed is made anew.
 */

import assert from 'node:assert/strict';
import type { MemoryDisk } from '../../io/disk/memory-disk.js';
import { WalDamage } from '../../io/wal/wal-errors.js';
import { type DamageLog, outcomeOf } from './damage-log.js';
import { DIRECTORY, diskWith, filesOf, openWal } from './wal-harness.js';

export type Outcome = 'whole' | 'cut' | WalDamage;

export class Bench {
  readonly #log: DamageLog;
  #disk: MemoryDisk;

  constructor(log: DamageLog) {
    this.#log = log;
    this.#disk = diskWith(log.files);
  }

  /** Starts the log with some bits of a byte inverted by `mask`. */
  flipped(name: string, at: number, mask: number): Outcome {
    flip(this.#disk, name, at, mask);
    const disk = this.#disk;
    try {
      const outcome = outcomeOf(disk, openWal(disk, this.#log.open), this.#log);
      this.#disk = diskWith(this.#log.files);
      return outcome;
    } catch (error) {
      if (!(error instanceof WalDamage)) throw error;
      flip(disk, name, at, mask);
      return error;
    }
  }

  assertUntouched(): void {
    assert.deepEqual(filesOf(this.#disk), this.#log.files, 'what was refused was not changed');
  }
}

export function flip(disk: MemoryDisk, name: string, at: number, mask: number): void {
  const file = disk.open(`${DIRECTORY}/${name}`, 'readwrite');
  const byte = new Uint8Array(1);
  file.read(byte, 0, 1, at);
  byte[0] = byte[0]! ^ mask;
  file.write(byte, 0, 1, at);
  file.close();
}

/** Damage at byte `at` is named at the block that it is in, which begins at byte `block`. */
export function assertNamed(error: WalDamage, name: string, at: number, block: number): void {
  const where = `byte ${at} of ${name}: ${error.message}`;
  assert.equal(error.path, `${DIRECTORY}/${name}`, where);
  assert.equal(error.offset, block, where);
  assert.ok(error.message.includes(`${error.path} at byte ${error.offset}: ${error.what}`));
  assert.match(error.message, /Nothing was changed\. Restore this file from a copy, or /);
}
