/**
 * Free ports for nodes that are about to be started: where no outgoing connection takes them first,
 * and where neither a cluster that is being used nor another run has its own.
 *
 * A port is checked by listening on it for a moment. That another process takes it before the node
 * does cannot be ruled out here, only that the system itself hands it out meanwhile.
 */

import { readFileSync } from 'node:fs';
import { CommandError, ExitCode } from '../cli/exit-codes.js';
import { HOST, portsOf } from './cluster-state.js';
import { whyNotFree } from './ports.js';

/** Ports `[first, end)`. */
export interface PortRange {
  readonly first: number;
  readonly end: number;
}

const EPHEMERAL_PATH = '/proc/sys/net/ipv4/ip_local_port_range';
/** Above what services are usually given, below what systems usually take for connections. */
const USUAL: PortRange = { first: 10_000, end: 32_768 };
const PORTS_END = 65_536;
/** Fewer than this are not worth a choice. */
const PORTS_MIN = 4000;
const STEP = 10;
const ATTEMPTS_MAX = 200;

/**
 * Ports that the system takes for no outgoing connection, by its own `ephemeral` range: two
 * numbers, first and last, as Linux shows them; null where it shows none.
 */
export function listeningRange(ephemeral: string | null): PortRange {
  const [low = 0, high = 0] = (ephemeral ?? '').trim().split(/\s+/).map(Number);
  if (!(low > 0 && high >= low)) return USUAL;
  const below = { first: USUAL.first, end: Math.min(USUAL.end, low) };
  if (below.end - below.first >= PORTS_MIN) return below;
  const above = { first: high + 1, end: PORTS_END };
  // With hardly a port outside of it any choice is a guess.
  return above.end - above.first >= PORTS_MIN ? above : USUAL;
}

function rangeHere(): PortRange {
  try {
    return listeningRange(readFileSync(EPHEMERAL_PATH, 'utf8'));
  } catch {
    return listeningRange(null);
  }
}

/** `count` ports, all different, from a random place on: runs that begin together are spread. */
export async function freePorts(count: number): Promise<number[]> {
  const { first, end } = rangeHere();
  const start = Math.floor(Math.random() * (end - first));
  const ports: number[] = [];
  for (let tried = 0; tried < end - first; tried += 1) {
    if (ports.length === count) return ports;
    const port = first + ((start + tried) % (end - first));
    if ((await whyNotFree(HOST, port)) === undefined) ports.push(port);
  }
  throw new CommandError(
    ExitCode.failed,
    `${count} free ports are needed and ${ports.length} are found from ${first} to ${end - 1}: ` +
      'end processes that listen there',
  );
}

/** Peer port of node 1. `start` spreads runs that begin at the same moment. */
export async function freeBasePort(nodes: number, start: number): Promise<number> {
  const { first, end } = rangeHere();
  const { clientPort } = portsOf(0, nodes);
  const slots = Math.floor((end - first - clientPort) / STEP);
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const base = first + ((start + attempt * 17) % slots) * STEP;
    if (await allFree(base, nodes)) return base;
  }
  throw new CommandError(
    ExitCode.failed,
    `no ${nodes} free ports found from ${first} to ${end - 1}: name a --base-port`,
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
