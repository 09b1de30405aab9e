/**
 * Clients and their workload against a machine that is atomic, or loses writes, by construction.
 *
 * Virtual time only: a test here must never wait.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Prng } from '../../engine/raft/prng.js';
import { execute, type Value } from '../../tools/check/kv-model.js';
import { checkHistory } from '../../tools/check/linearizability.js';
import { type Reply, type Service, SimClients } from '../../tools/sim/clients.js';
import { History } from '../../tools/sim/history.js';
import { historyToLines } from '../../tools/sim/history-lines.js';
import type { Operation } from '../../tools/sim/operation.js';
import { Scheduler } from '../../tools/sim/scheduler.js';
import { Workload } from '../../tools/sim/workload.js';

test('values are unique over all clients, keys are few, and every operation occurs', () => {
  const workload = new Workload({ seed: 1, clients: 4, nodes: 3 });
  const values = new Set<string>();
  const keys = new Set<string>();
  const kinds = new Set<string>();
  let written = 0;
  for (let turn = 0; turn < 2_000; turn += 1) {
    const { operation, thinkUs } = workload.next(turn % 4);
    assert.ok(thinkUs >= 0 && thinkUs <= 40_000);
    kinds.add(operation.op);
    keys.add(operation.key);
    if (!('value' in operation)) continue;
    written += 1;
    values.add(operation.value);
  }
  assert.equal(values.size, written);
  assert.deepEqual([...kinds].sort(), ['append', 'cas', 'del', 'get', 'incr', 'set', 'setnx']);
  assert.ok(keys.size >= 5 && keys.size < 10, [...keys].join(' '));
});

test('what a client does does not depend on the turns of the others', () => {
  const options = { seed: 3, clients: 2, nodes: 3, lists: 0 };
  const alone = new Workload(options);
  const mixed = new Workload(options);
  for (let turn = 0; turn < 100; turn += 1) {
    if (turn % 3 === 0) mixed.next(1);
    assert.deepEqual(mixed.next(0), alone.next(0));
  }
  assert.deepEqual([alone.homeOf(0), alone.homeOf(1)], [1, 2]);
});

/** An atomic machine with delays, refusals and lost answers; `stale` breaks it. */
class Machine implements Service {
  readonly #values = new Map<string, Value>();
  readonly #scheduler: Scheduler;
  readonly #prng: Prng;
  readonly #stale: number;

  constructor(scheduler: Scheduler, seed: number, stale: number) {
    this.#scheduler = scheduler;
    this.#prng = new Prng(seed);
    this.#stale = stale;
  }

  submit(_node: number, operation: Operation, reply: (reply: Reply) => void): void {
    if (this.#prng.chance(0.1)) {
      reply({ kind: 'fail', why: 'not leader', leader: this.#prng.below(4) });
      return;
    }
    const delay = () => (this.#prng.chance(0.05) ? 400_000 : this.#prng.below(20_000));
    this.#scheduler.after(delay(), () => {
      const before = this.#values.get(operation.key) ?? null;
      const { next, result } = execute(before, operation);
      const isLost = operation.op !== 'get' && this.#prng.chance(this.#stale);
      if (!isLost) this.#values.set(operation.key, next);
      this.#scheduler.after(delay(), () => reply({ kind: 'ok', result }));
    });
  }
}

function run(seed: number, stale: number) {
  const scheduler = new Scheduler();
  const history = new History();
  const workload = new Workload({ seed, clients: 5, nodes: 3 });
  const machine = new Machine(scheduler, seed, stale);
  const options = { seed, nodes: 3, timeoutUs: 300_000 };
  const clients = new SimClients(scheduler, machine, workload, history, options);
  clients.start();
  scheduler.runWhile(() => clients.counts.ok < 200, 60_000_000);
  clients.stop();
  scheduler.runUntil(scheduler.nowUs + 1_000_000);
  return { history, clients };
}

test('clients of an atomic machine make a linearizable history with every outcome', () => {
  const total = { failed: 0, unknown: 0 };
  for (let seed = 0; seed < 20; seed += 1) {
    const { history, clients } = run(seed, 0);
    const { invoked, ok, failed, unknown } = clients.counts;
    assert.ok(ok >= 200);
    assert.equal(ok + failed + unknown, invoked);
    assert.equal(history.pending, 0);
    const report = checkHistory(history);
    assert.equal(report.finding, 'explained', report.text);
    assert.equal(report.operations, invoked);
    total.failed += failed;
    total.unknown += unknown;
    assert.ok(new Set(history.invocations().map(({ node }) => node)).size === 3);
  }
  assert.ok(total.failed > 100 && total.unknown > 50);
});

test('clients of a machine that loses one write in twenty notice', () => {
  let noticed = 0;
  for (let seed = 0; seed < 20; seed += 1) {
    const report = checkHistory(run(seed, 0.05).history);
    if (report.finding === 'contradiction') noticed += 1;
  }
  assert.equal(noticed, 20);
});

test('the same seed gives the same history, byte for byte', () => {
  assert.equal(historyToLines(run(4, 0).history), historyToLines(run(4, 0).history));
  assert.notEqual(historyToLines(run(4, 0).history), historyToLines(run(5, 0).history));
});
