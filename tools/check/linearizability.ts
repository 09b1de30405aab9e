/**
 * Decides whether a client history could have come from one key-value machine that executes one
 * operation at a time, in an order that respects real time (Herlihy and Wing).
 *
 * Keys are independent, so each is searched alone. A refused operation (`fail`) certainly did not
 * happen: it takes no part, so any visible effect of it is a contradiction. One of unknown outcome
 * may happen once after its call, or never. A search too large is reported as undecided, never as
 * good.
 */

import type { History, Invocation } from '../sim/history.js';
import { anyWindow, describeContradiction, quickWindow } from './contradiction.js';
import type { Completed, Open } from './frontier.js';
import { type Finding, type Problem, search } from './search.js';

export interface CheckOptions {
  /** Configurations tried per key before giving up as undecided. */
  readonly configurationsMax?: number;
}

export interface KeyReport {
  readonly key: string;
  readonly finding: Finding;
  readonly operations: number;
  readonly configurations: number;
  /** Of a contradiction: the shortest window that shows it, as text of several lines. */
  readonly text: string;
}

export interface CheckReport {
  /** The worst finding of any key. */
  readonly finding: Finding;
  readonly operations: number;
  readonly configurations: number;
  readonly keys: readonly KeyReport[];
  /** Empty when all is explained. */
  readonly text: string;
}

const CONFIGURATIONS_MAX = 1_000_000;
const QUICK_MAX = 10_000;
const QUICK_PER_OPERATION = 8;

export function checkHistory(history: History, options: CheckOptions = {}): CheckReport {
  return checkInvocations(history.invocations(), options);
}

export function checkInvocations(
  invocations: readonly Invocation[],
  options: CheckOptions = {},
): CheckReport {
  const configurationsMax = options.configurationsMax ?? CONFIGURATIONS_MAX;
  const byKey = new Map<string, Invocation[]>();
  for (const invocation of invocations) {
    const { key } = invocation.operation;
    const ofKey = byKey.get(key);
    if (ofKey === undefined) byKey.set(key, [invocation]);
    else ofKey.push(invocation);
  }
  const keys = [...byKey].map(([key, ofKey]) => checkKey(key, ofKey, configurationsMax));
  const isFound = (finding: Finding) => keys.some((report) => report.finding === finding);
  return {
    finding: isFound('contradiction')
      ? 'contradiction'
      : isFound('undecided')
        ? 'undecided'
        : 'explained',
    operations: invocations.length,
    configurations: keys.reduce((sum, report) => sum + report.configurations, 0),
    keys,
    text: keys.flatMap(({ text }) => (text === '' ? [] : [text])).join('\n'),
  };
}

function checkKey(
  key: string,
  invocations: readonly Invocation[],
  configurationsMax: number,
): KeyReport {
  const problem = problemOf(invocations);
  const operations = invocations.length;
  // A good history takes about one configuration per operation, a bad one may take all there are:
  // before trying them, look for a contradiction near the place where the search got stuck.
  const quickMax = Math.min(configurationsMax, QUICK_MAX + QUICK_PER_OPERATION * operations);
  let { finding, configurations, stuck } = search(problem, quickMax);
  let window = stuck === null ? null : quickWindow(problem, stuck);
  if (window !== null) {
    finding = 'contradiction';
  } else if (finding === 'undecided' && quickMax < configurationsMax) {
    ({ finding, configurations, stuck } = search(problem, configurationsMax));
  }
  let text = '';
  if (finding === 'contradiction') {
    window ??= anyWindow(problem);
    text = describeContradiction({ key, problem, window }, invocations);
  } else if (finding === 'undecided') {
    const tried = `${configurations} configurations (${configurationsMax} allowed)`;
    text = `key ${key}: undecided after ${tried}`;
  }
  return { key, finding, operations, configurations, text };
}

/** Refused operations and unknown reads take no part: neither has an effect. */
function problemOf(invocations: readonly Invocation[]): Problem {
  const completed: Completed[] = [];
  const open: Open[] = [];
  const inOrder = [...invocations].sort((a, b) => a.invokedAt - b.invokedAt);
  for (const { id, operation, outcome, invokedAt, completedAt } of inOrder) {
    if (outcome.kind === 'ok') {
      const { result } = outcome;
      completed.push({ id, operation, result, call: invokedAt, end: completedAt });
    } else if (outcome.kind === 'unknown' && operation.op !== 'get') {
      open.push({ id, operation, call: invokedAt });
    }
  }
  return { initial: null, completed, open };
}
