/**
 * The options of snapshots: one place for all of them, `snapshot: { … }` of an engine.
 *
 * Names, where the guides have one, are theirs; what they spell differently elsewhere is refused
 * with the name here. Validated with everything else, all problems at once.
 */

import { CHUNK_RAW_BYTES_MAX } from '../codec/frames/snapshot-frames.js';
import { SNAPSHOT_REMEDIES, unknownNames } from './config-names.js';
import { type Rule, ruleProblem, withoutUndefined } from './config-rules.js';

export interface SnapshotSettings {
  /** Entries since the last snapshot that make the next one due. Default 10,000. */
  readonly threshold?: number;
  /** Bytes of entries since the last snapshot that make the next one due. Default 64 MiB. */
  readonly logBytes?: number;
  /** Milliseconds after which one is due if anything was written. Default 0: never by time. */
  readonly interval?: number;
  /** Milliseconds between two snapshots at least; a full log overrides it. Default 60,000. */
  readonly minInterval?: number;
  /**
   * Bytes of an image that a warning is due for: a larger one is taken all the same, since a log
   * that is never compacted ends worse. Default: none.
   */
  readonly maxSize?: number;
  /** Bytes of the image per chunk of a file. Default 1 MiB. */
  readonly chunkSize?: number;
  /** False: chunks are stored as they are. Default true: LZ4, where it saves an eighth. */
  readonly compression?: boolean;
  /** Complete snapshots kept per group. Default 2: a damaged one falls back to the one before. */
  readonly retain?: number;
  /** Entries kept in the log behind the newest snapshot. Default 5,000. */
  readonly trailingEntries?: number;
  /** Bytes per second that all followers together are sent of snapshots. Default 0: no limit. */
  readonly transferRate?: number;
}

export type ResolvedSnapshot = Required<Omit<SnapshotSettings, 'maxSize'>> & {
  /** 0: none. */
  readonly maxSize: number;
};

const KIB = 1024;
const MIB = KIB * KIB;

export const SNAPSHOT_DEFAULTS: ResolvedSnapshot = {
  threshold: 10_000,
  logBytes: 64 * MIB,
  interval: 0,
  minInterval: 60_000,
  maxSize: 0,
  chunkSize: MIB,
  compression: true,
  retain: 2,
  trailingEntries: 5_000,
  transferRate: 0,
};

const DAY_MS = 86_400_000;
const COUNT: Rule = { kind: 'integer', min: 1, max: Number.MAX_SAFE_INTEGER };

export const SNAPSHOT_RULES: { readonly [Name in keyof SnapshotSettings]-?: Rule } = {
  threshold: COUNT,
  logBytes: COUNT,
  interval: { kind: 'integer', min: 0, max: 365 * DAY_MS },
  minInterval: { kind: 'integer', min: 0, max: DAY_MS },
  maxSize: COUNT,
  chunkSize: { kind: 'integer', min: 64 * KIB, max: CHUNK_RAW_BYTES_MAX, multipleOf: 4 * KIB },
  compression: { kind: 'boolean' },
  retain: { kind: 'integer', min: 1, max: 100 },
  trailingEntries: { kind: 'integer', min: 0, max: Number.MAX_SAFE_INTEGER },
  transferRate: { kind: 'integer', min: 0, max: Number.MAX_SAFE_INTEGER },
};

/** What the files and connections of all groups are like: no group has its own. */
const OF_THE_NODE = ['chunkSize', 'compression', 'transferRate'] as const;

/** What a group may have of its own. */
export type GroupSnapshotSettings = Omit<SnapshotSettings, (typeof OF_THE_NODE)[number]>;

const RULES_OF_A_GROUP = Object.fromEntries(
  Object.entries(SNAPSHOT_RULES).filter(([name]) => !OF_THE_NODE.some((other) => other === name)),
);
const REMEDIES_OF_A_GROUP = {
  ...SNAPSHOT_REMEDIES,
  ...Object.fromEntries(
    OF_THE_NODE.map((name) => [name, `${name} is the same for all groups: give it beside groups`]),
  ),
};

export function snapshotProblems(settings: SnapshotSettings | undefined): string[] {
  return problemsOf(settings, 'snapshot.', SNAPSHOT_RULES, SNAPSHOT_REMEDIES);
}

/** `where`: what stands before the names. */
export function groupSnapshotProblems(settings: GroupSnapshotSettings, where: string): string[] {
  return problemsOf(settings, where, RULES_OF_A_GROUP, REMEDIES_OF_A_GROUP);
}

function problemsOf(
  settings: SnapshotSettings | undefined,
  where: string,
  rules: Readonly<Record<string, Rule>>,
  remedies: Readonly<Record<string, string>>,
): string[] {
  if (settings === undefined || typeof settings !== 'object' || settings === null) return [];
  const problems = unknownNames(settings, Object.keys(rules), where, remedies);
  for (const [name, rule] of Object.entries(rules)) {
    const value = settings[name as keyof SnapshotSettings];
    if (value === undefined) continue;
    const problem = ruleProblem(`${where}${name}`, value, rule);
    if (problem !== null) problems.push(problem);
  }
  return problems;
}

export function resolveSnapshot(settings: SnapshotSettings = {}): ResolvedSnapshot {
  return { ...SNAPSHOT_DEFAULTS, ...withoutUndefined(settings) };
}
