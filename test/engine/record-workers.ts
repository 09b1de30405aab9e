/**
 * Keeps hold of every worker thread that is started after this module was loaded, and of the order
 * in which they start and exit, so that a test can count them or end one behind the engine's back.
 * Modules that import `Worker` see the replacement at once.
 */

import { createRequire, syncBuiltinESMExports } from 'node:module';
import type { Worker as ThreadWorker } from 'node:worker_threads';

const threads = createRequire(import.meta.url)(
  'node:worker_threads',
) as typeof import('node:worker_threads');

interface Started {
  readonly kind: string;
  readonly worker: ThreadWorker;
}

const started: Started[] = [];
const history: string[] = [];

threads.Worker = class extends threads.Worker {
  constructor(...parameters: ConstructorParameters<typeof ThreadWorker>) {
    super(...parameters);
    const { kind = '' } = (parameters[1]?.workerData ?? {}) as { kind?: string };
    started.push({ kind, worker: this });
    history.push(`start ${kind}`);
    this.once('exit', () => history.push(`exit ${kind}`));
  }
};
syncBuiltinESMExports();

/** Kinds of all threads started so far, in order. */
export function startedKinds(): string[] {
  return started.map(({ kind }) => kind);
}

/** Starts and exits since this was last asked, in order: `start io`, `exit io`. */
export function takeHistory(): string[] {
  return history.splice(0);
}

/** The newest thread of this kind: `io`, `bulk`, `consensus` or `transport`. */
export function newestThread(kind: string): ThreadWorker {
  const found = started.findLast((each) => each.kind === kind);
  if (found === undefined) throw new Error(`no ${kind} thread was started`);
  return found.worker;
}
