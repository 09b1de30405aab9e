/**
 * Turns "no order explains this key" into text for people: the fewest operations that show it.
 *
 * First a short window that fails whatever the value was before; else the shortest prefix that
 * fails. What is printed is a contradiction by itself, or a value that nobody wrote.
 */

import type { Invocation } from '../sim/history.js';
import { describeOperation, describeOutcome, type Operation } from '../sim/operation.js';
import { alignColumns, formatTime } from '../sim/trace.js';
import type { Completed } from './frontier.js';
import { FREE, isInteger } from './kv-model.js';
import type { Problem } from './search.js';
import { boundedJudge, type Judge, reduce, shortestPrefix, windowBefore } from './window.js';

const CONFIGURATIONS_MAX = 5_000;
const CONFIGURATIONS_SUM_MAX = 60_000;
const QUICK_COUNT_MAX = 128;
const PRINTED_MAX = 40;

/** A contradiction of one key: all of it, and the part of it that shows it. */
export interface Contradiction {
  readonly key: string;
  readonly problem: Problem;
  readonly window: Problem;
}

/** A short window that ends where the search got stuck; null when none is found quickly. */
export function quickWindow(problem: Problem, stuck: Completed): Problem | null {
  return windowBefore(problem, stuck, QUICK_COUNT_MAX, judge());
}

/** Some window of a problem that is a contradiction, at worst its shortest prefix. */
export function anyWindow(problem: Problem): Problem {
  const isContradiction = judge();
  const prefix = shortestPrefix(problem, isContradiction);
  const last = lastToReturn(prefix);
  return windowBefore(prefix, last, prefix.completed.length, isContradiction) ?? prefix;
}

function judge(): Judge {
  return boundedJudge(CONFIGURATIONS_MAX, CONFIGURATIONS_SUM_MAX);
}

function lastToReturn({ completed }: Problem): Completed {
  return completed.reduce((a, b) => (b.end > a.end ? b : a));
}

/** False when the last operation read a value that no operation called before can have made. */
function isWritable({ operation, result, end }: Completed, { completed, open }: Problem): boolean {
  if (operation.op !== 'get' || typeof result !== 'string') return true;
  return [...completed, ...open].some((other) => {
    return other.call < end && mayEndIn(other.operation, result);
  });
}

function mayEndIn(operation: Operation, value: string): boolean {
  switch (operation.op) {
    case 'set':
    case 'setnx':
    case 'cas':
      return operation.value === value;
    case 'append':
      return value.endsWith(operation.value);
    case 'incr':
      return isInteger(value);
    default:
      return false;
  }
}

export function describeContradiction(
  { key, problem, window: found }: Contradiction,
  invocations: readonly Invocation[],
): string {
  const last = lastToReturn(found);
  const isWritten = isWritable(last, problem);
  const window = isWritten ? reduce(found, judge()) : { ...found, completed: [last] };
  const byId = new Map(invocations.map((invocation) => [invocation.id, invocation]));
  const ids = window.completed.map(({ id }) => id);
  const shown = ids.slice(-PRINTED_MAX).flatMap((id) => byId.get(id) ?? []);
  const lines = [`key ${key}: not linearizable: ${titleOf(window, isWritten)}`];
  if (shown.length < ids.length) lines.push(`  … ${ids.length - shown.length} earlier operations`);
  lines.push(...table(shown));
  const writers = writersOf(last, invocations).filter(({ id }) => !ids.includes(id));
  if (writers.length > 0) lines.push('  the value read belongs to', ...table(writers));
  if (window.open.length > 0 && isWritten) {
    lines.push(`  nor does it help that ${window.open.length} others may have happened or not`);
  }
  return lines.join('\n');
}

function titleOf({ initial, completed }: Problem, isWritten: boolean): string {
  if (!isWritten) return 'a value was read that nobody had written';
  const these = completed.length === 1 ? 'this' : `these ${completed.length}`;
  const before = initial === FREE ? 'whatever the value was before' : 'the key was absent at first';
  return `no order explains ${these} (${before})`;
}

/** Those, refused ones too, that carry the value which the last operation read. */
function writersOf({ operation, result }: Completed, invocations: readonly Invocation[]) {
  if (operation.op !== 'get' || typeof result !== 'string') return [];
  return invocations
    .filter(({ operation: other }) => other.op !== 'incr' && mayEndIn(other, result))
    .slice(-PRINTED_MAX);
}

function table(invocations: readonly Invocation[]): string[] {
  const rows = invocations.map((invocation) => {
    const { client, node, operation, outcome, invokedUs, completedUs } = invocation;
    const until = Number.isFinite(completedUs) ? formatTime(completedUs).trim() : '?';
    return [
      ` ${formatTime(invokedUs)} – ${until}`,
      `client ${client}`,
      `n${node}`,
      describeOperation(operation),
      describeOutcome(outcome),
    ];
  });
  return alignColumns(rows);
}
