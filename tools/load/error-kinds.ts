/**
 * The ways a command can fail, as the report counts them, and which error reply means which.
 *
 * The kinds differ in what is known: `busy`, `redirect` and `noLeader` were certainly not executed;
 * `unknown`, `lost` and `timeout` may have been. This must never guess: what it does not know is
 * `other`, and the report shows samples of those.
 */

export const ERROR_KINDS = {
  busy: 'refused because the node is overloaded; not executed',
  redirect: 'sent to a node that is not the leader; not executed',
  noLeader: 'no leader within the node’s time; not executed',
  unknown: 'the node answered that the outcome is unknown',
  lost: 'the connection ended before the reply',
  timeout: 'no reply within --timeout',
  other: 'another error reply',
} as const;

export type ErrorKind = keyof typeof ERROR_KINDS;
export type ErrorCounts = Record<ErrorKind, number>;

export function noErrors(): ErrorCounts {
  return { busy: 0, redirect: 0, noLeader: 0, unknown: 0, lost: 0, timeout: 0, other: 0 };
}

export function totalErrors(counts: ErrorCounts): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

const PATTERNS: readonly (readonly [RegExp, ErrorKind])[] = [
  [/^(?:ERR )?busy\b/i, 'busy'],
  [
    /^(?:REDIRECT|READONLY|MOVED|NOTLEADER)\b|^ERR (?:not (?:the )?leader|witness mode)\b/i,
    'redirect',
  ],
  [/^ERR no leader\b|^(?:NOLEADER|CLUSTERDOWN)\b/i, 'noLeader'],
  [/^(?:ERR outcome )?unknown\b(?! command)/i, 'unknown'],
];

/** The kind of an error reply; `line` is without the leading minus. */
export function errorKindOf(line: string): ErrorKind {
  return PATTERNS.find(([pattern]) => pattern.test(line))?.[1] ?? 'other';
}
