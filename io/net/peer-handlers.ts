/**
 * What the owner of the peer links sees of them: addresses in, results and callbacks out.
 *
 * Callbacks run inside the adapter's turn. They may send and flush; they must never throw, and
 * never keep the bytes of a frame.
 */

import type { FrameKind } from '../../codec/frames/frame-format.js';
import type { Hello } from '../../codec/frames/handshake.js';
import type { NodeId } from '../../engine/raft/types.js';
import type { CloseReason, PeerEvent } from './close-reason.js';

export interface PeerAddress {
  readonly id: NodeId;
  readonly address: string;
}

export const SendResult = {
  queued: 0,
  /** The queue to the peer is full: the frame was dropped and counted. */
  queueFull: 1,
  /** There is no open link to the peer: the frame was dropped and counted. */
  notConnected: 2,
} as const;
export type SendResult = (typeof SendResult)[keyof typeof SendResult];

export interface PeerHandlers {
  /** `rebooted`: the peer was known with another boot id, so what it remembered may be gone. */
  up(peer: NodeId, hello: Hello, rebooted: boolean): void;
  down(peer: NodeId, reason: CloseReason): void;
  /** It is no peer any more, after `down` if it was up: nothing of it needs to be remembered. */
  left(peer: NodeId): void;
  /**
   * A frame body: copy what is to stay, it is valid during the call only. `bytes` may be a Buffer,
   * whose `slice` copies nothing.
   */
  frame(
    peer: NodeId,
    kind: FrameKind,
    bytes: Uint8Array,
    view: DataView,
    offset: number,
    length: number,
  ): void;
  /** The slabs sent with this token are not read any more. */
  released(token: number): void;
  /** A connection ended: one line for the log. */
  event(event: PeerEvent): void;
  listening(address: string): void;
  listenFailed(address: string, code: string): void;
}
