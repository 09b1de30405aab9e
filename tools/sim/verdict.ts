/**
 * Whether a simulation tested enough and found nothing: what one run must contain, what many runs
 * must have met, and the exit code that follows.
 *
 * Pure: the tally in, words and a code out. It must never let a run that tested too little pass.
 */

import { ExitCode } from '../cli/exit-codes.js';
import { COUNT_SPECS, type CountName, type Counts, missingKinds } from './counts.js';
import { type FaultFamily, isEveryFamily } from './fault-families.js';
import type { RunResult } from './run.js';

/** Every run must have at least this many operations of clients. */
export const OPERATIONS_MIN = 200;
/** Every run must have faults of at least this many kinds that took effect. */
export const FAULT_KINDS_MIN = 5;
/** From this many runs on, a required kind of event that never happened is a failure. */
export const RUNS_FOR_KINDS = 300;
/** Seeds that are named; the others are counted. */
const THIN_SHOWN = 10;

/** A run that found nothing, but contained too little for that to mean much. */
export interface ThinRun {
  readonly seed: number;
  readonly nodes: number;
  readonly operations: number;
  readonly faultKinds: number;
}

export interface Tally {
  readonly families: readonly FaultFamily[];
  readonly runs: number;
  readonly failures: number;
  readonly elapsedMs: number;
  readonly virtualMs: number;
  readonly counts: Counts;
  /** The fewest of any run. */
  readonly operationsMin: number;
  readonly faultKindsMin: number;
  readonly thin: readonly ThinRun[];
}

/** A node alone has no network to break: of it no number of kinds is demanded. */
function faultKindsDemanded(nodes: number, families: readonly FaultFamily[]): number {
  return nodes === 1 || !isEveryFamily(families) ? 0 : FAULT_KINDS_MIN;
}

/** What the run contained when that is too little, else null. A failed run ended early. */
export function thinRun(result: RunResult): ThinRun | null {
  const { seed, nodes, families, failure, counts, faultKinds } = result;
  if (failure !== null) return null;
  const { operations } = counts;
  const enough = operations >= OPERATIONS_MIN && faultKinds >= faultKindsDemanded(nodes, families);
  return enough ? null : { seed, nodes, operations, faultKinds };
}

/** Required kinds that enough runs should have met, and did not. */
export function kindsLacking({ runs, counts, families }: Tally): readonly CountName[] {
  // Of runs with only some families of faults, nobody says what they must meet.
  return runs >= RUNS_FOR_KINDS && isEveryFamily(families) ? missingKinds(counts) : [];
}

export function exitCodeOfTally(tally: Tally): ExitCode {
  const good = tally.failures === 0 && tally.thin.length === 0 && kindsLacking(tally).length === 0;
  return good ? ExitCode.ok : ExitCode.failed;
}

/** Lines that say why the tally fails although no run did; none when it does not. */
export function describeLacks(tally: Tally): readonly string[] {
  const lines = tally.thin.slice(0, THIN_SHOWN).map(({ seed, nodes, operations, faultKinds }) => {
    const kinds = faultKindsDemanded(nodes, tally.families);
    return (
      `seed ${seed} with ${nodes} nodes tested too little: ${operations} operations and ` +
      `${faultKinds} kinds of faults, a run must have ${OPERATIONS_MIN} and ${kinds}`
    );
  });
  const more = tally.thin.length - THIN_SHOWN;
  if (more > 0) lines.push(`${more} more seeds tested too little`);
  const lacking = kindsLacking(tally).map((name) => COUNT_SPECS[name].help);
  if (lacking.length > 0) {
    lines.push(
      `${tally.runs} runs must meet every required kind: ${lacking.length} never happened`,
    );
  }
  return lines;
}
