/**
 * Threads that do nothing but start, look at the stop word and end: in place of the real ones, so
 * that a test sees in what order a supervisor ends them, and can have one that never does.
 *
 * Loaded once: every `Worker` made afterwards in this process is a stand-in.
 */

import { createRequire, syncBuiltinESMExports } from 'node:module';
import type { Worker as ThreadWorker, WorkerOptions } from 'node:worker_threads';
import { StopStage } from '../../workers/topology.js';

const threads = createRequire(import.meta.url)(
  'node:worker_threads',
) as typeof import('node:worker_threads');

export type Kind = 'io' | 'bulk' | 'consensus' | 'transport';
export const KINDS = ['io', 'bulk', 'consensus', 'transport'] as const;

/** `deaf` never ends by itself, `mute` never says its first word either. */
type Manner = 'obedient' | 'deaf' | 'mute';

const STAGES: Readonly<Record<Kind, number>> = {
  io: StopStage.disk,
  bulk: StopStage.disk,
  consensus: StopStage.consensus,
  transport: StopStage.transport,
};
const EVENTS_MAX = 64;
/** Word 0 counts events; then thread kind and what it did, in one number each. */
const log = new Int32Array(new SharedArrayBuffer(4 * (1 + EVENTS_MAX)));
const DEEDS = ['started', 'told', 'ended'] as const;
const manners = new Map<Kind, Manner>();

/** How threads of this kind behave from now on. */
export function behave(kind: Kind, manner: Manner): void {
  manners.set(kind, manner);
}

/** What all threads did since this was last asked, in order: `told io`, `ended io`. */
export function takeDeeds(): string[] {
  const events = Array.from(log.subarray(1, 1 + (log[0] as number)));
  log.fill(0);
  return events.map((event) => `${DEEDS[event % 4]} ${KINDS[event >> 2]}`);
}

/** An obedient thread ends a moment after it was told, so that nobody is early by luck. */
const SCRIPT = `
  const { parentPort, workerData } = require('node:worker_threads');
  const { log, kind, stage, manner } = workerData.standIn;
  const note = (deed) => {
    const place = Atomics.add(log, 0, 1);
    log[1 + place] = kind * 4 + deed;
  };
  parentPort.once('message', ({ memory }) => {
    const stop = new Int32Array(memory.stop);
    note(0);
    if (manner !== 'mute') parentPort.postMessage({ kind: 'ready' });
    const look = setInterval(() => {
      if (manner !== 'obedient' || Atomics.load(stop, 0) < stage) return;
      clearInterval(look);
      note(1);
      setTimeout(() => {
        note(2);
        process.exit();
      }, 20);
    }, 1);
  });
`;

threads.Worker = class extends threads.Worker {
  constructor(_: string | URL, options: WorkerOptions = {}) {
    const { kind } = options.workerData as { kind: Kind };
    const manner = manners.get(kind) ?? 'obedient';
    const standIn = { log, kind: KINDS.indexOf(kind), stage: STAGES[kind], manner };
    super(SCRIPT, { eval: true, workerData: { ...options.workerData, standIn } });
  }
} as typeof ThreadWorker;
syncBuiltinESMExports();
