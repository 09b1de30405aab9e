/**
 * The table of client sessions: what is applied, answered again, refused and forgotten, and that
 * its image is the table.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  KEPT_RESULT_BYTES_MAX,
  WINDOW_BYTES_MAX,
  WINDOW_SEQUENCES_MAX,
} from '../../engine/runtime/session-window.js';
import { Sessions, Verdict } from '../../engine/runtime/sessions.js';

const TTL = 10_000;

function apply(table: Sessions, id: number, sequence: number, result: string, timeMs = 1): void {
  assert.equal(table.begin(id, sequence, timeMs), Verdict.apply);
  table.record(Buffer.from(result), false);
}

function answered(table: Sessions, id: number, sequence: number, timeMs = 1): string | null {
  const verdict = table.begin(id, sequence, timeMs);
  return verdict === Verdict.repeat ? table.kept.bytes.toString() : null;
}

/** Everything of an image, in slices, and the table that it makes. */
function copyOf(table: Sessions, cutBytes: number): Sessions {
  const copy = new Sessions();
  copy.beginRestore();
  if (!table.beginImage()) return copy;
  const parts: Uint8Array[] = [];
  for (let part = table.pullImage(); part !== null; part = table.pullImage()) parts.push(part);
  const image = Buffer.concat(parts);
  for (let at = 0; at < image.length; at += cutBytes) {
    copy.restoreChunk(image.subarray(at, at + cutBytes));
  }
  copy.finishRestore();
  return copy;
}

test('a sequence that comes again answers what it answered, and is not applied again', () => {
  const table = new Sessions();
  table.open(7, TTL, 1);
  apply(table, 7, 1, 'one');
  assert.equal(table.begin(7, 2, 1), Verdict.apply);
  table.record(Buffer.from('no'), true);
  assert.equal(answered(table, 7, 1), 'one');
  assert.equal(table.kept.rejected, false);
  assert.equal(answered(table, 7, 2), 'no');
  assert.equal(table.kept.rejected, true, 'a rejection comes again as one');
});

test('sequences may come in any order within the window', () => {
  const table = new Sessions();
  table.open(7, TTL, 1);
  for (const sequence of [5, 3, 900, 4, 1]) apply(table, 7, sequence, `r${sequence}`);
  for (const sequence of [1, 3, 4, 5, 900]) {
    assert.equal(answered(table, 7, sequence), `r${sequence}`);
  }
  apply(table, 7, 2, 'r2');
});

test('what is further behind than the window is refused, applied or not', () => {
  const table = new Sessions();
  table.open(7, TTL, 1);
  apply(table, 7, 1, 'one');
  apply(table, 7, WINDOW_SEQUENCES_MAX, 'last');
  assert.equal(answered(table, 7, 1), 'one', 'the window holds that many');
  apply(table, 7, WINDOW_SEQUENCES_MAX + 2, 'beyond');
  assert.equal(table.begin(7, 1, 1), Verdict.forgotten);
  assert.equal(table.begin(7, 2, 1), Verdict.forgotten, 'it never came, but who knows');
  assert.equal(table.begin(7, 0, 1), Verdict.forgotten);
  apply(table, 7, 3, 'three');
  apply(table, 7, 2 ** 50, 'far');
  assert.equal(answered(table, 7, 2 ** 50), 'far');
  assert.equal(table.begin(7, 2 ** 50 - WINDOW_SEQUENCES_MAX, 1), Verdict.forgotten);
});

test('results are kept up to a bound of bytes, the lowest sequences go first', () => {
  const table = new Sessions();
  table.open(7, TTL, 1);
  const large = 'x'.repeat(KEPT_RESULT_BYTES_MAX);
  for (let sequence = 1; sequence <= 8; sequence += 1) apply(table, 7, sequence, large);
  assert.ok(table.bytes <= WINDOW_BYTES_MAX);
  assert.equal(table.begin(7, 5, 1), Verdict.forgotten);
  assert.equal(answered(table, 7, 8), large);
  apply(table, 7, 9, `${large}x`);
  assert.equal(table.begin(7, 9, 1), Verdict.forgotten, 'applied, and too large to be kept');
});

test('a session that is not there is refused: never opened, closed, expired, evicted', () => {
  const table = new Sessions({ sessionsMax: 2, bytesMax: 1e6 });
  assert.equal(table.begin(7, 1, 1), Verdict.unknown);
  table.open(7, TTL, 1);
  assert.equal(table.close(7, 1), true);
  assert.equal(table.close(7, 1), false);
  assert.equal(table.begin(7, 1, 1), Verdict.unknown);
  table.open(8, TTL, 1000);
  apply(table, 8, 1, 'one', 1000 + TTL);
  assert.equal(answered(table, 8, 1, 1000 + 2 * TTL), 'one', 'each entry of it keeps it alive');
  assert.equal(table.begin(8, 1, 1001 + 3 * TTL), Verdict.unknown);
  assert.equal(table.size, 0);
  for (const id of [20, 21]) table.open(id, TTL, 100_000);
  apply(table, 20, 1, 'one', 100_000);
  table.open(22, TTL, 100_000);
  assert.equal(table.begin(21, 1, 100_000), Verdict.unknown, 'the least recently active');
  assert.equal(answered(table, 20, 1, 100_000), 'one');
});

test('results of the least recently active sessions are forgotten when there are too many', () => {
  const table = new Sessions({ sessionsMax: 9, bytesMax: 400 });
  for (const id of [1, 2, 3]) {
    table.open(id, TTL, 1);
    apply(table, id, 1, 'x'.repeat(100));
  }
  assert.equal(answered(table, 1, 1)?.length, 100);
  apply(table, 3, 2, 'y'.repeat(100));
  assert.ok(table.bytes <= 400);
  assert.equal(table.begin(2, 1, 1), Verdict.forgotten);
  assert.equal(table.begin(2, 2, 1), Verdict.apply, 'the session itself goes on');
  table.record(Buffer.alloc(0), false);
  assert.equal(answered(table, 3, 1)?.length, 100);
});

test('a ttl is kept within its bounds', () => {
  const table = new Sessions();
  table.open(1, 0, 1);
  apply(table, 1, 1, 'one', 1001);
  table.open(2, Number.MAX_SAFE_INTEGER, 1001);
  assert.equal(table.begin(2, 1, 1001 + 31 * 24 * 3600 * 1000), Verdict.unknown);
});

test('an image does not show what changes while it is pulled', () => {
  const table = new Sessions({ sessionsMax: 400, bytesMax: 1e9 });
  for (let id = 1; id <= 400; id += 1) {
    table.open(id, TTL, 1);
    apply(table, id, 1, `first of ${id} ${'.'.repeat(200)}`);
  }
  const before = table.digest();
  assert.equal(table.beginImage(), true);
  const copy = new Sessions();
  copy.beginRestore();
  let pulls = 0;
  for (let part = table.pullImage(); part !== null; part = table.pullImage()) {
    copy.restoreChunk(part);
    pulls += 1;
    for (let id = 400; id > 10; id -= 7) {
      if (table.begin(id, 1 + pulls, 2) === Verdict.apply) table.record(Buffer.from('new'), false);
    }
    table.close(400 - pulls, 2);
    table.open(1000 + pulls, TTL, 2);
  }
  copy.finishRestore();
  assert.ok(pulls > 3, 'in slices');
  assert.equal(copy.digest(), before);
  assert.notEqual(table.digest(), before);
});

test('an image that is cut, or goes on, is refused', () => {
  const table = new Sessions();
  table.open(1, TTL, 1);
  apply(table, 1, 1, 'one');
  table.beginImage();
  const parts = [table.pullImage(), table.pullImage()] as Uint8Array[];
  const image = Buffer.concat(parts);
  const restore = (bytes: Uint8Array): void => {
    const copy = new Sessions();
    copy.beginRestore();
    copy.restoreChunk(bytes);
    copy.finishRestore();
  };
  restore(image);
  assert.throws(() => restore(image.subarray(0, image.length - 1)), /1 sessions are missing/);
  assert.throws(() => restore(image.subarray(0, 3)), /its beginning is missing/);
  assert.throws(() => restore(Buffer.concat([image, image.subarray(8)])), /more sessions follow/);
  const wrong = Buffer.from(image);
  wrong.writeUInt32LE(1 << 30, 8);
  assert.throws(() => restore(wrong), /a session has 1073741824 bytes/);
});

test('the table is a function of its entries, also when it came from an image half-way', () => {
  const steps = fc.array(
    fc.record({
      kind: fc.constantFrom('open', 'close', 'command', 'command', 'command'),
      id: fc.integer({ min: 1, max: 6 }),
      sequence: fc.integer({ min: 1, max: 40 }),
      bytes: fc.integer({ min: 0, max: 300 }),
      afterMs: fc.constantFrom(0, 10, 700),
    }),
    { maxLength: 120 },
  );
  fc.assert(
    fc.property(steps, fc.nat(120), fc.integer({ min: 1, max: 90 }), (entries, half, cut) => {
      const bounds = { sessionsMax: 4, bytesMax: 2000 };
      const whole = new Sessions(bounds);
      let copy = new Sessions(bounds);
      let timeMs = 0;
      let opened = 0;
      for (const [at, { kind, id, sequence, bytes, afterMs }] of entries.entries()) {
        timeMs += afterMs;
        if (kind === 'open') opened += 1;
        const verdicts = [whole, copy].map((table) => {
          if (kind === 'open') return table.open(opened, 1000, timeMs);
          if (kind === 'close') return table.close(id, timeMs);
          const verdict = table.begin(id, sequence, timeMs);
          if (verdict === Verdict.apply) table.record(Buffer.alloc(bytes, sequence), false);
          return verdict === Verdict.repeat ? table.kept.bytes.toString() : verdict;
        });
        assert.equal(verdicts[0], verdicts[1]);
        assert.equal(whole.digest(), copy.digest());
        assert.equal(whole.bytes, copy.bytes);
        if (at === half) copy = restoredWith(copy, cut, bounds);
      }
    }),
    { numRuns: 300 },
  );
});

function restoredWith(
  table: Sessions,
  cut: number,
  bounds: { readonly sessionsMax: number; readonly bytesMax: number },
): Sessions {
  const copy = new Sessions(bounds);
  copy.beginRestore();
  if (!table.beginImage()) return copy;
  for (let part = table.pullImage(); part !== null; part = table.pullImage()) {
    for (let at = 0; at < part.length; at += cut) copy.restoreChunk(part.subarray(at, at + cut));
  }
  copy.finishRestore();
  return copy;
}

test('an empty table has no image, and restoring nothing empties one', () => {
  const table = new Sessions();
  assert.equal(table.beginImage(), false);
  table.open(1, TTL, 1);
  assert.equal(copyOf(table, 1).digest(), table.digest());
  table.beginRestore();
  table.finishRestore();
  assert.equal(table.size, 0);
  assert.equal(table.begin(1, 1, 1), Verdict.unknown);
});
