/**
 * A frame of one group as a consensus worker takes it in: decoded, and handed to the runtime.
 *
 * It must never repair what it cannot read: such a frame is the simulator's own mistake.
 */

import {
  decodeForward,
  decodeForwarded,
  FORWARD_HEADER_BYTES,
} from '../../codec/frames/forward-codec.js';
import { FrameKind } from '../../codec/frames/frame-format.js';
import {
  decodeMessage,
  isMessageKind,
  messageHeaderBytes,
} from '../../codec/frames/message-codec.js';
import { describeMessage } from '../../engine/raft/describe.js';
import { MessageKind } from '../../engine/raft/message.js';
import type { Incarnation, NodeId } from '../../engine/raft/types.js';
import type { GroupRuntime } from '../../engine/runtime/group-runtime.js';
import { codeOf } from './transport.js';

export interface SimFrame {
  readonly from: NodeId;
  readonly kind: FrameKind;
  readonly body: Buffer;
  /** What the connection proved. */
  readonly incarnation: Incarnation;
}

type Note = (text: () => string) => void;

/** False for a frame that is not what it says. */
export function takeFrame(
  runtime: GroupRuntime,
  frame: SimFrame,
  now: number,
  note: Note,
): boolean {
  const { from, kind, body } = frame;
  if (isMessageKind(kind)) return takeMessage(runtime, frame, now, note);
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  if (kind === FrameKind.forward) {
    const forward = decodeForward(view, 0, body.length);
    if (forward === null) return false;
    const { forwardId, count, term } = forward;
    note(() => `forward ${forwardId} of ${count} from ${from}`);
    const start = FORWARD_HEADER_BYTES;
    const batch = { forwardId, count, term, slab: body, start, end: body.length };
    return runtime.onForward(from, batch, now);
  }
  const answer = decodeForwarded(view, 0, body.length);
  if (kind !== FrameKind.forwarded || answer === null) return false;
  const { forwardId, outcome, count, firstIndex: first, term, leaderHint: leader } = answer;
  note(() => `forwarded ${forwardId} outcome=${outcome} ${term}/${first} from ${from}`);
  const code = codeOf(outcome);
  runtime.onForwardReply(from, { forwardId, code, first, count, term, leader }, now);
  return true;
}

function takeMessage(runtime: GroupRuntime, frame: SimFrame, now: number, note: Note): boolean {
  const { from, kind, body, incarnation } = frame;
  if (!isMessageKind(kind)) return false;
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  const message = decodeMessage(kind, view, 0, body.length, from, runtime.raft.id);
  if (message === null) return false;
  note(() => describeMessage(message));
  if (message.kind === MessageKind.append) {
    const start = messageHeaderBytes(kind);
    return runtime.onAppend(message, incarnation, body, start, body.length, now);
  }
  runtime.onMessage(message, incarnation, now);
  return true;
}
