/**
 * Both halves of a machine hosted on the main thread, joined by rings in one thread: every entry
 * once and in order, from the arena and inline, in pieces that fit; rejections, exceptions,
 * queries.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { EntryKind, entryBytes, writeEntryHeader } from '../../codec/entry.js';
import { ResultReader } from '../../codec/results.js';
import type { HostedAnswer } from '../../engine/hosted-answers.js';
import { type HostedEntry, type HostedMachine, Reject } from '../../engine/hosted-machine.js';
import { HostedRunner } from '../../engine/hosted-runner.js';
import type { EntrySlab } from '../../engine/runtime/apply-cursor.js';
import { createArena } from '../../engine/runtime/arena.js';
import type { BatchPart } from '../../engine/runtime/pending-writes.js';
import { HostedMachineHost } from '../../workers/hosted-host.js';
import { OverflowProducer } from '../../workers/ports/overflow.js';
import { CompletionKind } from '../../workers/records/completion.js';
import { readQueryHeader } from '../../workers/records/hosted.js';
import { createRing } from '../../workers/ring/layout.js';
import { RECORD_TAKEN, RingConsumer, RingProducer } from '../../workers/ring/spsc-ring.js';

const CONTEXT = { groupName: 'g', groupId: 0, nodeId: 1, options: { limit: 3 } };
const RING_BYTES = 1024 * 1024;

class Bench {
  readonly arena = createArena(RING_BYTES);
  readonly host: HostedMachineHost;
  readonly runner: HostedRunner;
  readonly results: string[] = [];
  readonly applied: number[] = [];
  readonly failed: { index: number; cause: unknown }[] = [];
  readonly asked: { batch: number; count: number }[] = [];
  records = 0;
  readonly #producer: OverflowProducer;
  readonly #ring: RingConsumer;

  constructor(machine: HostedMachine) {
    const memory = createRing(RING_BYTES);
    this.#producer = new OverflowProducer(new RingProducer(memory));
    this.#ring = new RingConsumer(memory);
    this.host = new HostedMachineHost(this.arena, this.#producer);
    this.host.attach({
      applied: (last) => this.applied.push(last),
      partRefused: () => assert.fail('refusals never go through the worker'),
      partDone: () => assert.fail('results never go through the worker'),
      queried: () => assert.fail('answers never go through the worker'),
      queryFailed: () => assert.fail('answers never go through the worker'),
      failed: (index, cause) => this.failed.push({ index, cause }),
      image: () => assert.fail('no image was asked for'),
      imageFailed: () => assert.fail('no image was asked for'),
      restoredChunk: () => assert.fail('nothing was restored'),
      restored: () => assert.fail('nothing was restored'),
    });
    this.runner = new HostedRunner(machine, CONTEXT, this.arena, (batch, offset, _, bytes) => {
      const reader = new ResultReader(Buffer.from(bytes), 0, bytes.length);
      for (let i = offset; reader.next(); i += 1) {
        const text = Buffer.from(bytes).toString('utf8', reader.start, reader.end);
        this.results.push(`${batch}.${i}${reader.rejected ? '!' : '='}${text}`);
      }
    });
  }

  /** Carries records over and outcomes back until nothing moves. */
  run(): void {
    for (;;) {
      this.#producer.publish();
      const outcomes: HostedAnswer[] = [];
      this.#ring.drain((kind, at) => {
        this.records += 1;
        if (kind === CompletionKind.query) this.asked.push(readQueryHeader(this.#ring.view, at));
        else outcomes.push(this.runner.apply(this.#ring.bytes, this.#ring.view, at));
        return RECORD_TAKEN;
      }, 100);
      assert.ok(outcomes.length <= 1, 'one piece at a time is under way');
      if (outcomes.length === 0 && !this.#producer.isWaiting) return;
      for (const outcome of outcomes) {
        if (outcome.kind === 'applied') this.host.onApplied(outcome);
        else if (outcome.kind === 'failed') this.host.onFailed(outcome.index, outcome.text);
      }
    }
  }

  /** A slab of commands, in the arena or in a buffer of its own. */
  slab(first: number, commands: readonly string[], inline = false, noops = 0): EntrySlab {
    const length = commands.reduce((sum, each) => sum + entryBytes(each.length), noops * 16);
    const buffer = inline ? Buffer.alloc(length) : Buffer.from(this.arena);
    const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
    let at = 0;
    for (let i = 0; i < noops; i += 1) at = writeEntryHeader(view, at, EntryKind.noop, 0, 5);
    for (const command of commands) {
      const start = writeEntryHeader(view, at, EntryKind.command, command.length, 1000 + first);
      buffer.write(command, start);
      at += entryBytes(command.length);
    }
    return { buffer, view, start: 0, end: at, first, term: 2 };
  }
}

/** Keeps what it saw; `no…` is rejected, `throw…` throws, everything else is echoed. */
function echo(seen: HostedEntry[]): HostedMachine {
  return {
    apply(entry) {
      seen.push(entry);
      const text = Buffer.from(entry.data).toString();
      if (text.startsWith('no')) throw new Reject(text);
      if (text.startsWith('throw')) throw new RangeError('thrown here');
      return text.startsWith('quiet') ? undefined : Buffer.from(`${text}?`);
    },
    query: (query) => query,
  };
}

const part = (batch: number, first: number, last: number, offset = 0): BatchPart => ({
  batch,
  offset,
  first,
  last,
});

test('an entry is handed over with index, term, time, data of its own and the context', () => {
  const seen: HostedEntry[] = [];
  const bench = new Bench(echo(seen));
  const slab = bench.slab(1, ['one', 'two'], false, 1);
  bench.host.apply(slab, 3, [part(9, 2, 3)]);
  bench.run();
  const texts = seen.map(({ index, term, data }) => [index, term, Buffer.from(data).toString()]);
  assert.deepEqual(texts, [
    [2, 2, 'one'],
    [3, 2, 'two'],
  ]);
  assert.equal(seen[0]?.timeMs, 1001);
  assert.equal(seen[0]?.context, CONTEXT);
  slab.buffer.fill(0);
  assert.equal(Buffer.from(seen[1]?.data as Uint8Array).toString(), 'two', 'data may be kept');
  assert.deepEqual(bench.results, ['9.0=one?', '9.1=two?']);
  assert.deepEqual(bench.applied, [3]);
});

test('rejections and empty replies are results; entries that nobody waits for have none', () => {
  const bench = new Bench(echo([]));
  bench.host.apply(bench.slab(1, ['a', 'quiet', 'nope', 'b']), 4, [part(1, 2, 3, 5)]);
  bench.run();
  assert.deepEqual(bench.results, ['1.5=', '1.6!nope']);
  assert.deepEqual(bench.applied, [4]);
});

test('a slab that is not in the arena travels in pieces that fit, and is applied once, in order', () => {
  const seen: HostedEntry[] = [];
  const bench = new Bench(echo(seen));
  const commands = Array.from({ length: 300 }, (_, i) => `${i}:`.padEnd(1000, 'x'));
  const big = [...commands, 'y'.repeat(100_000), 'end'];
  bench.host.apply(bench.slab(1, big, true), big.length, [part(1, 1, 302)]);
  bench.run();
  assert.ok(bench.records > 8, `${bench.records} records`);
  assert.deepEqual(
    seen.map((entry) => entry.index),
    big.map((_, i) => i + 1),
  );
  assert.deepEqual(
    bench.results.map((text) => text.slice(0, text.indexOf('='))),
    big.map((_, i) => `1.${i}`),
  );
  assert.deepEqual(bench.applied, [302]);
});

test('a slab with very many waiting batches is cut so that each record has room for them', () => {
  const bench = new Bench(echo([]));
  const commands = Array.from({ length: 5000 }, (_, i) => String(i));
  const parts = commands.map((_, i) => part(i, i + 1, i + 1));
  bench.host.apply(bench.slab(1, commands), 5000, parts);
  bench.run();
  assert.equal(bench.records, 5);
  assert.deepEqual(
    bench.results,
    commands.map((text, i) => `${i}.0=${text}?`),
  );
});

test('an exception stops the machine at its entry: what came before is answered, nothing after', () => {
  const seen: HostedEntry[] = [];
  const bench = new Bench(echo(seen));
  bench.host.apply(bench.slab(1, ['a', 'b', 'throw', 'c']), 4, [part(1, 1, 4)]);
  bench.run();
  assert.deepEqual(bench.results, ['1.0=a?', '1.1=b?']);
  assert.deepEqual(bench.applied, []);
  assert.equal(bench.failed[0]?.index, 3);
  assert.match(String(bench.failed[0]?.cause), /RangeError: thrown here/);
  assert.equal(seen.length, 3);
  assert.equal(bench.runner.failed, true);
});

test('a machine that returns a promise or a text is told that it must not, with the index', async () => {
  const refused: [() => unknown, RegExp][] = [
    [async () => Buffer.from('x'), /apply returned a Promise: it must return bytes, a Reject or/],
    [() => Promise.reject(new Error('never seen')), /apply returned a Promise/],
    [() => 'text', /apply returned "text": it must return bytes/],
    [() => null, /apply returned null/],
  ];
  for (const [apply, message] of refused) {
    const machine = { apply, query: (query: Uint8Array) => query };
    const bench = new Bench(machine as unknown as HostedMachine);
    bench.host.apply(bench.slab(1, ['a', 'b'], false, 1), 3, [part(1, 2, 3)]);
    bench.run();
    assert.match(String(bench.failed[0]?.cause), message);
    assert.equal(bench.failed[0]?.index, 2);
    assert.deepEqual([bench.results, bench.applied], [[], []]);
  }
  await new Promise((resolve) => setImmediate(resolve));
});

test('queries leave with their batch, and one that throws fails alone', () => {
  const bench = new Bench({
    apply() {},
    query(query) {
      if (query.length === 0) throw new Error('an empty query');
      return query;
    },
  });
  const queries = Buffer.from([1, 0, 0, 0, 65]);
  bench.host.query({ id: 4, count: 1, queries, deadline: 0 });
  bench.run();
  assert.deepEqual(bench.asked, [{ batch: 4, count: 1 }]);
  assert.deepEqual(bench.runner.query(Buffer.from('A')), {
    rejected: false,
    bytes: Buffer.from('A'),
  });
  const failed = bench.runner.query(Buffer.alloc(0));
  assert.deepEqual(failed, { rejected: true, bytes: Buffer.from('an empty query') });
});

test('a query that answers with no bytes fails alone, by what it returned', async () => {
  const answers = [undefined, 'text', 7, {}, Promise.reject(new Error('never seen')), null];
  const machine = { apply() {}, query: () => answers.shift() };
  const bench = new Bench(machine as unknown as HostedMachine);
  const texts = [...answers].map(() => bench.runner.query(Buffer.from('?')));
  const shown = ['undefined', '"text"', '7', 'an Object', 'a Promise', 'null'];
  const rule = 'it must return bytes, a Uint8Array such as a Buffer, at once';
  assert.deepEqual(
    texts,
    shown.map((what) => ({ failure: `query returned ${what}: ${rule}` })),
  );
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(bench.runner.failed, false);
});

test('a Reject rejects whether it is thrown or returned, in apply and in query', () => {
  const machine: HostedMachine = {
    apply: ({ data }) => (data[0] === 0x6e ? new Reject(data) : undefined),
    query: () => new Reject('no such query'),
  };
  const bench = new Bench(machine);
  bench.host.apply(bench.slab(1, ['a', 'no', 'b']), 3, [part(1, 1, 3)]);
  bench.run();
  assert.deepEqual(bench.results, ['1.0=', '1.1!no', '1.2=']);
  const answer = bench.runner.query(Buffer.alloc(0));
  assert.deepEqual(answer, { rejected: true, bytes: Buffer.from('no such query') });
});

test('while the ring is full nothing is lost: the piece leaves when there is room', () => {
  const seen: HostedEntry[] = [];
  const bench = new Bench(echo(seen));
  const queries = Buffer.alloc(100_004);
  queries.writeUInt32LE(100_000, 0);
  for (let id = 1; id <= 12; id += 1) bench.host.query({ id, count: 1, queries, deadline: 0 });
  bench.host.apply(bench.slab(1, ['a']), 1, []);
  bench.run();
  assert.deepEqual(
    bench.asked.map(({ batch }) => batch),
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
  );
  assert.deepEqual([seen.length, bench.applied], [1, [1]]);
});
