/**
 * What callers hand to a group, checked before anything of it is taken: bytes, times, indexes,
 * consistency. Each refusal names the value, the rule and the remedy.
 *
 * TypeScript says all of this already; this file is for callers without it. It must never change
 * or copy what it checks.
 */

import { Consistency } from './config-reads.js';
import { ErrorNumber, RingraftError } from './errors.js';
import { shown } from './errors-shown.js';
import { LIMITS } from './limits.js';

export function refuseArgument(detail: string): never {
  throw new RingraftError(ErrorNumber.invalidOptions, {
    text: 'an argument is not valid, nothing was sent',
    detail,
  });
}

export function checkBytes(name: string, value: unknown): asserts value is Uint8Array {
  if (value instanceof Uint8Array) return;
  const remedy = 'Buffer.from(text) makes one of a text';
  refuseArgument(`${name} is ${shown(value)}, must be a Uint8Array such as a Buffer; ${remedy}`);
}

/** All of them, before the first is taken: a call that is refused executes nothing. */
export function checkCommands(commands: unknown): asserts commands is readonly Uint8Array[] {
  if (!Array.isArray(commands)) {
    refuseArgument(
      `commands is ${shown(commands)}, must be an array of Uint8Array; propose takes a single one`,
    );
  }
  for (let i = 0; i < commands.length; i += 1) checkBytes(`commands[${i}]`, commands[i]);
}

export function checkOptions(options: unknown): void {
  if (typeof options === 'object' && options !== null && !Array.isArray(options)) return;
  refuseArgument(`options is ${shown(options)}, must be an object such as { timeoutMs: 1000 }`);
}

const ENGINES_OWN = "leave it out for the engine's own";

export function checkTimeout(
  timeoutMs: unknown,
  remedy = ENGINES_OWN,
): asserts timeoutMs is number {
  const isTime = typeof timeoutMs === 'number' && timeoutMs > 0;
  if (isTime && timeoutMs <= LIMITS.timeoutMsMax) return;
  const rule = `must be a number of milliseconds, more than 0 and at most ${LIMITS.timeoutMsMax}`;
  refuseArgument(`timeoutMs is ${shown(timeoutMs)}, ${rule}; ${remedy}`);
}

/** What bounds a start or an end of the engine. */
export function checkBounds(bounds: {
  readonly timeoutMs?: unknown;
  readonly signal?: unknown;
}): void {
  checkOptions(bounds);
  const { timeoutMs, signal } = bounds;
  if (timeoutMs !== undefined) checkTimeout(timeoutMs, 'leave it out for no bound of your own');
  checkSignal(signal);
}

export function checkReplication(value: unknown): void {
  if (value === 'quorum' || value === 'all') return;
  refuseArgument(`replication is ${shown(value)}, must be "quorum" or "all"`);
}

export function checkSignal(signal: unknown): asserts signal is AbortSignal | undefined {
  if (signal === undefined || signal instanceof AbortSignal) return;
  const remedy = 'give controller.signal or AbortSignal.timeout(ms)';
  refuseArgument(`signal is ${shown(signal)}, must be an AbortSignal; ${remedy}`);
}

export function checkForward(forward: unknown): asserts forward is boolean {
  if (typeof forward === 'boolean') return;
  refuseArgument(`forward is ${shown(forward)}, must be true or false; leave it out to forward`);
}

export function checkIndex(index: unknown): asserts index is number {
  if (Number.isSafeInteger(index) && (index as number) >= 0) return;
  const remedy = 'status().commitIndex is one';
  refuseArgument(`index is ${shown(index)}, must be a whole number from 0; ${remedy}`);
}

/** The number that crosses threads, of the word that callers use. */
export function consistencyOf(word: unknown): Consistency {
  if (typeof word === 'string' && Object.hasOwn(Consistency, word)) {
    return Consistency[word as keyof typeof Consistency];
  }
  const words = Object.keys(Consistency).join(', ');
  return refuseArgument(
    `consistency is ${shown(word)}, must be one of ${words}; leave it out to see all`,
  );
}
