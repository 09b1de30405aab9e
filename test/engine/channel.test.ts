/**
 * The bookkeeping of the pipelined interface, against rings in one thread: each operation is
 * answered once, whatever order parts, refusals and expiry come in, and `inflight` returns to 0.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { ResultWriter } from '../../codec/results.js';
import {
  type BatchOptions,
  CHANNEL_BUSY,
  CHANNEL_CLOSED,
  CHANNEL_TOO_LARGE,
  Channel,
  type CompletionSink,
} from '../../engine/channel.js';
import { ErrorNumber } from '../../engine/errors.js';
import { nodeId } from '../../engine/raft/types.js';
import { RingCompletionPort } from '../../workers/ports/ring-ports.js';
import { InboxKind, readPropose } from '../../workers/records/inbox.js';
import { Doorbell } from '../../workers/ring/doorbell.js';
import { createDoorbells, createRing } from '../../workers/ring/layout.js';
import { RECORD_TAKEN, RingConsumer, RingProducer } from '../../workers/ring/spsc-ring.js';

const RING_BYTES = 1024 * 1024;
const LEADER = nodeId(3);
const READ_AT = 41;
const WRITTEN_AT = 7;
const OPTIONS: BatchOptions = {
  deadline: 1000,
  mayForward: true,
  consistency: 0,
  behindWrites: false,
};

/** Both ends of a channel, and a log of what came back. */
class Bench implements CompletionSink {
  readonly channel: Channel;
  readonly worker: RingCompletionPort;
  readonly answers: string[] = [];
  /** What answers said of where they were read. */
  readonly indexes = new Set<number>();
  readonly #inbox: RingConsumer;
  later = 0;

  constructor() {
    const inbox = createRing(RING_BYTES);
    const completions = createRing(RING_BYTES);
    this.#inbox = new RingConsumer(inbox);
    this.worker = new RingCompletionPort(new RingProducer(completions));
    this.channel = new Channel({
      inbox: new RingProducer(inbox),
      completions: new RingConsumer(completions),
      bell: new Doorbell(createDoorbells(1), 0),
      entryBytesMax: 8192,
      flushSoon: () => {},
      flushLater: () => {
        this.later += 1;
      },
      hosted: null,
      onEvent: () => {},
    });
  }

  result(
    token: number,
    buffer: Buffer,
    start: number,
    end: number,
    rejected: boolean,
    index: number,
  ): void {
    this.indexes.add(index);
    this.answers.push(`${token}${rejected ? '!' : '='}${buffer.toString('utf8', start, end)}`);
  }

  refused(token: number, code: ErrorNumber, leader: number): void {
    this.answers.push(`${token} refused ${code}${leader > 0 ? ` leader ${leader}` : ''}`);
  }

  write(token: number, length = 8, options = OPTIONS): number {
    return this.channel.claimWrite(length, options, this, token);
  }

  /** What has arrived at the worker: id and count of each batch. */
  arrived(): { id: number; count: number }[] {
    const batches: { id: number; count: number }[] = [];
    this.#inbox.drain((kind, at, bytes) => {
      if (kind === InboxKind.propose) {
        const { id, count } = readPropose(this.#inbox.bytes, this.#inbox.view, at, bytes);
        batches.push({ id, count });
      }
      return RECORD_TAKEN;
    }, 1000);
    return batches;
  }

  results(id: number, offset: number, texts: readonly string[]): void {
    const results = new ResultWriter();
    for (const text of texts) results.add(Buffer.from(text), text.startsWith('no'));
    this.worker.results(id, offset, texts.length, results.bytes, WRITTEN_AT + offset);
  }

  read(token: number): void {
    assert.ok(this.channel.claimRead(4, OPTIONS, this, token) >= 0);
  }

  /** The id of the reads that have arrived at the worker, which have one batch. */
  readsArrived(): number {
    let id = 0;
    this.#inbox.drain((kind, at) => {
      if (kind === InboxKind.read) id = this.#inbox.view.getUint32(at, true);
      return RECORD_TAKEN;
    }, 1000);
    return id;
  }

  answer(id: number, offset: number, texts: readonly string[]): void {
    const results = new ResultWriter();
    for (const text of texts) results.add(Buffer.from(text), text.startsWith('no'));
    this.worker.readResults(id, offset, texts.length, results.bytes, READ_AT);
  }

  drain(): string[] {
    this.worker.producer.publish();
    this.channel.drain();
    return this.answers.splice(0);
  }
}

test('a batch that is answered in parts is answered whole, each operation once', () => {
  const bench = new Bench();
  for (let token = 0; token < 5; token += 1) bench.write(token);
  assert.equal(bench.channel.inflight, 5);
  bench.channel.flush();
  const [{ id, count }] = bench.arrived() as [{ id: number; count: number }];
  assert.equal(count, 5);
  bench.results(id, 0, ['a', 'b']);
  assert.deepEqual(bench.drain(), ['0=a', '1=b']);
  assert.equal(bench.channel.inflight, 3);
  bench.worker.refused(id, 2, 1, ErrorNumber.notLeader, LEADER);
  bench.results(id, 3, ['no way', 'e']);
  assert.deepEqual(bench.drain(), ['2 refused 1 leader 3', '3!no way', '4=e']);
  assert.equal(bench.channel.inflight, 0);
});

test('what is refused after it was answered stays answered, and nothing is counted twice', () => {
  const bench = new Bench();
  for (let token = 0; token < 3; token += 1) bench.write(token);
  bench.channel.flush();
  const [{ id }] = bench.arrived() as [{ id: number; count: number }];
  bench.results(id, 0, ['a', 'b']);
  bench.worker.refused(id, 0, 3, ErrorNumber.outcomeUnknown, LEADER);
  bench.results(id, 0, ['late', 'later', 'last']);
  assert.deepEqual(bench.drain(), ['0=a', '1=b', '2 refused 4 leader 3']);
  assert.equal(bench.channel.inflight, 0);
});

test('a write that expires is of unknown outcome, and only what was still open expires', () => {
  const bench = new Bench();
  for (let token = 0; token < 3; token += 1) bench.write(token);
  bench.channel.flush();
  const [{ id }] = bench.arrived() as [{ id: number; count: number }];
  bench.results(id, 1, ['b']);
  bench.drain();
  for (const late of [0, 249]) bench.channel.sweep(OPTIONS.deadline + late);
  assert.deepEqual(bench.drain(), [], 'the worker may answer a little later than the deadline');
  bench.channel.sweep(OPTIONS.deadline + 250);
  assert.deepEqual(bench.drain(), ['0 refused 4', '2 refused 4']);
  assert.equal(bench.channel.inflight, 0);
  bench.results(id, 0, ['too late']);
  assert.deepEqual(bench.drain(), []);
  assert.equal(bench.channel.inflight, 0);
});

test('operations with other options go in a record of their own, in the order they were asked', () => {
  const bench = new Bench();
  bench.write(0);
  bench.write(1);
  bench.write(2, 8, { ...OPTIONS, mayForward: false });
  bench.write(3);
  bench.channel.flush();
  assert.deepEqual(
    bench.arrived().map(({ count }) => count),
    [2, 1, 1],
  );
});

test('a full ring makes the channel busy, and what was taken before leaves when there is room', () => {
  const bench = new Bench();
  let taken = 0;
  while (bench.write(taken, 4000) >= 0) {
    taken += 1;
    bench.channel.flush();
  }
  assert.equal(bench.write(taken, 4000), CHANNEL_BUSY);
  assert.ok(bench.later > 0, 'somebody was asked to try again');
  assert.equal(bench.channel.inflight, taken);
  const before = bench.arrived();
  assert.equal(bench.channel.flush(), true);
  const counts = [...before, ...bench.arrived()].map(({ count }) => count);
  assert.equal(
    counts.reduce((sum, count) => sum + count, 0),
    taken,
  );
});

test('what is too large, or comes after the end, is not taken and not answered', () => {
  const bench = new Bench();
  assert.equal(bench.write(0, 8193), CHANNEL_TOO_LARGE);
  assert.equal(bench.channel.claimRead(8193, OPTIONS, bench, 1), CHANNEL_TOO_LARGE);
  bench.write(2);
  bench.channel.stopAdmitting();
  assert.equal(bench.write(3), CHANNEL_CLOSED);
  assert.equal(bench.channel.claimRead(8, OPTIONS, bench, 4), CHANNEL_CLOSED);
  bench.channel.flush();
  bench.results((bench.arrived()[0] as { id: number }).id, 0, ['still answered']);
  assert.deepEqual(bench.drain(), ['2=still answered']);
});

test('the end answers everything: sent writes as unknown, the rest as surely not executed', () => {
  const bench = new Bench();
  bench.write(0);
  bench.channel.flush();
  bench.write(1);
  bench.channel.claimRead(8, OPTIONS, bench, 2);
  bench.channel.close(ErrorNumber.closed);
  assert.deepEqual(bench.drain(), ['0 refused 4', '1 refused 7', '2 refused 7']);
  assert.equal(bench.channel.inflight, 0);
});

test('a sink may ask anew from within its answer', () => {
  const bench = new Bench();
  const again: CompletionSink = {
    result: () => void bench.write(7),
    refused: () => assert.fail('nothing is refused'),
  };
  bench.channel.claimWrite(8, OPTIONS, again, 0);
  bench.channel.flush();
  bench.results((bench.arrived()[0] as { id: number }).id, 0, ['x']);
  bench.drain();
  assert.equal(bench.channel.inflight, 1);
  bench.channel.flush();
  assert.equal(bench.arrived().length, 1);
});

test('a result that no record can hold is refused alone: the command was executed', () => {
  const bench = new Bench();
  for (let token = 0; token < 2; token += 1) bench.write(token);
  bench.channel.flush();
  const [{ id }] = bench.arrived() as [{ id: number; count: number }];
  bench.results(id, 0, ['a']);
  bench.results(id, 1, ['x'.repeat(RING_BYTES / 4)]);
  assert.deepEqual(bench.drain(), ['0=a', `1 refused ${ErrorNumber.replyTooLarge}`]);
});

test('an answer to a read that no record can hold comes in parts and is given out whole', () => {
  const bench = new Bench();
  for (let token = 0; token < 3; token += 1) bench.read(token);
  bench.channel.flush();
  const id = bench.readsArrived();
  const large = Array.from({ length: 400_000 }, (_, i) => `${i % 10}`).join('');
  bench.answer(id, 0, ['a']);
  bench.answer(id, 1, [large]);
  bench.answer(id, 2, ['c']);
  assert.deepEqual(bench.drain(), ['0=a', `1=${large}`, '2=c']);
  assert.equal(bench.channel.inflight, 0);
  assert.deepEqual([...bench.indexes], [READ_AT], 'in parts or whole');
});

test('more parts than the ring has room for arrive in the end, a rejection among them', () => {
  const bench = new Bench();
  bench.read(0);
  bench.read(1);
  bench.channel.flush();
  const id = bench.readsArrived();
  const large = 'x'.repeat(3 * RING_BYTES);
  bench.answer(id, 0, [large]);
  bench.answer(id, 1, [`no${large}`]);
  const answers: string[] = [];
  for (let turn = 0; turn < 20 && answers.length < 2; turn += 1) answers.push(...bench.drain());
  assert.deepEqual(answers, [`0=${large}`, `1!no${large}`]);
  assert.equal(bench.worker.producer.isWaiting, false);
});

test('parts for reads that have expired here are dropped, and what follows is not', () => {
  const bench = new Bench();
  bench.read(0);
  bench.channel.flush();
  const late = bench.readsArrived();
  bench.channel.sweep(OPTIONS.deadline + 1000);
  assert.deepEqual(bench.drain(), [`0 refused ${ErrorNumber.timeout}`]);
  bench.answer(late, 0, ['x'.repeat(RING_BYTES / 4)]);
  bench.read(1);
  bench.channel.flush();
  const large = 'y'.repeat(RING_BYTES / 4);
  bench.answer(bench.readsArrived(), 0, [large]);
  assert.deepEqual(bench.drain(), [`1=${large}`]);
});
