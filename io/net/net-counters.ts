/**
 * What the peer transport counts: a table of names, units and meanings, and the numbers.
 *
 * Numbers only grow. Nothing decides by them.
 */

import { CLOSE_REASONS, type CloseReason } from './close-reason.js';

export const NET_COUNTERS = {
  framesSent: { unit: 'frames', help: 'Frames handed to a socket' },
  bytesSent: { unit: 'bytes', help: 'Bytes handed to a socket' },
  writes: { unit: 'writes', help: 'Batches handed to a socket: one system call each, as a rule' },
  framesReceived: { unit: 'frames', help: 'Whole frames received after the handshake' },
  bytesReceived: { unit: 'bytes', help: 'Bytes received, before and after the handshake' },
  droppedFull: { unit: 'frames', help: 'Frames refused because the queue to the peer was full' },
  droppedDown: { unit: 'frames', help: 'Frames refused because the peer was not connected' },
  droppedClosed: { unit: 'frames', help: 'Queued frames lost when their connection ended' },
  heartbeatsReplaced: { unit: 'records', help: 'Heartbeats overtaken in the queue by a newer one' },
  dials: { unit: 'attempts', help: 'Connections that this node began' },
  accepts: { unit: 'connections', help: 'Connections that others began' },
  handshakes: { unit: 'handshakes', help: 'Handshakes that succeeded' },
  reboots: { unit: 'reboots', help: 'Peers that came back with another boot id' },
} as const;
export type NetCounter = keyof typeof NET_COUNTERS;

function zeroes<Name extends string>(table: Readonly<Record<Name, unknown>>): Record<Name, number> {
  const names = Object.keys(table) as Name[];
  return Object.fromEntries(names.map((name) => [name, 0])) as Record<Name, number>;
}

export class NetCounters {
  readonly values: Record<NetCounter, number> = zeroes(NET_COUNTERS);
  /** Ended connections by reason. */
  readonly closes: Record<CloseReason, number> = zeroes(CLOSE_REASONS);
}
