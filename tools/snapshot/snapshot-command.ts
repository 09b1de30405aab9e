/**
 * `ringraft snapshot [TARGET…]`: has nodes take a snapshot, one after the other, and prints what
 * became of each. Exits with 1 when one that was asked has none.
 *
 * One after the other, so that the disks of a cluster are never all busy with it at once.
 */

import type { Invocation } from '../cli/command.js';
import { CommandError, ExitCode } from '../cli/exit-codes.js';
import { askSnapshot } from './ask-snapshot.js';
import type { snapshotOptions } from './snapshot-options.js';
import { type Outcome, problemOf, snapshotTable } from './snapshot-table.js';
import { targetsOf } from './targets.js';

export async function run(invocation: Invocation<typeof snapshotOptions>): Promise<ExitCode> {
  const { options, positionals, signal, stdout } = invocation;
  const targets = await targetsOf(positionals, options.data);
  if (targets.every(({ notAsked }) => notAsked !== null)) {
    const remedy = `start it with "ringraft cluster start --data ${options.data}"`;
    throw new CommandError(ExitCode.failed, `no node in ${options.data} runs: ${remedy}`);
  }
  const outcomes: Outcome[] = [];
  for (const target of targets) {
    if (signal.aborted) break;
    const { address, notAsked } = target;
    const asked = notAsked === null ? await askSnapshot(address, options.timeout, signal) : null;
    outcomes.push({ target, asked });
  }
  stdout.write(snapshotTable(outcomes));
  if (signal.aborted) return ExitCode.interrupted;
  const failed = outcomes.some((each) => each.asked !== null && problemOf(each) !== null);
  return failed ? ExitCode.failed : ExitCode.ok;
}
