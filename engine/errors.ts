/**
 * Every error a user can meet: one table of number (what crosses threads), code (what programs
 * match on), and what the caller should do. Errors subclassed across threads lose class and code,
 * so rings carry the number and the text is made here.
 *
 * Programmer's mistakes inside the engine are assertions, never codes.
 */

import type { NodeId } from './raft/types.js';

export const ErrorNumber = {
  notLeader: 1,
  noLeader: 2,
  timeout: 3,
  outcomeUnknown: 4,
  busy: 5,
  tooLarge: 6,
  closed: 7,
  storage: 8,
  stateMachine: 9,
  invalidOptions: 10,
  rejected: 11,
  dataDirectory: 12,
  aborted: 13,
  replyTooLarge: 14,
  listen: 15,
  snapshot: 16,
  membership: 17,
  transfer: 18,
  sessionUnknown: 19,
  sessionForgotten: 20,
  witness: 21,
  notOnAll: 22,
} as const;
export type ErrorNumber = (typeof ErrorNumber)[keyof typeof ErrorNumber];

interface ErrorKind {
  readonly code: string;
  /** Trying again may help, and cannot apply anything twice. */
  readonly retryable: boolean;
  readonly text: string;
}

export const ERROR_KINDS: { readonly [N in ErrorNumber]: ErrorKind } = {
  [ErrorNumber.notLeader]: {
    code: 'ERR_NOT_LEADER',
    retryable: true,
    text: 'this node is not the leader; the command was not executed. Send it to the leader',
  },
  [ErrorNumber.noLeader]: {
    code: 'ERR_NO_LEADER',
    retryable: true,
    text: 'no leader is known; the command was not executed. Check that a majority of nodes runs',
  },
  [ErrorNumber.timeout]: {
    code: 'ERR_TIMEOUT',
    retryable: true,
    text: 'the read was not answered in time. Try again or raise timeoutMs',
  },
  [ErrorNumber.outcomeUnknown]: {
    code: 'ERR_OUTCOME_UNKNOWN',
    retryable: false,
    text: 'outcome unknown: the command may or may not be executed. Read back before repeating it',
  },
  [ErrorNumber.busy]: {
    code: 'ERR_BUSY',
    retryable: true,
    text: 'too much is in flight, or the disk is full; the command was not executed. Try later',
  },
  [ErrorNumber.tooLarge]: {
    code: 'ERR_TOO_LARGE',
    retryable: false,
    text: 'the command is larger than entryBytesMax. Split it or raise the limit on every node',
  },
  [ErrorNumber.closed]: {
    code: 'ERR_CLOSED',
    retryable: false,
    text: 'the engine is closed or closing; this was not executed',
  },
  [ErrorNumber.storage]: {
    code: 'ERR_STORAGE',
    retryable: false,
    text: 'the node stopped: its log or one of its threads failed. See the cause, then restart',
  },
  [ErrorNumber.stateMachine]: {
    code: 'ERR_STATE_MACHINE',
    retryable: false,
    text: 'the state machine failed: its group does not run on this node. See the cause',
  },
  [ErrorNumber.invalidOptions]: {
    code: 'ERR_INVALID_OPTIONS',
    retryable: false,
    text: 'the options are not valid',
  },
  [ErrorNumber.rejected]: {
    code: 'ERR_REJECTED',
    retryable: false,
    text: 'the state machine rejected the command',
  },
  [ErrorNumber.dataDirectory]: {
    code: 'ERR_DATA_DIRECTORY',
    retryable: false,
    text: 'the data directory cannot be used',
  },
  [ErrorNumber.aborted]: {
    code: 'ERR_ABORTED',
    retryable: false,
    text: 'the wait was aborted by its signal',
  },
  [ErrorNumber.replyTooLarge]: {
    code: 'ERR_REPLY_TOO_LARGE',
    retryable: false,
    text: 'executed, but the reply does not fit. Raise entryBytesMax or let the machine say less',
  },
  [ErrorNumber.listen]: {
    code: 'ERR_LISTEN',
    retryable: false,
    text: 'the address for peers cannot be used. Free it, or give this node another one',
  },
  [ErrorNumber.snapshot]: {
    code: 'ERR_SNAPSHOT',
    retryable: true,
    text: 'no snapshot was taken. The log keeps what it had; see the reason, then try again',
  },
  [ErrorNumber.membership]: {
    code: 'ERR_MEMBERSHIP',
    retryable: false,
    text: 'the membership was not changed',
  },
  [ErrorNumber.transfer]: {
    code: 'ERR_TRANSFER',
    retryable: true,
    text: 'leadership was not handed over',
  },
  [ErrorNumber.sessionUnknown]: {
    code: 'ERR_SESSION_UNKNOWN',
    retryable: false,
    text:
      'the session is not open (any more): the command was not executed now, an earlier try may ' +
      'have been. Open another session; read back before repeating',
  },
  [ErrorNumber.sessionForgotten]: {
    code: 'ERR_SESSION_FORGOTTEN',
    retryable: false,
    text: 'the command may have been executed before, and what it answered is forgotten. Read back',
  },
  [ErrorNumber.witness]: {
    code: 'ERR_WITNESS',
    retryable: true,
    text:
      'witness mode: this node answers local reads only, and this was not executed. Ask another ' +
      'node, or leave witness mode here',
  },
  [ErrorNumber.notOnAll]: {
    code: 'ERR_NOT_ON_ALL',
    retryable: false,
    text: 'not on all: the command is committed and executed, do not repeat it',
  },
};

export interface ErrorDetails {
  /** Node id of the leader, when one is known. */
  readonly leader?: NodeId;
  /** Said in place of the general text of this error, where another one is truer. */
  readonly text?: string;
  readonly detail?: string;
  readonly cause?: unknown;
  /** The state machine's own bytes, for `ERR_REJECTED`. */
  readonly data?: Uint8Array;
  /** For `ERR_BUSY`: a good moment to try again. */
  readonly retryAfterMs?: number;
  /** For `ERR_NOT_ON_ALL`: the index of the command, and the voters that had not applied it. */
  readonly committedIndex?: number;
  readonly missingNodes?: readonly number[];
}

/** The one error class of the public face. Match on `code`. */
export class RingraftError extends Error {
  readonly code: string;
  readonly retryable: boolean;
  /** Node id of the leader as last known here; 0 when unknown. */
  readonly leaderHint: number;
  readonly data: Uint8Array | null;
  readonly retryAfterMs: number;
  /** Of `ERR_NOT_ON_ALL`: where the command is in the log; 0 of any other error. */
  readonly committedIndex: number;
  /**
   * Of `ERR_NOT_ON_ALL`: voters that had not applied it. None: leadership moved, or the group ended
   * here, and this node does not know.
   */
  readonly missingNodes: readonly number[];

  constructor(number: ErrorNumber, details: ErrorDetails = {}) {
    const kind = ERROR_KINDS[number];
    const hint =
      details.leader === undefined || details.leader === 0
        ? ''
        : ` (leader: node ${details.leader})`;
    const detail = details.detail === undefined ? '' : `: ${details.detail}`;
    super(
      `${details.text ?? kind.text}${detail}${hint}`,
      details.cause === undefined ? undefined : { cause: details.cause },
    );
    this.name = 'RingraftError';
    this.code = kind.code;
    this.retryable = kind.retryable;
    this.leaderHint = details.leader ?? 0;
    this.data = details.data ?? null;
    this.retryAfterMs = details.retryAfterMs ?? 0;
    this.committedIndex = details.committedIndex ?? 0;
    this.missingNodes = details.missingNodes ?? [];
  }
}
