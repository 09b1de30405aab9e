/**
 * Whether the nodes hold the same state after a row: the digest of each, asked of the node itself
 * once it has applied everything that was committed.
 *
 * A row whose nodes differ has measured nothing; it must fail whatever its figures are.
 */

import { askOnce } from './node-client.js';
import type { Node, Nodes } from './nodes.js';

/** Walking a state takes a while when it is large. */
const DIGEST_MS_MAX = 30_000;

export type AskDigest = (node: Node) => Promise<string>;

const askDigest: AskDigest = ({ client }) => askOnce(client, DIGEST_MS_MAX, 'DEBUG', 'DIGEST');

/** In order of the nodes' ids. */
export async function stateDigests(
  nodes: Pick<Nodes, 'all' | 'caughtUp'>,
  ask: AskDigest = askDigest,
): Promise<string[]> {
  await nodes.caughtUp();
  return Promise.all(nodes.all.map(ask));
}

/** What is wrong with them: nothing, when all are the same. */
export function digestProblems(digests: readonly string[]): string[] {
  return new Set(digests).size === 1 ? [] : [`the states differ: ${digests.join(', ')}`];
}
