/**
 * The other thread of two-threads.test.ts: checks every record, sends it back, parks. It owns no
 * event loop during a run, as the real workers; between runs it waits for the next run's message.
 */

import { parentPort } from 'node:worker_threads';
import { Prng } from '../../engine/raft/prng.js';
import { Doorbell, DoorbellSleeper } from '../../workers/ring/doorbell.js';
import {
  RECORD_LEFT,
  RECORD_TAKEN,
  RING_FULL,
  RingConsumer,
  RingProducer,
} from '../../workers/ring/spsc-ring.js';
import { checkRecord, type EchoResult, type EchoRun, spin, WORKER_BELL } from './echo-run.js';

function run(work: EchoRun): EchoResult {
  const inbox = new RingConsumer(work.toWorker);
  const outbox = new RingProducer(work.toMain);
  const mainBell = new Doorbell(work.bells, 1 - WORKER_BELL);
  const prng = new Prng(work.seed);
  let echoed = 0;
  let blockedBytes = 0;
  const sleeper = new DoorbellSleeper(
    work.bells,
    WORKER_BELL,
    () => inbox.hasRecords() && outbox.hasRoom(blockedBytes),
  );
  const echo = (kind: number, at: number, bytes: number): boolean => {
    const to = outbox.tryClaim(kind, bytes);
    blockedBytes = to === RING_FULL ? bytes : 0;
    if (to === RING_FULL) return RECORD_LEFT;
    checkRecord(inbox, kind, at, bytes, echoed);
    inbox.bytes.copy(outbox.bytes, to, at, at + bytes);
    echoed += 1;
    return RECORD_TAKEN;
  };
  while (echoed < work.records) {
    const moved = inbox.drain(echo, 64);
    spin(prng, work.spinMax);
    outbox.commit();
    spin(prng, work.spinMax);
    if (moved > 0) mainBell.ring();
    else sleeper.park(work.parkMs);
  }
  const { rung, timeouts, lateWork, missedRings } = sleeper;
  return { rung, timeouts, lateWork, missedRings };
}

parentPort!.on('message', (work: EchoRun) => parentPort!.postMessage(run(work)));
parentPort!.postMessage('ready');
