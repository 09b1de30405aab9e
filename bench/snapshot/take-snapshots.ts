/**
 * Has nodes take snapshots at given moments, and says how long each took: from the command to the
 * file under its own name.
 *
 * The command may answer at once or when the snapshot is complete: the file alone counts. One node
 * takes one at a time; the next waits for it.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { ReplyError } from '../../codec/resp/reply-value.js';
import { NodeClient } from '../cluster/node-client.js';
import type { Node } from '../cluster/nodes.js';
import { newestFile } from './snapshot-files.js';

const POLL_MS = 20;
const GIVE_UP_MS = 120_000;

export interface Taken {
  readonly node: number;
  readonly seconds: number;
  readonly index: number;
}

/** Takes one and resolves when its file is complete; rejects when the node refuses. */
export async function takeSnapshot(node: Node, signal: AbortSignal): Promise<Taken> {
  const before = newestFile(node)?.point.index ?? 0;
  const client = new NodeClient(node.client);
  let refused: Error | null = null;
  const began = performance.now();
  client.ask('SNAPSHOT').then(
    (reply) => {
      if (reply instanceof ReplyError) refused = new Error(`node ${node.id}: ${reply.message}`);
    },
    (error: Error) => {
      refused = error;
    },
  );
  try {
    for (;;) {
      const newest = newestFile(node)?.point.index ?? 0;
      const seconds = (performance.now() - began) / 1000;
      if (newest > before) return { node: node.id, seconds, index: newest };
      if (refused !== null) throw refused;
      if (seconds * 1000 > GIVE_UP_MS) throw new Error(`node ${node.id} took none in ${seconds} s`);
      await sleep(POLL_MS, undefined, { signal });
    }
  } finally {
    client.close();
  }
}

/** `count` of them on every node, the first at once, the others `everyMs` after one another. */
export async function takeEvery(
  nodes: readonly Node[],
  count: number,
  everyMs: number,
  signal: AbortSignal,
): Promise<Taken[]> {
  const began = performance.now();
  const ofNode = async (node: Node): Promise<Taken[]> => {
    const taken: Taken[] = [];
    for (let at = 0; at < count; at += 1) {
      const wait = began + at * everyMs - performance.now();
      if (wait > 0) await sleep(wait, undefined, { signal });
      taken.push(await takeSnapshot(node, signal));
    }
    return taken;
  };
  return (await Promise.all(nodes.map(ofNode))).flat();
}
