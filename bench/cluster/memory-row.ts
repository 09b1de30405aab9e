/**
 * Memory at rest: resident size of the largest of three nodes that have just started and have had
 * nothing to do for some seconds.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Nodes } from './nodes.js';
import { rssBytes } from './process-figures.js';
import type { Measured } from './rows.js';

const REST_MS = 5000;
const MIB = 1024 * 1024;

/** `start` gives fresh nodes; every run has its own. */
export async function measureMemory(
  start: () => Promise<Nodes>,
  runs: number,
  signal: AbortSignal,
): Promise<Measured> {
  const sizes: number[][] = [];
  for (let run = 0; run < runs; run += 1) {
    const nodes = await start();
    try {
      await sleep(REST_MS, undefined, { signal });
      sizes.push(nodes.pids.map((pid) => (rssBytes(pid) ?? Number.NaN) / MIB));
    } finally {
      await nodes.close();
    }
  }
  return {
    runs: sizes.map((ofNodes) => Math.max(...ofNodes)),
    problems: [],
    detail: { restMs: REST_MS, nodesMiB: sizes },
  };
}
