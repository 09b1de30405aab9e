/**
 * What a read must see, as a word of options and calls: the words, their numbers, and what is wrong
 * with what was given. Those that only a running group can judge are in read-terms.ts.
 */

import { REMEDIES, unknownNames } from './config-names.js';
import { type Rule, ruleProblem } from './config-rules.js';
import { shown } from './errors-shown.js';
import { LIMITS } from './limits.js';

/** The words of callers, and the numbers that cross threads. */
export const Consistency = { linearizable: 0, local: 1, lease: 2, bounded: 3 } as const;
export type Consistency = (typeof Consistency)[keyof typeof Consistency];
export type ConsistencyWord = keyof typeof Consistency;

/** What of a call or of a group's options says what a read must see. */
export interface ReadTermsGiven {
  readonly consistency?: ConsistencyWord;
  /** With `bounded`: how old the state may be that answers, in milliseconds. */
  readonly maxStalenessMs?: number;
}

export interface ReadTerms {
  readonly consistency: Consistency;
  /** 0 unless the read is bounded. */
  readonly maxStalenessMs: number;
}

export const LINEARIZABLE: ReadTerms = { consistency: Consistency.linearizable, maxStalenessMs: 0 };

const NAMES = ['consistency', 'maxStalenessMs'];
const STALENESS_RULE = `a number of milliseconds, more than 0 and at most ${LIMITS.timeoutMsMax}`;

function isStaleness(value: unknown): value is number {
  return typeof value === 'number' && value > 0 && value <= LIMITS.timeoutMsMax;
}

/** Why a staleness that was given, or was not, does not fit; null when it does. */
export function stalenessProblem(isBounded: boolean, maxStalenessMs: unknown): string | null {
  if (isBounded && maxStalenessMs === undefined) {
    return 'consistency is "bounded" without maxStalenessMs: say how old the state may be';
  }
  if (!isBounded && maxStalenessMs !== undefined) {
    return `maxStalenessMs is ${shown(maxStalenessMs)}, which only consistency "bounded" has`;
  }
  if (!isBounded || isStaleness(maxStalenessMs)) return null;
  return `maxStalenessMs is ${shown(maxStalenessMs)}, must be ${STALENESS_RULE}`;
}

/** Everything that is wrong with the `reads` of a group. */
export function groupReadProblems(reads: ReadTermsGiven | undefined, where: string): string[] {
  if (reads === undefined) return [];
  const shape = ruleProblem(`${where}reads`, reads, { kind: 'object' });
  if (shape !== null) return [shape];
  const problems = unknownNames(reads, NAMES, `${where}reads.`, REMEDIES);
  const { consistency = 'linearizable', maxStalenessMs } = reads;
  const rule: Rule = { kind: 'string', oneOf: Object.keys(Consistency) };
  const problem = ruleProblem(`${where}reads.consistency`, consistency, rule);
  if (problem !== null) return [...problems, problem];
  const staleness = stalenessProblem(consistency === 'bounded', maxStalenessMs);
  return staleness === null ? problems : [...problems, `${where}reads: ${staleness}`];
}

export function resolveReads({ consistency, maxStalenessMs }: ReadTermsGiven = {}): ReadTerms {
  const word = consistency ?? 'linearizable';
  return { consistency: Consistency[word], maxStalenessMs: maxStalenessMs ?? 0 };
}

/** The words that mean these terms. */
export function termsGiven({ consistency, maxStalenessMs }: ReadTerms): ReadTermsGiven {
  const words = Object.keys(Consistency) as ConsistencyWord[];
  const word = words.find((each) => Consistency[each] === consistency) as ConsistencyWord;
  return word === 'bounded' ? { consistency: word, maxStalenessMs } : { consistency: word };
}

/** What of the engine's options decides which reads are served. */
interface EngineSwitches {
  readonly groups: readonly (ReadsOfGroup | null)[];
  readonly leaseReads?: boolean;
  readonly enableReadIndex?: boolean;
}

interface ReadsOfGroup {
  readonly reads?: ReadTermsGiven;
}

/** Groups whose reads ask by default for what the engine's options switch off. */
export function unservedReads(options: EngineSwitches): string[] {
  const { groups, leaseReads, enableReadIndex } = options;
  return groups.flatMap((group, at) => {
    const { consistency } = group?.reads ?? {};
    const what = `groups[${at}].reads.consistency is "${consistency}"`;
    if (consistency === 'lease' && leaseReads !== true) {
      return [`${what} without leaseReads: set leaseReads: true on every node`];
    }
    if (consistency === undefined || consistency === 'local' || enableReadIndex !== false) {
      return [];
    }
    return [`${what}, but enableReadIndex is false: only "local" is served`];
  });
}
