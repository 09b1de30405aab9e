/**
 * `ringraft inspect wal PATH`: log segments as text, one line per header, block, request and run.
 *
 * It only reads, works while a node writes, and prints damage as a line instead of refusing; a file
 * that is no segment at all ends in exit code 1. A directory means all its segments, in order.
 * Payloads are never printed.
 */

import { statSync } from 'node:fs';
import { join } from 'node:path';
import { DiskError } from '../../io/disk/disk.js';
import { NodeDisk } from '../../io/disk/node-disk.js';
import { describeSegment, isSegment } from '../../io/wal/describe.js';
import { WalUnreadable } from '../../io/wal/wal-errors.js';
import type { Invocation } from '../cli/command.js';
import { CommandError, ExitCode } from '../cli/exit-codes.js';
import type { inspectWalOptions } from './inspect-options.js';

const SEGMENT = /\.wal$/;

/** The segment files that a path means. */
function segmentsAt(disk: NodeDisk, path: string): string[] {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) {
    throw new CommandError(
      ExitCode.failed,
      `${path} does not exist: give a segment (DATA/wal/*.wal), DATA/wal or DATA`,
    );
  }
  if (!stat.isDirectory()) return [path];
  const names = disk.list(path).filter((name) => SEGMENT.test(name));
  if (names.length > 0) return names.map((name) => join(path, name));
  const inside = join(path, 'wal');
  if (disk.exists(inside)) return segmentsAt(disk, inside);
  throw new CommandError(ExitCode.failed, `${path} holds no *.wal file`);
}

export async function run(invocation: Invocation<typeof inspectWalOptions>): Promise<ExitCode> {
  const { options, positionals, stdout } = invocation;
  const disk = new NodeDisk();
  const limit = options.limit ?? Number.POSITIVE_INFINITY;
  const strangers: string[] = [];
  for (const path of positionals.flatMap((given) => segmentsAt(disk, given))) {
    stdout.write(`# ${path}\n`);
    let lines = 0;
    try {
      // In a directory it may be the segment that a running node is about to begin.
      if (positionals.includes(path) && !isSegment(disk, path)) strangers.push(path);
      for (const line of describeSegment(disk, path)) {
        if (lines >= limit) {
          stdout.write(`… more than ${limit} lines\n`);
          break;
        }
        stdout.write(`${line}\n`);
        lines += 1;
      }
    } catch (cause) {
      if (cause instanceof WalUnreadable) {
        const { offset, what } = cause;
        throw new CommandError(ExitCode.failed, `${path} at byte ${offset}: ${what}`);
      }
      if (!(cause instanceof DiskError)) throw cause;
      throw new CommandError(ExitCode.failed, `${path} cannot be read: ${cause.message}`);
    }
  }
  if (strangers.length === 0) return ExitCode.ok;
  throw new CommandError(ExitCode.failed, `no segment of a log: ${strangers.join(', ')}`);
}
