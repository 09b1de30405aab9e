/**
 * Every byte of a small log flipped, every bit of its headers: a start holds everything that was
 * acknowledged, or cuts what nobody can prove and says so, or refuses and names file, place, damage
 * and remedy. Never a wrong record, never a silent cut. A larger log: damage-every-bit.test.ts.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { WalDamage } from '../../io/wal/wal-errors.js';
import { assertNamed, Bench } from './damage-bench.js';
import {
  blockFinder,
  type DamageLog,
  frameBytesOf,
  livedLog,
  OPEN,
  outcomeOf,
  segmentsOf,
} from './damage-log.js';
import { diskWith, openWal } from './wal-harness.js';

interface Tally {
  whole: number;
  cut: number;
  refused: number;
}

/** Flips every byte of these segments, and every bit where their headers are. */
function flipEverything(log: DamageLog, names: readonly string[]): Tally {
  const tally: Tally = { whole: 0, cut: 0, refused: 0 };
  const bench = new Bench(log);
  for (const name of names) {
    const frames = frameBytesOf(log.files, name);
    const blockAt = blockFinder(log.files, name);
    for (let at = 0; at < log.files.get(name)!.length; at += 1) {
      const bits = frames.has(at) ? [0, 1, 2, 3, 4, 5, 6, 7] : [at % 8];
      for (const bit of bits) {
        const outcome = bench.flipped(name, at, 1 << bit);
        if (outcome instanceof WalDamage) {
          assertNamed(outcome, name, at, blockAt(at));
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
