/**
 * Which client ports `ringraft snapshot` asks: those that are named, else those of the cluster in
 * the data directory, else the first three ports that a cluster uses by default.
 *
 * Nodes of a cluster that do not run are told apart from those that do: nobody can ask them.
 */

import { CommandError, ExitCode } from '../cli/exit-codes.js';
import { type Address, parseAddress } from '../cli/value-rules.js';
import { Cluster } from '../cluster/cluster.js';
import { HOST } from '../cluster/cluster-state.js';
import { isUp } from '../cluster/node-view.js';

export interface Target {
  readonly address: Address;
  /** 0 until the node says. */
  readonly nodeId: number;
  /** Why the node is not asked; null when it is. */
  readonly notAsked: string | null;
}

const DEFAULT_PORTS = [5101, 5102, 5103];

const PORT = /^\d{1,5}$/;

/** `HOST:PORT`, or a port of this machine. */
function parseTarget(word: string): Address {
  const address = parseAddress(PORT.test(word) ? `${HOST}:${word}` : word);
  if (address !== undefined) return address;
  throw new CommandError(
    ExitCode.usage,
    `"${word}" is no client port: it must be HOST:PORT or a port, such as 127.0.0.1:5101`,
  );
}

const asked = (address: Address): Target => ({ address, nodeId: 0, notAsked: null });

export async function targetsOf(words: readonly string[], dataDir: string): Promise<Target[]> {
  if (words.length > 0) return words.map((word) => asked(parseTarget(word)));
  const cluster = new Cluster(dataDir);
  if (!cluster.exists()) return DEFAULT_PORTS.map((port) => asked({ host: HOST, port }));
  const views = await cluster.views();
  return views.map((view) => ({
    address: parseTarget(view.client),
    nodeId: view.id,
    notAsked: isUp(view) ? null : `not asked: ${view.state}`,
  }));
}
