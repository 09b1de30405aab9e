/**
 * What the peer transport counts: a table of names, units and meanings, and the numbers, in memory
 * that another thread may read for status.
 *
 * Numbers only grow, but for one that says so. Nothing decides by them. Written by one thread only;
 * a reader may see numbers of neighbouring turns.
 */

import { CLOSE_REASONS, type CloseReason } from './close-reason.js';

export const NET_COUNTERS = {
  framesSent: { unit: 'frames', help: 'Frames handed to a socket' },
  bytesSent: { unit: 'bytes', help: 'Bytes handed to a socket' },
  writes: { unit: 'writes', help: 'Batches handed to a socket: one system call each, as a rule' },
  framesSplit: { unit: 'frames', help: 'Large frames that left in parts, each a frame of its own' },
  heartbeatsSent: { unit: 'records', help: 'Heartbeats of groups to a peer' },
  heartbeatFramesSent: { unit: 'frames', help: 'Frames that held them, many groups in one' },
  heartbeatRepliesSent: { unit: 'records', help: 'Answers of groups to heartbeats' },
  heartbeatReplyFramesSent: { unit: 'frames', help: 'Frames that held them, many groups in one' },
  framesReceived: { unit: 'frames', help: 'Whole frames received after the handshake' },
  bytesReceived: { unit: 'bytes', help: 'Bytes received, before and after the handshake' },
  droppedFull: { unit: 'frames', help: 'Frames refused because the queue to the peer was full' },
  droppedDown: { unit: 'frames', help: 'Frames refused because the peer was not connected' },
  droppedClosed: { unit: 'frames', help: 'Queued frames lost when their connection ended' },
  heartbeatsReplaced: { unit: 'records', help: 'Heartbeats overtaken in the queue by a newer one' },
  dials: { unit: 'attempts', help: 'Connections that this node began' },
  accepts: { unit: 'connections', help: 'Connections that others began' },
  handshakes: { unit: 'handshakes', help: 'Handshakes that succeeded' },
  snapshotBytesSent: { unit: 'bytes', help: 'Bytes of chunks of snapshots queued for a peer' },
  snapshotBytesReceived: { unit: 'bytes', help: 'Bytes of chunks of snapshots received whole' },
  bulkConnections: {
    unit: 'connections',
    help: 'Bulk connections that are open now, either way: the only number here that falls',
  },
  reboots: { unit: 'reboots', help: 'Peers that came back with another boot id' },
} as const;
export type NetCounter = keyof typeof NET_COUNTERS;
export type NetNumbers = Readonly<Record<NetCounter, number>>;

const NAMES = Object.keys(NET_COUNTERS) as NetCounter[];

export function createNetFigures(): SharedArrayBuffer {
  return new SharedArrayBuffer(NAMES.length * Float64Array.BYTES_PER_ELEMENT);
}

/** The numbers as any thread sees them now. */
export function readNetFigures(figures: SharedArrayBuffer): NetNumbers {
  const slots = new Float64Array(figures);
  const entries = NAMES.map((name, slot) => [name, slots[slot]]);
  return Object.fromEntries(entries) as Record<NetCounter, number>;
}

/** An object whose fields are the slots, so that counting is an addition in place. */
function fieldsOf(slots: Float64Array): Record<NetCounter, number> {
  const fields = {} as Record<NetCounter, number>;
  for (const [slot, name] of NAMES.entries()) {
    Object.defineProperty(fields, name, {
      enumerable: true,
      get: () => slots[slot],
      set: (value: number) => {
        slots[slot] = value;
      },
    });
  }
  return fields;
}

function noCloses(): Record<CloseReason, number> {
  const reasons = Object.keys(CLOSE_REASONS) as CloseReason[];
  return Object.fromEntries(reasons.map((name) => [name, 0])) as Record<CloseReason, number>;
}

export class NetCounters {
  readonly values: Record<NetCounter, number>;
  /** Ended connections by reason. */
  readonly closes: Record<CloseReason, number> = noCloses();

  constructor(figures = createNetFigures()) {
    this.values = fieldsOf(new Float64Array(figures));
  }
}
