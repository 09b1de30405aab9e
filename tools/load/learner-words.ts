/**
 * How far a learner is: the field of STATUS read back, and one line for people.
 *
 * A field that is not as expected is no learner; this must never throw.
 */

export interface Learner {
  readonly id: number;
  readonly match: number;
  readonly lag: number;
  readonly state: string;
  /** Null: it does not come nearer, or nobody knows yet. */
  readonly leftMs: number | null;
}

const FIELD = /^learner_(\d+):match=(\d+),lag=(\d+),state=(\w+)(?:,left_ms=(\d+))?\r?$/gm;

/** The learners in the text of STATUS or INFO. */
export function learnersIn(text: string): Learner[] {
  return [...text.matchAll(FIELD)].map(([, id, match, lag, state = '', left]) => {
    const numbers = { id: Number(id), match: Number(match), lag: Number(lag) };
    return { ...numbers, state, leftMs: left === undefined ? null : Number(left) };
  });
}

export function learnerInWords({ match, lag, state, leftMs }: Omit<Learner, 'id'>): string {
  const behind = `at entry ${match}, ${lag} behind`;
  if (state === 'snapshot') return `${behind}; it is sent a snapshot`;
  if (state === 'probe') return `${behind}; it has not answered yet`;
  if (lag === 0) return behind;
  const left = leftMs === null ? 'comes no nearer' : `about ${Math.ceil(leftMs / 1000)} s to go`;
  return `${behind}; ${left}`;
}
