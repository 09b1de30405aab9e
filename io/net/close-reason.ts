/**
 * Why a peer connection ended, by a stable name that is counted and logged, and the one-line event
 * that says so. Names are part of the interface of status and metrics: never renamed.
 */

import { RefuseCode } from '../../codec/frames/handshake.js';
import { NOBODY, type NodeId } from '../../engine/raft/types.js';

export const CLOSE_REASONS = {
  disconnected: 'the other side, or the network, ended the stream',
  connectFailed: 'the peer could not be reached',
  dialTimeout: 'no answer to the connection attempt in time',
  handshakeTimeout: 'no HELLO in time',
  idle: 'nothing was heard for the idle time',
  badFrame: 'not a frame: wrong magic, header, flags or checksum',
  oversized: 'a frame announced more bytes than allowed',
  unexpectedFrame: 'a frame of unknown kind, or one that has no place here',
  badMessage: 'a whole frame with a malformed body',
  badPart: 'a part of a frame that is malformed or does not continue the one before it',
  malformedHello: 'refused: the HELLO cannot be read',
  version: 'refused: no common protocol version',
  feature: 'refused: a required feature is unknown',
  wrongCluster: 'refused: another cluster id',
  wrongTarget: 'refused: another node was meant',
  ownId: 'refused: the peer has the own node id',
  unknownNode: 'refused: not a member',
  duplicateNode: 'refused: a node with this id is connected and alive',
  configMismatch: 'refused: a group is configured differently',
  direction: 'refused: opened by the side that must not dial',
  refusedByPeer: 'the peer refused us; the text says why',
  replaced: 'the peer opened a newer connection',
  asked: 'a node that joins asked which cluster this is, and was told',
  evicted: 'too many connections were waiting for their handshake',
  unused: 'a bulk connection had nothing to carry for a while',
  removed: 'the node is no longer a peer',
  shutdown: 'this node closes',
} as const;
export type CloseReason = keyof typeof CLOSE_REASONS;

const REFUSALS: Readonly<Record<RefuseCode, CloseReason>> = {
  [RefuseCode.malformed]: 'malformedHello',
  [RefuseCode.version]: 'version',
  [RefuseCode.feature]: 'feature',
  [RefuseCode.wrongCluster]: 'wrongCluster',
  [RefuseCode.wrongTarget]: 'wrongTarget',
  [RefuseCode.ownId]: 'ownId',
  [RefuseCode.unknownNode]: 'unknownNode',
  [RefuseCode.duplicateNode]: 'duplicateNode',
  [RefuseCode.configMismatch]: 'configMismatch',
  [RefuseCode.direction]: 'direction',
  [RefuseCode.removed]: 'removed',
};

/** The reason under which our own refusal is counted. */
export function reasonOfRefusal(code: RefuseCode): CloseReason {
  return REFUSALS[code];
}

/** Whether one of the two nodes refused the other: dialling again changes nothing by itself. */
export function isRefusalReason(reason: CloseReason): boolean {
  return reason === 'refusedByPeer' || Object.values(REFUSALS).includes(reason);
}

/** One ended connection, for the log. */
export interface PeerEvent {
  /** Address of the other side. */
  readonly remote: string;
  /** Nobody when the handshake never said. */
  readonly peer: NodeId;
  readonly reason: CloseReason;
  readonly detail: string;
}

/** `peer 2 at 10.0.0.2:5001: wrongCluster (cluster id 7 there, 1 here)` */
export function describePeerEvent(event: PeerEvent): string {
  const who = event.peer === NOBODY ? 'connection' : `peer ${event.peer}`;
  const detail = event.detail === '' ? CLOSE_REASONS[event.reason] : event.detail;
  return `${who} at ${event.remote}: ${event.reason} (${detail})`;
}
