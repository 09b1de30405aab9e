/**
 * The words behind a GET that say what this one read must see: `GET key LOCAL`, `GET key BOUNDED
 * 500`. Without one the server's `--reads` decides.
 *
 * The terms are made once, and those of a bounded read once per request. A word that this server
 * does not serve is refused; it must never be replaced by another.
 */

import { Consistency, type ReadTerms } from '../../../engine/config-reads.js';
import { LIMITS } from '../../../engine/limits.js';
import { integerOf, isWord, shownTextOf } from './arguments.js';
import { type ArgumentSpec, after, integer, oneOf, optional, word } from './command-spec.js';
import type { Plan } from './plan.js';

const terms = (consistency: Consistency, maxStalenessMs = 0): ReadTerms => ({
  consistency,
  maxStalenessMs,
});
const LINEARIZABLE = terms(Consistency.linearizable);
const LEASE = terms(Consistency.lease);
const LOCAL = terms(Consistency.local);

const NO_LEASES =
  'ERR LEASE is not served, as this server keeps no leases: start every node with --lease-reads ' +
  'on, or ask LINEARIZABLE';

/** How the words stand in the syntax of a command. */
export const readWords = (): ArgumentSpec =>
  optional(
    oneOf(
      'consistency',
      word('LINEARIZABLE'),
      word('LEASE'),
      after('BOUNDED', integer('milliseconds')),
      word('LOCAL'),
    ),
  );

/** Reads the words from argument `at` to the last; false when they were refused. */
export function acceptsReadWords(plan: Plan, at: number): boolean {
  const { request } = plan;
  if (request.count === at) return true;
  if (isWord(request, at, 'BOUNDED')) return acceptsBounded(plan, at);
  if (request.count > at + 1) return refuseWord(plan, at + 1);
  if (isWord(request, at, 'LOCAL')) plan.readTerms = LOCAL;
  else if (isWord(request, at, 'LINEARIZABLE')) plan.readTerms = LINEARIZABLE;
  else if (isWord(request, at, 'LEASE')) return acceptsLease(plan);
  else return refuseWord(plan, at);
  return true;
}

function acceptsLease(plan: Plan): boolean {
  if (plan.server.leaseReads) plan.readTerms = LEASE;
  else plan.refuse(NO_LEASES);
  return plan.server.leaseReads;
}

function acceptsBounded(plan: Plan, at: number): boolean {
  const { request } = plan;
  if (request.count > at + 2) return refuseWord(plan, at + 2);
  const given = request.count === at + 2 ? integerOf(request, at + 1) : null;
  if (typeof given === 'number' && given >= 1 && given <= LIMITS.timeoutMsMax) {
    plan.readTerms = terms(Consistency.bounded, given);
    return true;
  }
  const shown = request.count === at + 2 ? `'${shownTextOf(request, at + 1)}'` : 'nothing';
  const rule = `must be followed by milliseconds from 1 to ${LIMITS.timeoutMsMax}`;
  plan.refuse(`ERR syntax error: BOUNDED is followed by ${shown}, ${rule}, as in BOUNDED 500`);
  return false;
}

function refuseWord(plan: Plan, at: number): boolean {
  const name = plan.session.lastCommand.toLowerCase();
  const what = `'${shownTextOf(plan.request, at)}' is not expected here`;
  const rule = 'it may end with LINEARIZABLE, LEASE, BOUNDED milliseconds or LOCAL';
  // Begins as Redis's error does, which libraries match.
  plan.refuse(`ERR wrong number of arguments for '${name}' command: ${what}, ${rule}`);
  return false;
}
