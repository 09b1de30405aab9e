/**
 * A base port from which a whole cluster finds its ports free, so that a crash run meets neither a
 * cluster that is being used nor another crash run.
 */

import { CommandError, ExitCode } from '../cli/exit-codes.js';
import { HOST, portsOf } from '../cluster/cluster-state.js';
import { whyNotFree } from '../cluster/ports.js';

/** Below the range from which systems take the ports of outgoing connections. */
const FIRST = 20_000;
const LAST = 32_000;
const STEP = 10;
const ATTEMPTS_MAX = 200;

/** Peer port of node 1. `start` spreads runs that begin at the same moment. */
export async function freeBasePort(nodes: number, start: number): Promise<number> {
  const slots = Math.floor((LAST - FIRST) / STEP);
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const base = FIRST + ((start + attempt * 17) % slots) * STEP;
    if (await allFree(base, nodes)) return base;
  }
  throw new CommandError(
    ExitCode.failed,
    `no ${nodes} free ports found from ${FIRST} to ${LAST}: name a --base-port`,
  );
}

async function allFree(base: number, nodes: number): Promise<boolean> {
  for (let id = 1; id <= nodes; id++) {
    const { peerPort, clientPort } = portsOf(base, id);
    for (const port of [peerPort, clientPort]) {
      if ((await whyNotFree(HOST, port)) !== undefined) return false;
    }
  }
  return true;
}
