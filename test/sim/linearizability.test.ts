/**
 * The checker: hand-made good and bad histories, then random ones against a judge that tries
 * every order. A history is written as a script of one operation after the other.
 *
 * Virtual time only: a test here must never wait.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Prng } from '../../engine/raft/prng.js';
import { checkHistory, checkInvocations } from '../../tools/check/linearizability.js';
import { History, type Invocation } from '../../tools/sim/history.js';
import type { Operation, Outcome, Result } from '../../tools/sim/operation.js';
import { type AtomicOptions, atomicHistory, isLinearizableByForce } from './atomic-register.js';

const set = (value: string): Operation => ({ op: 'set', key: 'k', value });
const append = (value: string): Operation => ({ op: 'append', key: 'k', value });
const incr = (by = 1): Operation => ({ op: 'incr', key: 'k', by });
const get: Operation = { op: 'get', key: 'k' };
const del: Operation = { op: 'del', key: 'k' };

/** One client's operation as `[operation, outcome]`, or a function for overlaps. */
class Script {
  readonly history = new History();
  #time = 0;
  #client = 0;

  begin(operation: Operation): number {
    this.#time += 1_000;
    this.#client += 1;
    return this.history.invoke(this.#client, 1, operation, this.#time);
  }

  end(id: number, result: Result): this {
    this.#time += 1_000;
    this.history.ok(id, result, this.#time);
    return this;
  }

  ok(operation: Operation, result: Result): this {
    return this.end(this.begin(operation), result);
  }

  refused(operation: Operation): this {
    const id = this.begin(operation);
    this.history.fail(id, 'REDIRECT 2', this.#time);
    return this;
  }

  unknown(operation: Operation): this {
    const id = this.begin(operation);
    this.history.unknown(id, 'timeout', this.#time);
    return this;
  }

  good(): void {
    const report = checkHistory(this.history);
    assert.equal(report.finding, 'explained', report.text);
    assert.equal(report.text, '');
  }

  /** The text, whose table must name exactly `operations` operations. */
  bad(operations: number): string {
    const report = checkHistory(this.history);
    assert.equal(report.finding, 'contradiction');
    const rows = report.text.split('\n').filter((line) => line.includes(' client '));
    assert.equal(rows.length, operations, report.text);
    return report.text;
  }
}

test('a history of one client in order is linearizable', () => {
  new Script()
    .ok(get, null)
    .ok(set('a'), null)
    .ok(get, 'a')
    .ok(append('b'), 2)
    .ok(get, 'ab')
    .ok(del, 1)
    .ok(del, 0)
    .ok(incr(), '1')
    .ok(incr(-3), '-2')
    .ok({ op: 'setnx', key: 'k', value: 'x' }, 0)
    .ok({ op: 'cas', key: 'k', expected: '-2', value: 'y' }, 1)
    .ok(incr(), { error: 'notInteger' })
    .ok(get, 'y')
    .good();
});

test('an empty history is linearizable', () => {
  new Script().good();
});

test('overlapping operations may take effect in either order', () => {
  const script = new Script();
  const a = script.begin(set('a'));
  const b = script.begin(set('b'));
  const read = script.begin(get);
  script.end(a, null).end(b, null).end(read, null).ok(get, 'a').ok(get, 'a').good();
});

test('readers that disagree on the order of two overlapping writes are caught', () => {
  const script = new Script();
  const a = script.begin(set('a'));
  const b = script.begin(set('b'));
  script.end(a, null).end(b, null).ok(get, 'a').ok(get, 'b').bad(3);
});

test('a stale read is caught, and shown with the write that it missed', () => {
  const script = new Script().ok(set('a'), null).ok(get, 'a').ok(set('b'), null).ok(get, 'a');
  const text = script.bad(3);
  assert.match(text, /no order explains these 2 \(whatever the value was before\)/);
  assert.match(text, /set k "b" .*\n.*get k .*ok "a"\n {2}the value read belongs to\n.*set k "a"/);
});

test('a lost write is caught', () => {
  const text = new Script().ok(set('a'), null).ok(get, null).bad(2);
  assert.match(text, /set k "a" +ok nil\n.*get k +ok nil/);
});

test('an increment applied twice is caught', () => {
  new Script().ok(incr(), '1').ok(incr(), '2').ok(get, '3').bad(2);
});

test('an increment of unknown outcome may have happened, or not, but not twice', () => {
  new Script().ok(incr(), '1').unknown(incr()).ok(get, '1').ok(get, '2').good();
  new Script().ok(incr(), '1').unknown(incr()).ok(incr(), '2').good();
  const text = new Script().ok(incr(), '1').unknown(incr()).ok(get, '3').bad(2);
  assert.match(text, /nor does it help that 1 others may have happened or not/);
});

test('the order of identical unknown increments does not matter, their number does', () => {
  const script = new Script().ok(set('0'), null);
  for (let i = 0; i < 30; i += 1) script.unknown(incr());
  script.ok(get, '7').ok(get, '30').good();
  script.ok(get, '31').bad(2);
});

test('a read of a value that nobody wrote is caught', () => {
  const text = new Script().ok(set('a'), null).ok(get, 'z').bad(1);
  assert.match(text, /a value was read that nobody had written/);
});

test('a value cannot be read before it was written', () => {
  new Script().ok(get, 'a').ok(set('a'), null).bad(2);
});

test('a write of unknown outcome may take effect late', () => {
  new Script()
    .ok(set('a'), null)
    .unknown(set('late'))
    .ok(get, 'a')
    .ok(set('b'), null)
    .ok(get, 'b')
    .ok(get, 'late')
    .good();
});

test('a write of unknown outcome cannot take effect twice', () => {
  new Script().unknown(set('late')).ok(get, 'late').ok(set('b'), null).ok(get, 'late').bad(4);
});

test('a refused write whose effect is visible is caught, and named', () => {
  const text = new Script().ok(set('a'), null).refused(set('r')).ok(get, 'r').bad(2);
  assert.match(text, /the value read belongs to\n.*set k "r" +refused: REDIRECT 2/);
});

test('a refused increment whose effect is visible is caught', () => {
  new Script().ok(incr(), '1').refused(incr()).ok(incr(), '3').bad(2);
});

test('an append of unknown outcome is found inside a longer value', () => {
  new Script()
    .ok(append('a'), 1)
    .unknown(append('bb'))
    .unknown(append('c'))
    .ok(append('d'), 4)
    .ok(get, 'abbd')
    .good();
  new Script().ok(append('a'), 1).unknown(append('bb')).ok(append('d'), 3).bad(2);
});

test('an unknown deletion and an unknown append together explain a length', () => {
  new Script()
    .ok(set('xy'), null)
    .unknown(del)
    .unknown(append('zz'))
    .ok(append('q'), 3)
    .ok(get, 'zzq')
    .good();
});

test('unknown swaps chain', () => {
  const swap = (expected: string, value: string): Operation => {
    return { op: 'cas', key: 'k', expected, value };
  };
  new Script()
    .ok(set('a'), null)
    .unknown(swap('b', 'c'))
    .unknown(swap('a', 'b'))
    .ok(get, 'c')
    .good();
  new Script().ok(set('a'), null).unknown(swap('b', 'c')).ok(get, 'c').bad(3);
});

test('counters are exact beyond 2^53 and overflow is an observation', () => {
  new Script()
    .ok(set('9223372036854775806'), null)
    .ok(incr(), '9223372036854775807')
    .ok(incr(), { error: 'overflow' })
    .good();
  new Script().ok(set('9007199254740992'), null).ok(incr(), '9007199254740992').bad(2);
});

test('a hundred pending unknown writes do not slow a contradiction down', () => {
  const script = new Script();
  for (let i = 0; i < 100; i += 1) {
    script
      .unknown(set(`u${i}`))
      .unknown(append(`+${i}`))
      .unknown({ op: 'setnx', key: 'k', value: 'n' });
  }
  script.ok(set('a'), null).ok(get, 'u50').ok(get, 'a').bad(3);
});

test('a search too large says that it is undecided', () => {
  const script = new Script();
  for (let i = 10; i < 30; i += 1) script.unknown(append(`${i}`));
  script.ok(append('x'), 1_000);
  const report = checkHistory(script.history, { configurationsMax: 1_000 });
  assert.equal(report.finding, 'undecided');
  assert.match(report.text, /key k: undecided after 1001 configurations \(1000 allowed\)/);
});

const OPERATIONS = ['set', 'get', 'get', 'incr', 'append', 'del', 'setnx', 'cas'] as const;

function anyOperation(prng: Prng, key: string, serial: number): Operation {
  const op = prng.pick(OPERATIONS);
  switch (op) {
    case 'incr':
      return { op, key, by: prng.between(1, 2) };
    case 'get':
    case 'del':
      return { op, key };
    case 'cas':
      return { op, key, expected: `${prng.below(4)}`, value: `${prng.below(4)}` };
    default:
      return { op, key, value: prng.chance(0.5) ? `v${serial}` : `${prng.below(4)}` };
  }
}

const SMALL: Omit<AtomicOptions, 'seed'> = {
  clients: 4,
  keys: 1,
  operations: 7,
  unknown: 0.25,
  refused: 0.1,
  operation: anyOperation,
};

function mutate(prng: Prng, invocations: readonly Invocation[]): Invocation[] {
  const at = prng.below(invocations.length);
  return invocations.map((invocation, index) => {
    if (index !== at || invocation.outcome.kind !== 'ok') return invocation;
    const outcome: Outcome = { kind: 'ok', result: otherResult(prng, invocation) };
    return { ...invocation, outcome };
  });
}

function otherResult(prng: Prng, { operation, outcome }: Invocation): Result {
  switch (operation.op) {
    case 'get':
      return prng.chance(0.2) ? null : `${prng.below(4)}`;
    case 'incr':
      return prng.chance(0.2) ? { error: 'notInteger' } : `${prng.between(1, 4)}`;
    case 'append':
      return prng.between(1, 4);
    case 'set':
      return outcome.kind === 'ok' ? outcome.result : null;
    default:
      return prng.below(2);
  }
}

test('tiny random histories, true and falsified, are judged as by trying everything', () => {
  const found = { explained: 0, contradiction: 0 };
  for (let seed = 0; seed < 2_000; seed += 1) {
    const prng = new Prng(seed);
    const honest = atomicHistory({ ...SMALL, seed }).invocations();
    const invocations = mutate(prng, mutate(prng, honest));
    const report = checkInvocations(invocations);
    const expected = isLinearizableByForce(invocations) ? 'explained' : 'contradiction';
    assert.equal(report.finding, expected, `seed ${seed}\n${report.text}`);
    assert.equal(checkInvocations(honest).finding, 'explained', `honest seed ${seed}`);
    found[expected] += 1;
  }
  assert.ok(found.explained > 500 && found.contradiction > 500, JSON.stringify(found));
});

test('the printed window of a random contradiction is one without the rest', () => {
  let reduced = 0;
  for (let seed = 0; seed < 150; seed += 1) {
    const honest = atomicHistory({ ...SMALL, seed, operations: 60 }).invocations();
    const report = checkInvocations(mutate(new Prng(seed), honest));
    if (report.finding !== 'contradiction') continue;
    const rows = report.text.split('\n').filter((line) => line.includes(' client '));
    assert.ok(rows.length > 0);
    if (rows.length <= 4) reduced += 1;
  }
  assert.ok(reduced > 20, `${reduced}`);
});

test('a hundred thousand operations over fifty keys are checked', () => {
  const history = atomicHistory({
    seed: 1,
    clients: 100,
    keys: 50,
    operations: 100_000,
    unknown: 0.02,
    refused: 0.05,
    operation: byKeyClass,
  });
  const report = checkHistory(history);
  assert.equal(report.finding, 'explained', report.text);
  assert.equal(report.operations, 100_000);
  const lines = history.invocations();
  const stale = lines.findLast(({ operation, outcome }) => {
    return operation.op === 'get' && outcome.kind === 'ok' && /^v\d+$/.test(`${outcome.result}`);
  });
  assert.ok(stale);
  const early = lines.find(({ operation }) => {
    return operation.op === 'set' && operation.key === stale.operation.key;
  });
  assert.ok(early?.operation.op === 'set');
  const result = early.operation.value;
  const falsified = lines.map((invocation) =>
    invocation === stale ? { ...stale, outcome: { kind: 'ok', result } as const } : invocation,
  );
  assert.equal(checkInvocations(falsified).finding, 'contradiction');
});

/** Registers, counters and lists apart, as the simulator's workload has them. */
function byKeyClass(prng: Prng, key: string, serial: number): Operation {
  if (prng.chance(0.4)) return { op: 'get', key };
  switch (Number(key.slice(1)) % 3) {
    case 0:
      return { op: 'incr', key, by: prng.between(1, 3) };
    case 1:
      return { op: 'append', key, value: `v${serial};` };
    default:
      return prng.chance(0.8) ? { op: 'set', key, value: `v${serial}` } : { op: 'del', key };
  }
}
