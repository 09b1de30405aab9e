/**
 * The options of one group: what they are, what is wrong with them, and their defaults.
 *
 * They are checked together with those of the engine (config.ts); a group's own settings of
 * snapshots come before the engine's. This file must never load a machine.
 */

import { isAbsolute } from 'node:path';
import { pathToFileURL } from 'node:url';
import { REMEDIES, unknownNames } from './config-names.js';
import {
  groupReadProblems,
  type ReadTerms,
  type ReadTermsGiven,
  resolveReads,
} from './config-reads.js';
import { type Rule, ruleProblem, withoutUndefined } from './config-rules.js';
import { type HostedMachine, isHostedMachine } from './hosted-machine.js';
import { LIMITS } from './limits.js';
import {
  type GroupSnapshotSettings,
  groupSnapshotProblems,
  type ResolvedSnapshot,
} from './snapshot-settings.js';

/** Whether a write is answered when a quorum has it, or when every voter has applied it. */
export type Replication = 'quorum' | 'all';

export interface GroupOptions {
  /** Name of the group, unique in the engine. */
  readonly name: string;
  /**
   * The state machine: the URL (or absolute path) of a module whose default export makes one,
   * loaded in the group's own thread (see state-machine.ts); or an object of callbacks that run on
   * the main thread (see hosted-machine.ts).
   */
  readonly machine: URL | string | HostedMachine;
  /** Given to the machine as part of its context; must survive structured cloning. */
  readonly machineOptions?: unknown;
  /** Largest command in bytes; equal on all replicas (checked when they meet). Default 1 MiB. */
  readonly entryBytesMax?: number;
  /**
   * What reads of this group see unless a call says otherwise, such as `{ consistency: 'bounded',
   * maxStalenessMs: 500 }`; see `ReadOptions`. Default `{ consistency: 'linearizable' }`.
   */
  readonly reads?: ReadTermsGiven;
  /**
   * When writes of this group are answered unless a call says otherwise: see `ProposeOptions`.
   * Default `quorum`.
   */
  readonly replication?: Replication;
  /** When this group's snapshots are taken and what is kept, where it is not as for the engine. */
  readonly snapshot?: GroupSnapshotSettings;
}

export type ResolvedGroup = Required<Omit<GroupOptions, 'snapshot' | 'reads'>> & {
  readonly snapshot: ResolvedSnapshot;
  readonly reads: ReadTerms;
};

/** Of a name that is too long. */
const NAME_SHOWN = 32;
const GROUP_NAMES = [
  ...['name', 'machine', 'machineOptions', 'entryBytesMax', 'reads', 'replication', 'snapshot'],
];

function machineProblems({ machine, machineOptions }: GroupOptions, where: string): string[] {
  const problems: string[] = [];
  if (typeof machine === 'string') {
    if (!URL.canParse(machine) && !isAbsolute(machine)) {
      const remedy = `an absolute path or new URL('${machine}', import.meta.url)`;
      problems.push(`${where}machine is "${machine}", must be the URL of a module: ${remedy}`);
    }
  } else if (!(machine instanceof URL) && !isHostedMachine(machine)) {
    const what = 'the URL of a state machine module, or an object with apply and query';
    problems.push(
      `${where}machine is ${machine === undefined ? 'missing' : 'neither'}: give ${what}`,
    );
  }
  try {
    structuredClone(machineOptions);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    problems.push(`${where}machineOptions cannot be sent to another thread: ${reason}`);
  }
  return problems;
}

function nameProblems(name: unknown, where: string): string[] {
  if (typeof name !== 'string' || name === '') {
    return [`${where}name is "${String(name)}", must be a text`];
  }
  const bytes = Buffer.byteLength(name);
  const max = LIMITS.groupNameBytesMax;
  if (bytes <= max) return [];
  const shown = `"${name.slice(0, NAME_SHOWN)}…"`;
  return [`${where}name is ${shown} of ${bytes} bytes, must have at most ${max}: shorten it`];
}

/** Everything that is wrong with these groups. */
export function groupProblems(groups: readonly GroupOptions[]): string[] {
  const problems: string[] = [];
  if (groups.length === 0) problems.push('groups is empty, must name at least one group');
  if (groups.length > LIMITS.groupsMax) {
    problems.push(`groups has ${groups.length} members, at most ${LIMITS.groupsMax} are allowed`);
  }
  const names = new Set<string>();
  for (const [at, group] of groups.entries()) {
    const where = `groups[${at}].`;
    if (typeof group !== 'object' || group === null) {
      problems.push(`groups[${at}] is ${String(group)}, must be an object with name and machine`);
      continue;
    }
    problems.push(...unknownNames(group, GROUP_NAMES, where, REMEDIES));
    problems.push(...nameProblems(group.name, where));
    if (names.has(group.name)) problems.push(`${where}name "${group.name}" is used twice`);
    names.add(group.name);
    problems.push(...machineProblems(group, where));
    if (group.entryBytesMax !== undefined) {
      const rule: Rule = { kind: 'integer', min: 64, max: LIMITS.entryBytesMaxMax };
      const problem = ruleProblem(`${where}entryBytesMax`, group.entryBytesMax, rule);
      if (problem !== null) problems.push(problem);
    }
    if (group.replication !== undefined) {
      const rule: Rule = { kind: 'string', oneOf: ['quorum', 'all'] };
      const problem = ruleProblem(`${where}replication`, group.replication, rule);
      if (problem !== null) problems.push(problem);
    }
    problems.push(...groupReadProblems(group.reads, where));
    problems.push(...ownSnapshotProblems(group.snapshot, where));
  }
  return problems;
}

function ownSnapshotProblems(settings: GroupOptions['snapshot'], where: string): string[] {
  if (settings === undefined) return [];
  const problem = ruleProblem(`${where}snapshot`, settings, { kind: 'object' });
  if (problem !== null) return [problem];
  return groupSnapshotProblems(settings, `${where}snapshot.`);
}

/** With every default filled in; `snapshot`: the engine's. */
export function resolveGroup(group: GroupOptions, snapshot: ResolvedSnapshot): ResolvedGroup {
  return {
    machineOptions: null,
    entryBytesMax: LIMITS.entryBytesMaxDefault,
    replication: 'quorum',
    ...withoutUndefined(group),
    machine: machineUrl(group.machine),
    reads: resolveReads(group.reads),
    snapshot: { ...snapshot, ...withoutUndefined(group.snapshot ?? {}) },
  };
}

/** A path becomes the URL that `import` takes on every platform. */
function machineUrl(machine: GroupOptions['machine']): GroupOptions['machine'] {
  if (typeof machine !== 'string' || URL.canParse(machine)) return machine;
  return pathToFileURL(machine);
}
