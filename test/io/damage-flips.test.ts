/**
 * Every byte of a small log flipped, every bit of its headers, every length of its files: a start
 * holds everything that was acknowledged, or cuts what nobody can prove and says so, or refuses and
 * names file, place, damage and remedy. Never a wrong record, never a silent cut.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import type { MemoryDisk } from '../../io/disk/memory-disk.js';
import { WalDamage } from '../../io/wal/wal-errors.js';
import {
  type DamageLog,
  type Files,
  frameBytesOf,
  livedLog,
  OPEN,
  outcomeOf,
  segmentsOf,
} from './damage-log.js';
import { DIRECTORY, diskWith, filesOf, openWal } from './wal-harness.js';

/** No block of the log is longer: damage is named at the block that it is in. */
const BLOCK_BYTES_MAX = 1536;

/** One disk for many starts: what refuses has changed nothing, anything else is made anew. */
class Bench {
  readonly #files: Files;
  #disk: MemoryDisk;

  constructor(files: Files) {
    this.#files = files;
    this.#disk = diskWith(files);
  }

  /** Starts the log with some bytes of a file inverted by `mask`. */
  flipped(name: string, at: number, mask: number, log: DamageLog): 'whole' | 'cut' | WalDamage {
    this.#flip(name, at, mask);
    const disk = this.#disk;
    try {
      const opened = openWal(disk, OPEN);
      const outcome = outcomeOf(disk, opened, log);
      this.#disk = diskWith(this.#files);
      return outcome;
    } catch (error) {
      if (!(error instanceof WalDamage)) throw error;
      this.#flip(name, at, mask);
      return error;
    }
  }

  #flip(name: string, at: number, mask: number): void {
    const file = this.#disk.open(`${DIRECTORY}/${name}`, 'readwrite');
    const byte = new Uint8Array(1);
    file.read(byte, 0, 1, at);
    byte[0] = byte[0]! ^ mask;
    file.write(byte, 0, 1, at);
    file.close();
  }

  assertUntouched(): void {
    assert.deepEqual(filesOf(this.#disk), this.#files, 'what was refused was not changed');
  }
}

function assertNamed(error: WalDamage, name: string, at: number): void {
  assert.equal(error.path, `${DIRECTORY}/${name}`, `byte ${at} of ${name}: ${error.message}`);
  assert.ok(error.offset <= at && at < error.offset + BLOCK_BYTES_MAX, `${error.offset} for ${at}`);
  assert.ok(error.message.includes(`${error.path} at byte ${error.offset}: ${error.what}`));
  assert.match(error.message, /Nothing was changed\. Restore this file from a copy, or /);
}

interface Tally {
  whole: number;
  cut: number;
  refused: number;
}

/** Flips every byte of these segments, and every bit where their headers are. */
function flipEverything(log: DamageLog, names: readonly string[]): Tally {
  const tally: Tally = { whole: 0, cut: 0, refused: 0 };
  const bench = new Bench(log.files);
  for (const name of names) {
    const frames = frameBytesOf(log.files, name);
    for (let at = 0; at < log.files.get(name)!.length; at += 1) {
      const bits = frames.has(at) ? [0, 1, 2, 3, 4, 5, 6, 7] : [at % 8];
      for (const bit of bits) {
        const outcome = bench.flipped(name, at, 1 << bit, log);
        if (outcome instanceof WalDamage) {
          assertNamed(outcome, name, at);
          tally.refused += 1;
        } else {
          const isLast = name === log.last.name && at >= log.last.offset;
          assert.ok(outcome === 'whole' || isLast, `byte ${at} of ${name} cut the log`);
          tally[outcome] += 1;
        }
      }
    }
    bench.assertUntouched();
  }
  return tally;
}

test('the log has lived: segments are gone, one is recycled, entries were copied', () => {
  const { files } = livedLog(true);
  const segments = segmentsOf(files);
  assert.ok(segments.length >= 3 && segments[0]! > '0000000000000001.wal', segments.join());
  assert.ok([...files.keys()].some((name) => /recycled|spare/.test(name)));
});

test('any flip in a closed log is refused by name or harms nothing', () => {
  const log = livedLog(true);
  const tally = flipEverything(log, segmentsOf(log.files));
  assert.equal(tally.cut, 0);
  assert.ok(tally.refused > 20_000 && tally.whole > 1000, JSON.stringify(tally));
});

test('any flip in a log whose process was killed costs the last block at most, and says so', () => {
  const log = livedLog(false);
  // What lies in older segments is proven by the last one, closed or not.
  const tally = flipEverything(log, [log.last.name]);
  assert.ok(tally.cut > 500, JSON.stringify(tally));
  assert.ok(tally.refused > 5_000 && tally.whole > 1000, JSON.stringify(tally));
});

test('a segment of any other length is refused: it has its full one from birth', () => {
  for (const closed of [true, false]) {
    const { files } = livedLog(closed);
    for (const name of segmentsOf(files)) {
      const whole = files.get(name)!;
      const disk = diskWith(files);
      const lengths = [whole.length + 1, whole.length + 512];
      for (let length = whole.length - 1; length >= 0; length -= 1) lengths.push(length);
      for (const length of lengths) {
        const file = disk.open(`${DIRECTORY}/${name}`, 'readwrite');
        file.truncate(length);
        file.close();
        assert.throws(
          () => openWal(disk, OPEN),
          (error) => {
            assert.ok(error instanceof WalDamage, `${error}`);
            assert.equal(error.path, `${DIRECTORY}/${name}`);
            assert.match(error.message, /the file has (only )?\d+ bytes/);
            return true;
          },
        );
      }
    }
  }
});

test('a spare or recycled file may be of any length, and hold anything', () => {
  const log = livedLog(true);
  for (const [name, bytes] of log.files) {
    if (name.endsWith('.wal')) continue;
    for (let at = 0; at < bytes.length; at += 61) {
      const flipped = bytes.slice();
      flipped[at]! ^= 1 << (at % 8);
      for (const changed of [bytes.slice(0, at), flipped]) {
        const disk = diskWith(new Map(log.files).set(name, changed));
        assert.equal(outcomeOf(disk, openWal(disk, OPEN), log), 'whole');
      }
    }
  }
});
