/**
 * The log of term runs and extents against plain arrays that hold every entry by itself.
 *
 * Terms, positions and truncation must agree exactly; sizes are exact at the ends of appends and
 * never shrink along the log.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { EMPTY_LOG, RaftLog } from '../../engine/raft/log.js';
import { type LogIndex, logIndex, type Term, term } from '../../engine/raft/types.js';

/** One entry of the dumb log. */
interface Plain {
  readonly term: number;
  readonly bytes: number;
}

type Change =
  | {
      readonly kind: 'append';
      readonly count: number;
      readonly rise: number;
      readonly bytes: number;
    }
  | { readonly kind: 'truncate'; readonly share: number }
  | { readonly kind: 'compact'; readonly share: number };

const changes = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('append' as const),
        count: fc.integer({ min: 1, max: 20 }),
        rise: fc.integer({ min: 0, max: 2 }),
        bytes: fc.integer({ min: 20, max: 60_000 }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('truncate' as const),
        share: fc.double({ min: 0, max: 0.99, noNaN: true }),
      }),
    },
  ),
  { minLength: 1, maxLength: 25 },
);

/** The same with some of what was appended forgotten. */
const compacting = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: changes.map((list) => list[0] as Change) },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('compact' as const),
        share: fc.double({ min: 0, max: 1, noNaN: true }),
      }),
    },
  ),
  { minLength: 1, maxLength: 25 },
);

/** Forgets a share of what the log still holds. */
function compact(log: RaftLog, share: number): void {
  const index = logIndex(log.compacted + Math.ceil((log.last - log.compacted) * share));
  if (index === log.compacted) return;
  log.applied = index;
  log.committed = index;
  log.durable = log.last;
  log.compact(index);
}

/** Performs the changes on both logs; the plain one forgets nothing. */
function bothLogs(list: readonly Change[]): { log: RaftLog; plain: Plain[] } {
  const log = new RaftLog(EMPTY_LOG);
  const plain: Plain[] = [];
  for (const change of list) {
    if (change.kind === 'compact') {
      compact(log, change.share);
    } else if (change.kind === 'append') {
      const next = term(Math.max(1, (plain[plain.length - 1]?.term ?? 0) + change.rise));
      assert.equal(log.append(change.count, next, change.bytes), plain.length + 1);
      const bytes = change.bytes / change.count;
      for (let at = 0; at < change.count; at += 1) plain.push({ term: next, bytes });
    } else if (plain.length > log.compacted) {
      const kept = Math.max(log.compacted, Math.floor(plain.length * change.share));
      log.truncateAfter(logIndex(kept));
      plain.length = kept;
    }
  }
  return { log, plain };
}

test('terms, ends of terms and the last entry are those of the plain log', () => {
  fc.assert(
    fc.property(changes, (list) => {
      const { log, plain } = bothLogs(list);
      assert.equal(log.last, plain.length);
      assert.equal(log.lastTerm, plain[plain.length - 1]?.term ?? 0);
      assert.equal(log.termAt(logIndex(0)), 0);
      assert.equal(log.termAt(logIndex(plain.length + 1)), undefined);
      for (const [at, entry] of plain.entries()) {
        const index = logIndex(at + 1);
        assert.equal(log.termAt(index), entry.term);
        const after = plain.findIndex((each, other) => other > at && each.term !== entry.term);
        assert.equal(log.endOfTerm(index), after < 0 ? plain.length : after);
      }
    }),
  );
});

test('the conflict hint is the last entry whose term is not above the asked one', () => {
  fc.assert(
    fc.property(changes, fc.nat(60), fc.nat(12), (list, index, asked) => {
      const { log, plain } = bothLogs(list);
      let expected = Math.min(index, plain.length);
      while (expected > 0 && (plain[expected - 1] as Plain).term > asked) expected -= 1;
      assert.equal(log.lastNotAbove(logIndex(index), term(asked)), expected);
    }),
  );
});

test('a log is as up to date as another by its last term first, its length second', () => {
  fc.assert(
    fc.property(changes, fc.nat(40), fc.nat(8), (list, lastIndex, lastTerm) => {
      const { log, plain } = bothLogs(list);
      const own = [plain[plain.length - 1]?.term ?? 0, plain.length] as const;
      const expected = lastTerm === own[0] ? lastIndex >= own[1] : lastTerm > own[0];
      assert.equal(log.isUpToDate(lastIndex as LogIndex, lastTerm as Term), expected);
    }),
  );
});

test('sizes add up, grow with the range, and are off by less than one extent', () => {
  fc.assert(
    fc.property(changes, fc.nat(), fc.nat(), (list, from, to) => {
      const { log, plain } = bothLogs(list);
      fc.pre(plain.length > 0);
      const [first, last] = [from % plain.length, to % plain.length].sort((a, b) => a - b);
      const bytes = log.bytesBetween(logIndex(first! + 1), logIndex(last! + 1));
      assert.ok(bytes > 0, 'a range that is not empty weighs something');
      const whole = log.bytesBetween(logIndex(1), log.last);
      const before = log.bytesBetween(logIndex(1), logIndex(first!));
      const after = log.bytesBetween(logIndex(last! + 2), log.last);
      assert.equal(before + bytes + after, whole);
    }),
  );
});

test('without truncation the whole log weighs exactly what was appended', () => {
  fc.assert(
    fc.property(changes, (list) => {
      const appends = list.filter((change) => change.kind === 'append');
      const { log } = bothLogs(appends);
      const total = appends.reduce((sum, change) => sum + change.bytes, 0);
      assert.equal(log.bytesBetween(logIndex(1), log.last), total);
    }),
  );
});

test('a fitting range starts where asked, stays within one term and the limit of entries', () => {
  fc.assert(
    fc.property(changes, fc.nat(), fc.integer({ min: 1, max: 30 }), (list, from, entriesMax) => {
      const { log, plain } = bothLogs(list);
      fc.pre(plain.length > 0);
      const first = logIndex((from % plain.length) + 1);
      const last = log.lastFitting(first, entriesMax, 50_000);
      assert.ok(last >= first);
      assert.ok(last - first < entriesMax);
      assert.equal(log.termAt(last), log.termAt(first));
    }),
  );
});

test('a fitting range weighs no more than asked, but for a single entry', () => {
  fc.assert(
    fc.property(
      changes,
      fc.nat(),
      fc.integer({ min: 100, max: 90_000 }),
      (list, from, bytesMax) => {
        const { log, plain } = bothLogs(list);
        fc.pre(plain.length > 0);
        const first = logIndex((from % plain.length) + 1);
        const last = log.lastFitting(first, 1000, bytesMax);
        // Positions inside an extent are rounded up to whole bytes.
        assert.ok(last === first || log.bytesBetween(first, last) <= bytesMax + 1);
      },
    ),
  );
});

test('one big proposal is sent in several appends', () => {
  const log = new RaftLog(EMPTY_LOG);
  log.append(10_000, term(1), 2_560_000);
  assert.equal(log.lastFitting(logIndex(1), 10_000, 256_000), 1000);
  assert.equal(log.lastFitting(logIndex(9_501), 10_000, 256_000), 10_000);
  assert.equal(log.lastFitting(logIndex(1), 10_000, 10), 1);
});

test('a recovered log is the log that was written', () => {
  fc.assert(
    fc.property(changes, (list) => {
      const { log, plain } = bothLogs(list);
      const recovered = new RaftLog({
        last: log.last,
        generation: log.generation,
        compacted: logIndex(0),
        compactedTerm: term(0),
        termRuns: log.termRuns,
        extents: plain.map((_, at) => ({ last: logIndex(at + 1), bytes: (at + 1) * 10 })),
      });
      assert.equal(recovered.durable, log.last);
      assert.equal(recovered.committed, 0);
      for (const at of plain.keys()) {
        assert.equal(recovered.termAt(logIndex(at + 1)), log.termAt(logIndex(at + 1)));
      }
      if (plain.length > 0) {
        recovered.append(1, recovered.lastTerm, 10);
        assert.equal(recovered.last, plain.length + 1);
      }
    }),
  );
});

test('a truncation takes back what was durable and starts a new generation', () => {
  const log = new RaftLog(EMPTY_LOG);
  log.append(5, term(1), 500);
  log.durable = logIndex(5);
  log.truncateAfter(logIndex(3));
  assert.deepEqual([log.last, log.durable, log.generation], [3, 3, 1]);
});

test('what is committed is never truncated, and terms never shrink', () => {
  const log = new RaftLog(EMPTY_LOG);
  log.append(5, term(2), 500);
  log.committed = logIndex(3);
  assert.throws(() => log.truncateAfter(logIndex(2)), /committed entry/);
  assert.throws(() => log.truncateAfter(logIndex(5)), /removes something/);
  assert.throws(() => log.append(1, term(1), 1), /terms never shrink/);
  assert.throws(() => log.append(0, term(2), 1), /at least one entry/);
});

test('what follows a base is as if nothing was forgotten, below it nothing is known', () => {
  fc.assert(
    fc.property(compacting, fc.nat(60), fc.nat(12), (list, index, asked) => {
      const { log, plain } = bothLogs(list);
      const base: number = log.compacted;
      assert.deepEqual([log.last, log.lastTerm], [plain.length, plain.at(-1)?.term ?? 0]);
      assert.equal(log.compactedTerm, plain[base - 1]?.term ?? 0);
      assert.equal(log.termRuns[0]?.first ?? base + 1, base + 1);
      for (let at = 0; at < base; at += 1) assert.equal(log.termAt(logIndex(at)), undefined);
      for (let at = base; at <= plain.length; at += 1) {
        assert.equal(log.termAt(logIndex(at)), plain[at - 1]?.term ?? 0);
      }
      for (let at = base + 1; at <= plain.length; at += 1) {
        const after = plain.findIndex(
          (each, other) => other >= at && each.term !== log.termAt(logIndex(at)),
        );
        assert.equal(log.endOfTerm(logIndex(at)), after < 0 ? plain.length : after);
      }
      let hint: number = Math.min(index, plain.length);
      while (hint >= base && hint > 0 && (plain[hint - 1] as Plain).term > asked) hint -= 1;
      assert.equal(log.lastNotAbove(logIndex(index), term(asked)) as number, hint);
    }),
  );
});

test('sizes after a base add up, and it forgets the bytes below it', () => {
  fc.assert(
    fc.property(compacting, fc.nat(), fc.integer({ min: 100, max: 90_000 }), (list, from, max) => {
      const { log } = bothLogs(list);
      const held = log.last - log.compacted;
      fc.pre(held > 0);
      const first = logIndex(log.compacted + 1 + (from % held));
      const [begin, before] = [logIndex(log.compacted + 1), logIndex(first - 1)];
      const rest = log.bytesBetween(first, log.last);
      assert.ok(rest > 0);
      const whole = log.bytesBetween(begin, log.last);
      assert.equal(log.bytesBetween(begin, before) + rest, whole);
      assert.equal(log.bytesBetween(logIndex(1), log.last), whole);
      const last = log.lastFitting(first, 1000, max);
      assert.ok(last === first || log.bytesBetween(first, last) <= max + 1);
    }),
  );
});

test('a log may forget all it holds, and goes on in the same or a later term', () => {
  for (const next of [2, 3]) {
    const log = new RaftLog(EMPTY_LOG);
    log.append(5, term(2), 500);
    compact(log, 1);
    assert.deepEqual([log.last, log.lastTerm, log.termRuns.length], [5, 2, 0]);
    assert.equal(log.isUpToDate(logIndex(5), term(2)), true);
    assert.equal(log.isUpToDate(logIndex(4), term(2)), false);
    assert.equal(log.append(2, term(next), 200), 6);
    assert.deepEqual(log.termRuns, [{ first: 6, term: next }]);
    assert.equal(log.lastFitting(logIndex(6), 10, 1000), 7);
    assert.equal(log.bytesBetween(logIndex(6), logIndex(7)), 200);
    log.truncateAfter(logIndex(5));
    assert.deepEqual([log.last, log.lastTerm, log.termRuns.length], [5, 2, 0]);
  }
});

test('a log stays small however much went through it', () => {
  const log = new RaftLog(EMPTY_LOG);
  for (let at = 1; at <= 10_000; at += 1) {
    log.append(10, term(Math.ceil(at / 100)), 40_000);
    if (at % 50 === 0) compact(log, 0.9);
  }
  assert.ok(log.termRuns.length <= 2, `${log.termRuns.length} runs`);
  assert.ok(log.last - log.compacted <= 100);
});

test('a reset begins a new generation after its point, nothing of which is durable yet', () => {
  const log = new RaftLog(EMPTY_LOG);
  log.append(5, term(1), 500);
  log.durable = logIndex(5);
  log.reset({ index: logIndex(9), term: term(3) });
  assert.deepEqual([log.last, log.lastTerm, log.durable, log.generation], [9, 3, 0, 1]);
  assert.deepEqual([log.termAt(logIndex(9)), log.termAt(logIndex(8))], [3, undefined]);
  assert.equal(log.append(1, term(3), 10), 10);
  assert.equal(log.bytesBetween(logIndex(10), logIndex(10)), 10);
  assert.throws(() => log.reset({ index: logIndex(10), term: term(3) }), /that holds the point/);
  log.committed = logIndex(10);
  assert.throws(() => log.reset({ index: logIndex(10), term: term(3) }), /past what is committed/);
});

test('only what is applied and durable is forgotten, and the base only moves forwards', () => {
  const log = new RaftLog(EMPTY_LOG);
  log.append(5, term(2), 500);
  assert.throws(() => log.compact(logIndex(3)), /only what is applied/);
  log.applied = logIndex(4);
  assert.throws(() => log.compact(logIndex(3)), /only what is durable/);
  log.durable = logIndex(4);
  log.compact(logIndex(3));
  assert.throws(() => log.compact(logIndex(3)), /only moves forwards/);
  assert.throws(() => log.endOfTerm(logIndex(3)), /only what follows the base/);
  assert.throws(() => log.lastFitting(logIndex(3), 1, 1), /after the base/);
});

test('a recovered run that began before the base begins after it', () => {
  const log = new RaftLog({
    last: logIndex(9),
    generation: 2,
    compacted: logIndex(6),
    compactedTerm: term(2),
    termRuns: [
      { first: logIndex(1), term: term(1) },
      { first: logIndex(4), term: term(2) },
      { first: logIndex(8), term: term(3) },
    ],
    extents: [{ last: logIndex(9), bytes: 300 }],
  });
  assert.deepEqual(log.termRuns, [
    { first: 7, term: 2 },
    { first: 8, term: 3 },
  ]);
  assert.equal(log.bytesBetween(logIndex(7), logIndex(9)), 300);
  assert.equal(log.bytesBetween(logIndex(7), logIndex(7)), 100);
});
