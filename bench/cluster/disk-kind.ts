/**
 * Whether a directory lies on a disk: a sync of memory costs nothing, so figures taken there would
 * be lies.
 */

import { mkdirSync, statfsSync } from 'node:fs';
import { CommandError, ExitCode } from '../../tools/cli/exit-codes.js';

/** `f_type` of file systems, from statfs(2). */
const IN_MEMORY: ReadonlyMap<number, string> = new Map([
  [0x0102_1994, 'tmpfs'],
  [0x8584_58f6, 'ramfs'],
]);
const ON_DISK: ReadonlyMap<number, string> = new Map([
  [0xef53, 'ext4'],
  [0x5846_5342, 'xfs'],
  [0x9123_683e, 'btrfs'],
  [0x794c_7630, 'overlayfs'],
  [0x2fc1_2fc1, 'zfs'],
]);

export interface DiskKind {
  readonly name: string;
  readonly inMemory: boolean;
}

/** Names the file system of this `f_type`. */
export function diskKind(type: number): DiskKind {
  const unsigned = type >>> 0;
  const memory = IN_MEMORY.get(unsigned);
  if (memory !== undefined) return { name: memory, inMemory: true };
  return { name: ON_DISK.get(unsigned) ?? `type 0x${unsigned.toString(16)}`, inMemory: false };
}

/** Makes the directory and returns its file system's name. Throws for one in memory. */
export function requireDisk(directory: string, typeOf = fileSystemType): string {
  mkdirSync(directory, { recursive: true });
  const { name, inMemory } = diskKind(typeOf(directory));
  if (!inMemory) return name;
  throw new CommandError(
    ExitCode.usage,
    `${directory} is on ${name}, which is memory: synced writes cost nothing there and the ` +
      'figures would be wrong. Name a directory on a disk with --dir',
  );
}

function fileSystemType(directory: string): number {
  return statfsSync(directory).type;
}
