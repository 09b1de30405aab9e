/**
 * Starts worker threads from sibling modules: compiled `.js` beside a compiled caller, or the `.ts`
 * source through dev-boot.mjs when the caller itself runs from source (tsx cannot be reached by
 * `new Worker('x.ts')`). It must never know what a worker does.
 */

import { Worker, type WorkerOptions } from 'node:worker_threads';

export interface WorkerEntry {
  readonly url: URL;
  readonly argv: readonly string[];
}

/** Where the worker module `name` (no extension) beside the module `base` starts. */
export function workerEntry(base: string, name: string): WorkerEntry {
  if (!base.endsWith('.ts')) return { url: new URL(`./${name}.js`, base), argv: [] };
  return {
    url: new URL('./dev-boot.mjs', import.meta.url),
    argv: [new URL(`./${name}.ts`, base).href],
  };
}

/** Use: `spawnWorker(import.meta.url, 'io-worker', { workerData })`. */
export function spawnWorker(base: string, name: string, options: WorkerOptions = {}): Worker {
  const entry = workerEntry(base, name);
  return new Worker(entry.url, { ...options, argv: [...entry.argv, ...(options.argv ?? [])] });
}
