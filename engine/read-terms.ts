/**
 * The terms on which a call reads: its own words, those of its group where it says nothing, and
 * what this node serves.
 *
 * What it does not serve is refused by name, before anything is sent; it must never be replaced by
 * something weaker.
 */

import { consistencyOf, refuseArgument } from './call-arguments.js';
import {
  Consistency,
  type ReadTerms,
  type ReadTermsGiven,
  stalenessProblem,
} from './config-reads.js';
import { ErrorNumber, RingraftError } from './errors.js';

/** What this node's options allow. */
export interface ReadSwitches {
  readonly readIndex: boolean;
  readonly leaseReads: boolean;
}

export function readTerms(
  given: ReadTermsGiven,
  byDefault: ReadTerms,
  switches: ReadSwitches,
): ReadTerms {
  const terms = termsOf(given, byDefault);
  checkSwitches(terms.consistency, switches);
  return terms;
}

function termsOf({ consistency: word, maxStalenessMs }: ReadTermsGiven, own: ReadTerms): ReadTerms {
  if (word === undefined && maxStalenessMs === undefined) return own;
  const consistency = word === undefined ? own.consistency : consistencyOf(word);
  const isBounded = consistency === Consistency.bounded;
  // A group whose reads are bounded has a staleness for calls that name the word alone.
  if (isBounded && maxStalenessMs === undefined && own.consistency === consistency) return own;
  const problem = stalenessProblem(isBounded, maxStalenessMs);
  if (problem !== null) refuseArgument(problem);
  return { consistency, maxStalenessMs: maxStalenessMs ?? 0 };
}

function checkSwitches(consistency: Consistency, { readIndex, leaseReads }: ReadSwitches): void {
  if (consistency === Consistency.local) return;
  if (!readIndex) {
    const detail = 'enableReadIndex is false: only reads with consistency "local" are served';
    throw new RingraftError(ErrorNumber.invalidOptions, { detail });
  }
  if (consistency === Consistency.lease && !leaseReads) {
    const remedy = 'set leaseReads: true on every node, or read with consistency "linearizable"';
    const detail = `leaseReads is false: reads with consistency "lease" are not served; ${remedy}`;
    throw new RingraftError(ErrorNumber.invalidOptions, { detail });
  }
}
