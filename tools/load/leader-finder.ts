/**
 * Finds the leader among the targets by asking all of them at once, again and again until one says
 * it leads. Two that say so are told apart by their term.
 *
 * It must never keep a connection: whoever asks may be asking about nodes that are being killed.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { CommandError, ExitCode } from '../cli/exit-codes.js';
import { type Address, printAddress } from '../cli/value-rules.js';
import { askNode, type NodeStatus } from './node-status.js';

const ASK_TIMEOUT_MS = 1000;
const ROUND_PAUSE_MS = 25;

/** The leader by these answers. A lone target is taken as it is: there is nobody else to ask. */
export function chooseLeader(answers: readonly (NodeStatus | undefined)[]): NodeStatus | undefined {
  const known = answers.filter((answer) => answer !== undefined);
  if (answers.length === 1) return known[0];
  return known
    .filter(({ role }) => role === 'leader')
    .reduce<NodeStatus | undefined>(
      (best, one) => (best === undefined || one.term > best.term ? one : best),
      undefined,
    );
}

export async function askAll(targets: readonly Address[]): Promise<(NodeStatus | undefined)[]> {
  return Promise.all(targets.map((target) => askNode(target, ASK_TIMEOUT_MS)));
}

/**
 * Waits for a leader. Rejects with `noLeader` or `cannotConnect` after `timeoutMs`, or on abort.
 */
export async function findLeader(
  targets: readonly Address[],
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<NodeStatus> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    signal?.throwIfAborted();
    const answers = await askAll(targets);
    const leader = chooseLeader(answers);
    if (leader !== undefined) return leader;
    if (performance.now() >= deadline) throw noLeader(targets, answers, timeoutMs);
    await sleep(ROUND_PAUSE_MS);
  }
}

function noLeader(
  targets: readonly Address[],
  answers: readonly (NodeStatus | undefined)[],
  timeoutMs: number,
): CommandError {
  const seconds = `${timeoutMs / 1000} s`;
  const known = answers.filter((answer) => answer !== undefined);
  if (known.length === 0) {
    const list = targets.map(printAddress).join(', ');
    return new CommandError(
      ExitCode.cannotConnect,
      `none of ${list} answers after ${seconds}: are these the nodes' client ports?`,
    );
  }
  const seen = known.map(({ address, role, leaderId }) => {
    const leads = leaderId > 0 ? `, follows node ${leaderId}` : '';
    return `${printAddress(address)} is ${role}${leads}`;
  });
  return new CommandError(
    ExitCode.noLeader,
    `no leader among the targets after ${seconds} (${seen.join('; ')}): ` +
      'name all nodes in --targets',
  );
}
