/**
 * The limits of the peer transport, each with its unit and default, and their validation.
 *
 * All problems are found at once, each named with the value found and the value allowed.
 */

import { FRAME_BYTES_MAX, PART_BYTES_MAX } from '../../codec/frames/frame-format.js';
import { PART_BYTES_MIN } from '../../codec/frames/frame-parts.js';
import type { SessionLimits } from './peer-session.js';
import type { SendLimits } from './send-queue.js';

export interface PeerLimits extends SessionLimits, SendLimits {
  /** First pause before a peer is dialled again; doubles up to `redialMsMax`. */
  readonly redialMsMin: number;
  readonly redialMsMax: number;
  /** First pause before a peer is dialled whose part it is to dial; doubles, too. */
  readonly dialAnywayMs: number;
  /** The longest pause of that, and after refusals that only a change of members can end. */
  readonly refusedMsMax: number;
  /** How long a node that is no member any more keeps its link, to be told what is left. */
  readonly lingerMs: number;
  /** A second node with the same id is refused if the first was heard within this time. */
  readonly duplicateMs: number;
  /** Accepted connections that have not said HELLO; one more pushes out the oldest. */
  readonly greetingConnectionsMax: number;
  /** A bulk connection by which nothing is fetched ends after this time. */
  readonly bulkUnusedMs: number;
  /** The same when something was asked for and nothing of it comes. */
  readonly bulkSilentMs: number;
}

export const PEER_LIMITS: PeerLimits = {
  dialTimeoutMs: 2000,
  handshakeTimeoutMs: 2000,
  idleMs: 2000,
  pingMs: 500,
  frameBytesMax: FRAME_BYTES_MAX,
  controlBytesMax: 1024 * 1024,
  dataBytesMax: 8 * 1024 * 1024,
  batchBytesMax: 256 * 1024,
  partBytesMax: PART_BYTES_MAX,
  redialMsMin: 50,
  redialMsMax: 250,
  dialAnywayMs: 1000,
  refusedMsMax: 5000,
  lingerMs: 5000,
  duplicateMs: 1000,
  greetingConnectionsMax: 64,
  bulkUnusedMs: 10_000,
  bulkSilentMs: 60_000,
};

/** What is wrong with these limits; empty when nothing is. */
export function peerLimitProblems(limits: PeerLimits): string[] {
  const problems: string[] = [];
  for (const [name, value] of Object.entries(limits)) {
    if (!Number.isSafeInteger(value) || value < 1) {
      problems.push(`${name} is ${value}, must be a whole number of at least 1`);
    }
  }
  const ordered = (low: keyof PeerLimits, high: keyof PeerLimits, factor: number): void => {
    if (limits[low] * factor <= limits[high]) return;
    const times = factor === 1 ? '' : ` divided by ${factor}`;
    problems.push(`${low} is ${limits[low]}, must be at most ${high}${times} (${limits[high]})`);
  };
  ordered('pingMs', 'idleMs', 2);
  ordered('duplicateMs', 'idleMs', 1);
  ordered('bulkUnusedMs', 'bulkSilentMs', 1);
  ordered('redialMsMin', 'redialMsMax', 1);
  ordered('redialMsMax', 'refusedMsMax', 1);
  ordered('dialAnywayMs', 'refusedMsMax', 1);
  ordered('batchBytesMax', 'dataBytesMax', 1);
  ordered('partBytesMax', 'batchBytesMax', 1);
  if (limits.partBytesMax < PART_BYTES_MIN) {
    problems.push(`partBytesMax is ${limits.partBytesMax}, must be at least ${PART_BYTES_MIN}`);
  }
  return problems;
}
