/**
 * From the options of `ringraft server` to its limits: defaults that follow other options, and the
 * combinations that cannot work.
 *
 * All problems are told at once, each with both numbers and the remedy. This file must import
 * nothing that runs.
 */

import type { OptionValues } from '../cli/command.js';
import { CommandError, ExitCode } from '../cli/exit-codes.js';
import { type ClientLimits, DEFAULT_CLIENT_LIMITS } from './client-limits.js';
import type { serverOptions } from './server-options.js';

type CommandLine = OptionValues<typeof serverOptions>;

export interface ServerLimits {
  readonly entryBytesMax: number;
  readonly client: ClientLimits;
}

/** Twice what the log takes: a command that is a little too large gets an answer, not a close. */
const BULKS_PER_ENTRY = 2;
const REQUESTS_PER_BULK = 2;
/** One answer may carry the output past its limit, but not without measure. */
const ANSWERS_PER_OUTPUT = 8;
/** An answer is laid out for the client in memory that doubles while it grows. */
const ANSWERS_PER_BUDGET = 4;
/** A request lies in memory that doubles while it grows. */
const REQUESTS_PER_BUDGET = 2;

interface Bound {
  readonly name: string;
  readonly value: number;
  /** What it must not exceed, in words, and how large that is. */
  readonly limit: string;
  readonly most: number;
  readonly remedy: string;
}

function bounds(options: CommandLine, { entryBytesMax, client }: ServerLimits): Bound[] {
  const { bulkBytesMax, requestBytesMax, answerBytesMax, budgetBytes } = client;
  const list: (Bound | null)[] = [
    // The default goes beyond it on purpose.
    options['max-bulk'] === undefined
      ? null
      : {
          name: '--max-bulk',
          value: bulkBytesMax,
          limit: 'what an entry of the log holds (--max-entry)',
          most: entryBytesMax,
          remedy: 'lower it, or raise --max-entry on every node',
        },
    {
      name: '--max-bulk',
      value: bulkBytesMax,
      limit: 'a whole request (--max-request)',
      most: requestBytesMax,
      remedy: 'lower it, or raise --max-request',
    },
    {
      name: '--max-request',
      value: requestBytesMax,
      limit: `--max-buffers divided by ${REQUESTS_PER_BUDGET}, as a request doubles while it grows`,
      most: Math.floor(budgetBytes / REQUESTS_PER_BUDGET),
      remedy: 'lower it, or raise --max-buffers',
    },
    {
      name: '--max-answer',
      value: answerBytesMax,
      limit: `${ANSWERS_PER_OUTPUT} × --max-output`,
      most: ANSWERS_PER_OUTPUT * client.outputBytesMax,
      remedy: 'lower it, or raise --max-output',
    },
    {
      name: '--max-answer',
      value: answerBytesMax,
      limit: `--max-buffers divided by ${ANSWERS_PER_BUDGET}`,
      most: Math.floor(budgetBytes / ANSWERS_PER_BUDGET),
      remedy: 'lower it, or raise --max-buffers',
    },
  ];
  return list.filter((bound) => bound !== null);
}

/** Throws a usage error that names every combination which cannot work. */
export function serverLimits(options: CommandLine): ServerLimits {
  const limits = chosenLimits(options);
  const problems = bounds(options, limits)
    .filter(({ value, most }) => value > most)
    .map(
      ({ name, value, limit, most, remedy }) =>
        `${name} is ${value}: it must be at most ${limit}, ${most} bytes; ${remedy}`,
    );
  if (problems.length > 0) throw new CommandError(ExitCode.usage, problems.join('\n'));
  return limits;
}

function chosenLimits(options: CommandLine): ServerLimits {
  const entryBytesMax = options['max-entry'];
  const budgetBytes = options['max-buffers'];
  const outputBytesMax = options['max-output'];
  const requestsInBudget = Math.floor(budgetBytes / REQUESTS_PER_BUDGET);
  const request = options['max-request'];
  const bulkBytesMax =
    options['max-bulk'] ??
    Math.min(BULKS_PER_ENTRY * entryBytesMax, request ?? Number.MAX_SAFE_INTEGER);
  const answerBytesMax =
    options['max-answer'] ??
    Math.min(
      DEFAULT_CLIENT_LIMITS.answerBytesMax,
      ANSWERS_PER_OUTPUT * outputBytesMax,
      Math.floor(budgetBytes / ANSWERS_PER_BUDGET),
    );
  const client: ClientLimits = {
    connectionsMax: options['max-clients'],
    inlineBytesMax: options['max-inline'],
    argumentsMax: options['max-arguments'],
    bulkBytesMax,
    requestBytesMax:
      request ??
      Math.max(bulkBytesMax, Math.min(REQUESTS_PER_BULK * bulkBytesMax, requestsInBudget)),
    backlogMax: options['max-pipeline'],
    outputBytesMax,
    answerBytesMax,
    budgetBytes,
    unreadMs: options['unread-timeout'],
    idleMs: options['idle-timeout'],
    partialMs: options['request-timeout'],
    timeoutMs: options.timeout,
  };
  return { entryBytesMax, client };
}
