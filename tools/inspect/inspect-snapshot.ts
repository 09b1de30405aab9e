/**
 * `ringraft inspect snapshot PATH`: snapshot files as text, every byte of them verified.
 *
 * A file prints its header, its chunks if asked for, its footer and the verdict; a directory prints
 * a line for each of its files. It only reads, and damage ends in exit code 1. Images are never
 * printed.
 */

import { statSync } from 'node:fs';
import { join } from 'node:path';
import { DiskError } from '../../io/disk/disk.js';
import { NodeDisk } from '../../io/disk/node-disk.js';
import { describeSnapshot, describeSnapshots, snapshotFiles } from '../../io/snapshots/describe.js';
import type { Invocation } from '../cli/command.js';
import { CommandError, ExitCode } from '../cli/exit-codes.js';
import type { inspectSnapshotOptions } from './inspect-options.js';

function isDirectory(path: string): boolean {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat !== undefined) return stat.isDirectory();
  throw new CommandError(
    ExitCode.failed,
    `${path} does not exist: give a snapshot (DATA/snapshots/*.snapshot), DATA/snapshots or DATA`,
  );
}

/** The directory of snapshots that a directory is, or has. */
function snapshotDirectory(disk: NodeDisk, path: string): string {
  if (snapshotFiles(disk, path).length > 0) return path;
  const inside = join(path, 'snapshots');
  if (disk.exists(inside) && snapshotFiles(disk, inside).length > 0) return inside;
  throw new CommandError(ExitCode.failed, `${path} holds no *.snapshot file`);
}

export async function run(
  invocation: Invocation<typeof inspectSnapshotOptions>,
): Promise<ExitCode> {
  const { options, positionals, stdout } = invocation;
  const disk = new NodeDisk();
  const print = (line: string): unknown => stdout.write(`${line}\n`);
  const bad: string[] = [];
  for (const given of positionals) {
    try {
      if (isDirectory(given)) {
        const directory = snapshotDirectory(disk, given);
        print(`# ${directory}`);
        for (const [path, verdict] of describeSnapshots(disk, directory, print)) {
          if (verdict !== null) bad.push(`${path}: ${verdict}`);
        }
        continue;
      }
      print(`# ${given}`);
      const verdict = describeSnapshot(disk, given, options.chunks, print);
      if (verdict !== null) bad.push(`${given}: ${verdict}`);
    } catch (cause) {
      if (!(cause instanceof DiskError)) throw cause;
      throw new CommandError(ExitCode.failed, `${given} cannot be read: ${cause.message}`);
    }
  }
  if (bad.length === 0) return ExitCode.ok;
  throw new CommandError(ExitCode.failed, `not usable: ${bad.join('; ')}`);
}
