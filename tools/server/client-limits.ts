/**
 * What one client, or all of them together, may take from this node, and the defaults with their
 * reasons. Every limit has an option of the server; none may be unlimited in memory.
 */

import { LIMITS } from '../../engine/limits.js';

export interface ClientLimits {
  /** Connections at once; one more is told so and closed. */
  readonly connectionsMax: number;
  /** Longest inline command. */
  readonly inlineBytesMax: number;
  /** Most arguments of one request. */
  readonly argumentsMax: number;
  /** Longest argument, refused by closing: no boundary is known behind it. */
  readonly bulkBytesMax: number;
  /** Most bytes of one request; a connection holds at most twice that while it grows. */
  readonly requestBytesMax: number;
  /** Requests of one connection without a reply; beyond it the socket is not read. */
  readonly backlogMax: number;
  /** Reply bytes a client has not taken; beyond it its requests are not read. One always fits. */
  readonly outputBytesMax: number;
  /** Longest answer of KEYS, MGET and the like. */
  readonly answerBytesMax: number;
  /** Bytes of unfinished requests and untaken replies of all clients together. */
  readonly budgetBytes: number;
  /** A client that takes nothing of a full output for this long is closed. */
  readonly unreadMs: number;
  /** Close what sent nothing for this long; 0: never. */
  readonly idleMs: number;
  /** Close what began a request and does not end it; 0: never. */
  readonly partialMs: number;
  /** How long a write or read may take. */
  readonly timeoutMs: number;
}

export const DEFAULT_CLIENT_LIMITS: ClientLimits = {
  connectionsMax: 1024,
  inlineBytesMax: 64 * 1024,
  argumentsMax: 128 * 1024,
  // Twice what the log takes: a command that is a little too large gets an answer, not a close.
  bulkBytesMax: 2 * LIMITS.entryBytesMaxDefault,
  requestBytesMax: 4 * LIMITS.entryBytesMaxDefault,
  backlogMax: 16_384,
  outputBytesMax: 8 * 1024 * 1024,
  answerBytesMax: 32 * 1024 * 1024,
  budgetBytes: 256 * 1024 * 1024,
  unreadMs: 60_000,
  idleMs: 0,
  partialMs: 60_000,
  timeoutMs: 5000,
};
