/**
 * Failover: the leader is killed with -9, and the time counts until one of the others has
 * acknowledged a write that was sent after the kill. The killed node is started again and catches
 * up before the next kill; after the last one the three states must be equal.
 *
 * Probes go to both survivors every few milliseconds, each over a connection that owes nothing, so
 * that a write which waits never hides one that would have gone through.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { CommandError, ExitCode } from '../../tools/cli/exit-codes.js';
import type { Address } from '../../tools/cli/value-rules.js';
import { NodeClient } from './node-client.js';
import type { Node, Nodes } from './nodes.js';
import type { Measured } from './rows.js';
import { digestProblems, stateDigests } from './state-digests.js';

const KILLS = 10;
const PROBE_MS = 5;
const CONNECTIONS_MAX = 200;
const GIVE_UP_MS = 30_000;
/** Between catching up and the next kill: elections and connections have settled. */
const SETTLE_MS = 1000;

export async function measureFailover(
  nodes: Nodes,
  signal: AbortSignal,
  onKill: (kill: number, ms: number) => void,
): Promise<Measured> {
  const times: number[] = [];
  for (let kill = 1; kill <= KILLS; kill += 1) {
    await sleep(SETTLE_MS, undefined, { signal });
    const leader = await nodes.leader();
    const survivors = nodes.all.filter((node) => node !== leader);
    const ms = await killAndProbe(nodes, leader, survivors, kill);
    times.push(ms);
    onKill(kill, ms);
    await nodes.gone(leader);
    nodes.launch(leader);
    await nodes.leader();
    await nodes.caughtUp();
  }
  const digests = await stateDigests(nodes);
  return {
    runs: times,
    problems: digestProblems(digests),
    detail: { kills: KILLS, probeMs: PROBE_MS, digest: digests[0] ?? null },
  };
}

async function killAndProbe(
  nodes: Nodes,
  leader: Node,
  survivors: readonly Node[],
  kill: number,
): Promise<number> {
  const probes = survivors.map(({ client }) => new Probes(client, `failover-${kill}`));
  try {
    // Connections stand before the kill, as a client's would.
    await Promise.all(probes.map((one) => one.ready()));
    const killedAt = nodes.kill(leader);
    const acknowledgedAt = await firstAcknowledged(probes, killedAt + GIVE_UP_MS);
    return acknowledgedAt - killedAt;
  } finally {
    for (const one of probes) one.close();
  }
}

async function firstAcknowledged(probes: readonly Probes[], deadline: number): Promise<number> {
  for (;;) {
    for (const one of probes) one.send();
    await sleep(PROBE_MS);
    const times = probes.flatMap(({ acknowledgedAt }) => acknowledgedAt ?? []);
    if (times.length > 0) return Math.min(...times);
    if (performance.now() > deadline) {
      const seconds = GIVE_UP_MS / 1000;
      throw new CommandError(
        ExitCode.timeout,
        `no write went through within ${seconds} s of a kill`,
      );
    }
  }
}

/** Writes to one node, each over an idle connection. */
class Probes {
  /** When the first acknowledgement arrived. */
  acknowledgedAt: number | null = null;
  readonly #address: Address;
  readonly #key: string;
  readonly #clients: NodeClient[] = [];
  #sent = 0;

  constructor(address: Address, key: string) {
    this.#address = address;
    this.#key = key;
  }

  async ready(): Promise<void> {
    await this.#idle()?.ask('PING');
  }

  send(): void {
    const client = this.#idle();
    if (client === null) return;
    this.#sent += 1;
    client.ask('SET', this.#key, String(this.#sent)).then(
      (reply) => {
        if (reply === 'OK') this.acknowledgedAt ??= performance.now();
      },
      // The node may close a connection, but it is the other one's turn to answer then.
      () => undefined,
    );
  }

  close(): void {
    for (const client of this.#clients) client.close();
  }

  #idle(): NodeClient | null {
    const idle = this.#clients.find((client) => client.idle);
    if (idle !== undefined) return idle;
    if (this.#clients.filter((client) => client.open).length >= CONNECTIONS_MAX) return null;
    const client = new NodeClient(this.#address);
    this.#clients.push(client);
    return client;
  }
}
