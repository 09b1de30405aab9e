/**
 * `ringraft cluster add`: starts one more node on this machine and adds it; `add ID` adds one that
 * was removed, `add ID ADDRESS` one that runs elsewhere, or moves a member to another address.
 *
 * It returns when the node votes (`--learner`: when it follows), and tells meanwhile how far it is.
 * A change that was begun goes on when this command ends.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Invocation, Output } from '../cli/command.js';
import { CommandError, ExitCode } from '../cli/exit-codes.js';
import { parseAddress, printAddress } from '../cli/value-rules.js';
import { learnerInWords } from '../load/learner-words.js';
import { type AskBounds, askLeader } from './ask-leader.js';
import { Cluster } from './cluster.js';
import { type addOptions, memberId } from './cluster-options.js';
import { HOST } from './cluster-state.js';
import { leaderOf, type NodeView } from './node-view.js';
import { waitAnswering } from './readiness.js';
import { seconds } from './wording.js';

const TELL_MS = 1000;

interface Named {
  readonly id: number;
  readonly address: string;
}

export async function run(invocation: Invocation<typeof addOptions>): Promise<ExitCode> {
  const { options, positionals, stdout, signal } = invocation;
  const cluster = new Cluster(options.data);
  const bounds = { timeoutMs: options.timeout, signal };
  const named = namedNode(cluster, positionals);
  const { id, address } = named ?? cluster.nextNode();
  const words = ['ADD', String(id), address, ...(options.learner ? ['LEARNER'] : [])];
  if (options['dry-run']) {
    stdout.write(`${await askLeader(cluster, [...words, 'DRYRUN'], bounds)}\n`);
    return ExitCode.ok;
  }
  const begun = performance.now();
  // Who cannot be added is not started either: a leader says why.
  if (named === undefined) {
    await askLeader(cluster, [...words, 'DRYRUN'], bounds);
    const { clientPort, process } = await cluster.startNext();
    stdout.write(
      `node ${id} started: pid ${process?.pid}, peers ${address}, clients ${clientPort}\n`,
    );
    await waitAnswering(cluster, id, bounds);
  }
  await addAndTell(cluster, { id, address }, words, bounds, stdout);
  if (cluster.ids().includes(id)) await cluster.setMembership(id, 'joined');
  const as = options.learner ? 'a learner' : 'a voter';
  stdout.write(`node ${id} at ${address} is ${as} after ${seconds(performance.now() - begun)}\n`);
  return ExitCode.ok;
}

/** Whom the words name; undefined: one more node. */
function namedNode(cluster: Cluster, [idWord, addressWord]: readonly string[]): Named | undefined {
  if (idWord === undefined) return undefined;
  const id = memberId(idWord);
  if (addressWord === undefined) {
    if (cluster.ids().includes(id)) {
      return { id, address: printAddress({ host: HOST, port: cluster.node(id).peerPort }) };
    }
    throw new CommandError(
      ExitCode.usage,
      `node ${id} is none of ${cluster.dataDir}: name the address where peers reach it, such as ` +
        `"add ${id} 10.0.0.${id}:5001", or say "add" alone to start one more here`,
    );
  }
  const address = parseAddress(addressWord);
  if (address !== undefined && address.port > 0) return { id, address: printAddress(address) };
  throw new CommandError(
    ExitCode.usage,
    `"${addressWord}" is no address of node ${id}: it must be HOST:PORT, where peers reach it`,
  );
}

async function addAndTell(
  cluster: Cluster,
  { id }: Named,
  words: readonly string[],
  bounds: AskBounds,
  stdout: Output,
): Promise<void> {
  const over = new AbortController();
  const telling = tellProgress(cluster, id, over.signal, stdout);
  try {
    await askLeader(cluster, words, bounds);
  } finally {
    over.abort();
    await telling;
  }
}

/** A line now and then, as long as it is not there yet. */
async function tellProgress(
  cluster: Cluster,
  id: number,
  over: AbortSignal,
  stdout: Output,
): Promise<void> {
  for (;;) {
    await sleep(TELL_MS, undefined, { signal: over }).catch(() => undefined);
    if (over.aborted) return;
    const line = progressLine(await cluster.views(), id);
    if (line !== null && !over.aborted) stdout.write(`${line}\n`);
  }
}

/** How far a node that catches up is, by the word of the leader; null when it does not say. */
export function progressLine(views: readonly NodeView[], id: number): string | null {
  const learner = leaderOf(views)?.status?.learners.find((each) => each.id === id);
  return learner === undefined ? null : `node ${id} is ${learnerInWords(learner)}`;
}
