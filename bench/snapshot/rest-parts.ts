/**
 * The rows at rest: how fast a node without data catches up, how long a restart takes with a long
 * log.
 */

import { rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { askOnce, parseInfo } from '../cluster/node-client.js';
import type { Node, Nodes } from '../cluster/nodes.js';
import { imageBytesOf, madeAtMs, newestFile } from './snapshot-files.js';
import type { Measured } from './snapshot-rows.js';
import { takeSnapshot } from './take-snapshots.js';

const POLL_MS = 5;
const ASK_MS = 60_000;
const GIVE_UP_MS = 300_000;

async function appliedOf({ client }: Node): Promise<number> {
  return Number(parseInfo(await askOnce(client, ASK_MS, 'INFO')).get('last_applied'));
}

const digestOf = ({ client }: Node): Promise<string> => askOnce(client, ASK_MS, 'DEBUG', 'DIGEST');

/** A follower loses its data and starts anew: from the first byte it fetches to all applied. */
export async function measureCatchUp(
  nodes: Nodes,
  runs: number,
  signal: AbortSignal,
): Promise<Measured> {
  const rates: number[] = [];
  const all: unknown[] = [];
  for (let run = 0; run < runs; run += 1) {
    const leader = await nodes.leader();
    // Always the same one: a member whose data is new does not vote at once, and two would be most.
    const node = nodes.all.find((one) => one !== leader) as Node;
    // The log must not reach back to its beginning: it does up to the second snapshot.
    for (let taken = 0; taken < 2; taken += 1) {
      await askOnce(leader.client, ASK_MS, 'SET', `catch-up-${run}`, String(taken));
      await takeSnapshot(leader, signal);
    }
    const file = newestFile(leader);
    if (file === undefined) throw new Error('the leader has no snapshot');
    const imageBytes = imageBytesOf(file);
    nodes.kill(node);
    await nodes.gone(node);
    rmSync(node.directory, { recursive: true, force: true });
    const launchedAt = Date.now();
    nodes.launch(node);
    await untilCaughtUp(node, leader, signal);
    const endedAt = Date.now();
    // The file was made when the first of it came, and has only been renamed since.
    const began = newestFile(node);
    if (began === undefined) throw new Error(`node ${node.id} caught up without a snapshot`);
    const seconds = (endedAt - madeAtMs(began)) / 1000;
    rates.push(imageBytes / 1e6 / seconds);
    const secondsFromLaunch = (endedAt - launchedAt) / 1000;
    all.push({ node: node.id, imageBytes, seconds, secondsFromLaunch });
  }
  const digests = new Set(await Promise.all(nodes.all.map(digestOf)));
  const problems = digests.size === 1 ? [] : [`the states differ: ${[...digests].join(', ')}`];
  return { runs: rates, problems, detail: { all } };
}

async function untilCaughtUp(node: Node, leader: Node, signal: AbortSignal): Promise<void> {
  const goal = await appliedOf(leader);
  const began = performance.now();
  while (!((await appliedOf(node).catch(() => 0)) >= goal)) {
    await sleep(POLL_MS, undefined, { signal });
    if (performance.now() - began > GIVE_UP_MS) {
      throw new Error(`node ${node.id} has not caught up within ${GIVE_UP_MS / 1000} s`);
    }
  }
}

/**
 * The log has an entry for each key and there is no snapshot: a follower is killed and started, and
 * asked how many keys there are, which is a linearizable read of all.
 */
export async function measureRestart(
  nodes: Nodes,
  keys: number,
  runs: number,
  signal: AbortSignal,
): Promise<Measured> {
  await nodes.caughtUp();
  const times: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    const leader = await nodes.leader();
    const followers = nodes.all.filter((node) => node !== leader);
    const node = followers[run % followers.length] as Node;
    nodes.kill(node);
    await nodes.gone(node);
    const began = performance.now();
    nodes.launch(node);
    await untilAllRead(node, keys, signal);
    times.push((performance.now() - began) / 1000);
    await nodes.leader();
  }
  return { runs: times, problems: [], detail: { entries: keys } };
}

async function untilAllRead({ id, client }: Node, keys: number, signal: AbortSignal) {
  const began = performance.now();
  for (;;) {
    const size = await askOnce(client, ASK_MS, 'DBSIZE').catch(() => '');
    if (Number(size) >= keys) return;
    if (size !== '' && Number(size) > 0) {
      throw new Error(`node ${id} answered ${size} of ${keys} keys to a linearizable read`);
    }
    if (performance.now() - began > GIVE_UP_MS)
      throw new Error(`node ${id} serves no read: ${size}`);
    await sleep(POLL_MS, undefined, { signal });
  }
}
