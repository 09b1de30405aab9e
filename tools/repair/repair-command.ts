/**
 * `ringraft repair DATA`: sets the damaged part of a data directory aside and makes a new, empty
 * replica of it, which rejoins its cluster.
 *
 * It runs under the directory's lock, so never beside its node, and leaves an undamaged directory
 * alone. It must never delete anything.
 */

import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { DataDirectoryError } from '../../io/data-directory-error.js';
import { DataLockedError } from '../../io/data-lock.js';
import { DiskError } from '../../io/disk/disk.js';
import { NodeDisk } from '../../io/disk/node-disk.js';
import { randomU48 } from '../../io/identity.js';
import { openLocked } from '../../io/locked-directory.js';
import { type Electorate, type Examination, examine } from '../../io/repair/examine.js';
import { refusalOf } from '../../io/repair/refusal.js';
import { type Repaired, setAside } from '../../io/repair/set-aside.js';
import { WalError } from '../../io/wal/wal-errors.js';
import type { Invocation } from '../cli/command.js';
import { CommandError, ExitCode } from '../cli/exit-codes.js';
import type { repairOptions } from './repair-options.js';

type RepairInvocation = Invocation<typeof repairOptions>;

export async function run(invocation: RepairInvocation): Promise<ExitCode> {
  const path = resolve(invocation.positionals[0] as string);
  if (!existsSync(path)) {
    throw new CommandError(ExitCode.failed, `${path} does not exist: give a node's data directory`);
  }
  try {
    return await repair(invocation, path);
  } catch (error) {
    const isRefusal = error instanceof DataLockedError || error instanceof DataDirectoryError;
    if (!isRefusal && !(error instanceof WalError) && !(error instanceof DiskError)) throw error;
    throw new CommandError(ExitCode.failed, `not repaired: ${error.message}`, error);
  }
}

async function repair({ options, stdout }: RepairInvocation, path: string): Promise<ExitCode> {
  const disk = new NodeDisk();
  const walDir = options['wal-dir'] === undefined ? null : resolve(options['wal-dir']);
  const recorded = examine(disk, path, walDir).paths;
  const separate = recorded.walMeta === null ? null : recorded.wal;
  const { lock, opened: code } = await openLocked(path, separate, () => {
    const found = examine(disk, path, walDir);
    const print = (line: string): unknown => stdout.write(`${line}\n`);
    if (found.damage.length === 0) {
      print(`${path}: nothing to repair`);
      return ExitCode.ok;
    }
    for (const line of findings(path, found)) print(line);
    const refusal = refusalOf(found, options.force);
    if (refusal !== null) throw new CommandError(ExitCode.failed, `not repaired: ${refusal}.`);
    if (options['dry-run']) {
      print('Dry run: nothing was changed. Without --dry-run all of this is set aside, and a new,');
      print('empty replica takes its place.');
      return ExitCode.ok;
    }
    const done = setAside(disk, found, { randomU48, nowMs: Date.now() });
    for (const line of outcome(found, done)) print(line);
    return ExitCode.ok;
  });
  await lock.release();
  return code;
}

function votersOf({ voters, outgoing }: Electorate): number[] {
  return [...new Set([...voters, ...outgoing])];
}

function findings(
  path: string,
  { damage, whose, meta, electorates, remains }: Examination,
): string[] {
  const name = (group: number): string => meta?.groups[group] ?? `number ${group}`;
  const groups = [...electorates].map(([group, who]) => {
    const list = who === null ? 'unknown' : votersOf(who).join(' ');
    return `  group ${name(group)}: voters ${list}`;
  });
  const owner = whose === null ? 'unknown' : `cluster ${whose.clusterId}, node ${whose.nodeId}`;
  return [
    `${path} is damaged:`,
    ...damage.map((text) => `  ${text}`),
    `It belongs to: ${owner}`,
    ...groups,
    `Highest term found in it: ${remains.termMax}`,
  ];
}

function outcome({ meta: before }: Examination, { aside, meta, term }: Repaired): string[] {
  const moved = aside.map(({ directory, names }) => `  ${directory}: ${names.join(' ')}`);
  const was = before === null ? 'unknown' : String(before.incarnation);
  const made =
    meta === null
      ? ['Nothing was made: the next start makes a new, empty replica here.']
      : [
          `Made: incarnation ${meta.incarnation} (was ${was}), and an empty log in term ${term},`,
          'in which this node votes for nobody.',
        ];
  return [
    'Set aside:',
    ...moved,
    ...made,
    'Next: start the node by its usual command. It catches up from the others, and votes and',
    'counts again once they, a majority, have readmitted it; STATUS says how it stands. Keep',
    'the files that were set aside until then.',
  ];
}
