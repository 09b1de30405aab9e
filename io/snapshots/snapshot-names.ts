/**
 * Names of snapshot files: group, index and term in hex, so that names sort as the snapshots do;
 * and what a file is that is no snapshot yet or no longer. This file must never touch a disk.
 */

import type { LogPoint } from './snapshot-format.js';

export const SNAPSHOT_SUFFIX = '.snapshot';
/** Being written, or broken off. */
export const UNFINISHED_SUFFIX = '.tmp';
/** The same of one that comes from a peer: both may be of one point. */
export const FETCHED_SUFFIX = '.fetched.tmp';
/** Nobody needs it any more: it is cut shorter until it is gone. */
export const REMOVED_SUFFIX = '.removed';
/** Was found damaged and is kept for whoever wants to look. */
export const DAMAGED_SUFFIX = '.damaged';

export const GROUP_MAX = 0xffff;

export interface SnapshotFile {
  readonly kind: 'snapshot' | 'unfinished' | 'damaged' | 'removed';
  readonly group: number;
  readonly point: LogPoint;
  readonly name: string;
  readonly path: string;
}

const NAME = /^g([0-9a-f]{4})-([0-9a-f]{16})-([0-9a-f]{16})\.snapshot(\.\w+(?:\.\w+)?)?$/;

const KINDS = new Map<string, SnapshotFile['kind']>([
  ['', 'snapshot'],
  [UNFINISHED_SUFFIX, 'unfinished'],
  [FETCHED_SUFFIX, 'unfinished'],
  [DAMAGED_SUFFIX, 'damaged'],
  [REMOVED_SUFFIX, 'removed'],
]);

export function snapshotName(group: number, { index, term }: LogPoint): string {
  if (!(Number.isSafeInteger(group) && group >= 0 && group <= GROUP_MAX)) {
    throw new RangeError(`group ${group} has no snapshot file: numbers go from 0 to ${GROUP_MAX}`);
  }
  const [hexGroup, hexIndex, hexTerm] = [hex(group, 4), hex(index, 16), hex(term, 16)];
  return `g${hexGroup}-${hexIndex}-${hexTerm}${SNAPSHOT_SUFFIX}`;
}

/** What a name in `directory` stands for; null for every other file. */
export function snapshotOfName(directory: string, name: string): SnapshotFile | null {
  const match = NAME.exec(name);
  const kind = KINDS.get(match?.[4] ?? '');
  if (match === null || kind === undefined) return null;
  const [group = 0, index = 0, term = 0] = match
    .slice(1, 4)
    .map((part) => Number.parseInt(part, 16));
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(term)) return null;
  return { kind, group, point: { index, term }, name, path: `${directory}/${name}` };
}

/** Newest first. */
export function byAge(one: SnapshotFile, other: SnapshotFile): number {
  return other.point.index - one.point.index || other.point.term - one.point.term;
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}
