/**
 * Two real threads over two minimal rings: every record comes back whole, and no wake-up is lost.
 * The worker parks (Atomics.wait), this thread waits on its event loop, as the real main thread.
 */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import test, { after, before } from 'node:test';
import type { Worker } from 'node:worker_threads';
import { Prng } from '../../engine/raft/prng.js';
import { Doorbell, DoorbellSleeper } from '../../workers/ring/doorbell.js';
import { createDoorbells, createRing } from '../../workers/ring/layout.js';
import { RECORD_TAKEN, RingConsumer, RingProducer } from '../../workers/ring/spsc-ring.js';
import { spawnWorker } from '../../workers/spawn.js';
import {
  checkRecord,
  type EchoResult,
  type EchoRun,
  MAIN_BELL,
  recordSize,
  sendRecord,
  spin,
  WORKER_BELL,
} from './echo-run.js';

const LONG_MS = 60_000;
const HANG = { timeout: 30_000 };

let worker: Worker;

before(async () => {
  worker = spawnWorker(import.meta.url, 'echo-worker');
  await once(worker, 'message');
});

after(() => worker.terminate());

interface Settings extends Omit<EchoRun, 'toWorker' | 'toMain' | 'bells'> {
  readonly capacity: number;
  readonly firstCursor: number;
  /** Most records under way at once. */
  readonly inFlight: number;
}

/** Sends every record and awaits every echo; what the worker counted is the result. */
async function echo(settings: Settings): Promise<EchoResult> {
  const { capacity, firstCursor, inFlight, ...run } = settings;
  const work: EchoRun = {
    ...run,
    toWorker: createRing(capacity, firstCursor),
    toMain: createRing(capacity, firstCursor),
    bells: createDoorbells(2),
  };
  const result = once(worker, 'message') as Promise<[EchoResult]>;
  worker.postMessage(work);
  await exchange(work, inFlight);
  return (await result)[0];
}

async function exchange(work: EchoRun, inFlight: number): Promise<void> {
  const outbox = new RingProducer(work.toWorker);
  const inbox = new RingConsumer(work.toMain);
  const bell = new Doorbell(work.bells, WORKER_BELL);
  const prng = new Prng(work.seed + 1);
  let sent = 0;
  let received = 0;
  const maySend = () => sent < work.records && sent - received < inFlight;
  const hasWork = () =>
    inbox.hasRecords() || (maySend() && outbox.hasRoom(recordSize(sent, outbox.payloadBytesMax)));
  const sleeper = new DoorbellSleeper(work.bells, MAIN_BELL, hasWork);
  const check = (kind: number, at: number, bytes: number): boolean => {
    checkRecord(inbox, kind, at, bytes, received);
    received += 1;
    return RECORD_TAKEN;
  };
  while (received < work.records) {
    const taken = inbox.drain(check, 64);
    while (maySend() && sendRecord(outbox, sent)) sent += 1;
    spin(prng, work.spinMax);
    const published = outbox.commit();
    spin(prng, work.spinMax);
    if (published || taken > 0) bell.ring();
    else await sleeper.parkAsync();
  }
}

test(
  '300,000 records of random sizes cross minimal rings both ways, whole and in order',
  HANG,
  async () => {
    const result = await echo({
      capacity: 1024,
      firstCursor: 2 ** 32 - 1024 * 64,
      records: 300_000,
      inFlight: Number.POSITIVE_INFINITY,
      parkMs: LONG_MS,
      spinMax: 0,
      seed: 1,
    });
    assert.equal(result.timeouts, 0, 'nothing but rings woke the worker');
  },
);

test(
  'no wake-up is lost between one record and its answer, whatever the delays',
  HANG,
  async () => {
    const result = await echo({
      capacity: 128,
      firstCursor: 2 ** 31 - 1024,
      records: 15_000,
      inFlight: 1,
      parkMs: LONG_MS,
      spinMax: 4_000,
      seed: 2,
    });
    assert.ok(result.rung > 0, 'the worker slept at least once');
    assert.deepEqual({ ...result, rung: 0 }, { rung: 0, timeouts: 0, lateWork: 0, missedRings: 0 });
  },
);

test('deadlines that race with rings are never mistaken for missed rings', HANG, async () => {
  const result = await echo({
    capacity: 128,
    firstCursor: 0,
    records: 300,
    inFlight: 1,
    parkMs: 3,
    spinMax: 2_000_000,
    seed: 3,
  });
  assert.ok(result.timeouts > 0, 'deadlines did pass');
  assert.equal(result.missedRings, 0);
});
