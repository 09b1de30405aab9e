/**
 * Finds the few operations of one key that contradict each other: by their number the reader is
 * helped, and a search is saved from drowning in a long history with one bad read.
 *
 * Every reduction keeps a contradiction a contradiction: what is cut off before the window makes
 * its first value free, and what is cut off after it, or straddles its start, may have happened or
 * not.
 */

import type { Completed, Open } from './frontier.js';
import { FREE } from './kv-model.js';
import { type Problem, search } from './search.js';

/** True only if the problem is certainly a contradiction. */
export type Judge = (problem: Problem) => boolean;

/** Completed operations that are still reduced one by one. */
const REDUCED_MAX = 100;

/** Judges by small searches, which give up rather than delay, `sumMax` configurations in total. */
export function boundedJudge(eachMax: number, sumMax: number): Judge {
  let left = sumMax;
  return (problem) => {
    const { finding, configurations } = search(problem, Math.min(left, eachMax));
    left -= configurations;
    return finding === 'contradiction';
  };
}

/**
 * A window of at most `countMax` completed operations that ends with the return of `last` and is a
 * contradiction whatever came before; null when none was found.
 */
export function windowBefore(
  problem: Problem,
  last: Completed,
  countMax: number,
  isContradiction: Judge,
): Problem | null {
  const prefix = prefixUpTo(problem, last.end);
  const { completed } = prefix;
  const cut = (count: number) => suffixFrom(prefix, completed[completed.length - count]?.call ?? 0);
  const most = Math.min(countMax, completed.length);
  let enough = 0;
  for (let count = 1; enough < most; count *= 2) {
    const tried = Math.min(count, most);
    if (isContradiction(cut(tried))) {
      return cut(bisect(enough, tried, (fewer) => isContradiction(cut(fewer))));
    }
    enough = tried;
  }
  return null;
}

/** The shortest prefix that is a contradiction, given that the whole is one. */
export function shortestPrefix(problem: Problem, isContradiction: Judge): Problem {
  const ends = problem.completed.map(({ end }) => end).sort((a, b) => a - b);
  const cut = (count: number) => prefixUpTo(problem, ends[count - 1] ?? 0);
  return cut(bisect(0, ends.length, (count) => isContradiction(cut(count))));
}

/** Leaves out every completed operation whose outcome does not matter: it may be anything. */
export function reduce(window: Problem, isContradiction: Judge): Problem {
  if (window.completed.length > REDUCED_MAX) return window;
  let reduced = window;
  for (const candidate of window.completed) {
    const fewer: Problem = {
      initial: reduced.initial,
      completed: reduced.completed.filter((completed) => completed !== candidate),
      open: withOpen(reduced.open, [candidate]),
    };
    if (isContradiction(fewer)) reduced = fewer;
  }
  return reduced;
}

/**
 * The smallest n in (low, high] for which `holds`, given that it holds at `high` and not at `low`.
 */
function bisect(low: number, high: number, holds: (n: number) => boolean): number {
  let below = low;
  let above = high;
  while (above - below > 1) {
    const middle = (below + above) >> 1;
    if (holds(middle)) above = middle;
    else below = middle;
  }
  return above;
}

function prefixUpTo({ initial, completed, open }: Problem, place: number): Problem {
  const pending = completed.filter(({ call, end }) => call < place && end > place);
  return {
    initial,
    completed: completed.filter(({ end }) => end <= place),
    open: withOpen(
      open.filter(({ call }) => call < place),
      pending,
    ),
  };
}

function suffixFrom({ completed, open }: Problem, place: number): Problem {
  const pending = completed.filter(({ call, end }) => call < place && end > place);
  return {
    initial: FREE,
    completed: completed.filter(({ call }) => call >= place),
    open: withOpen(open, pending),
  };
}

function withOpen(open: readonly Open[], more: readonly Completed[]): Open[] {
  const added = more
    .filter(({ operation }) => operation.op !== 'get')
    .map(({ id, operation, call }) => ({ id, operation, call }));
  return [...open, ...added].sort((a, b) => a.call - b.call);
}
