/**
 * Whether a HELLO is of a second process that has the node id of one that is connected.
 *
 * A peer that came back may have lost its old stream without our knowing; but an old stream that is
 * alive is another node's. This file must never end a connection.
 */

import { type Hello, type Refusal, RefuseCode } from '../../codec/frames/handshake.js';
import type { PeerChannel } from './peer-channel.js';

/** Why `hello`, from `remote`, must not stand beside `old`; null when it may. */
export function duplicateRefusal(
  old: PeerChannel | null,
  hello: Hello,
  remote: string,
  nowMs: number,
  duplicateMs: number,
): Refusal | null {
  if (old === null || !old.wasOpened || old.isOfLife(hello)) return null;
  const silentMs = nowMs - old.session.heardAtMs;
  if (silentMs >= duplicateMs) return null;
  const heard = `heard ${Math.round(silentMs)} ms ago`;
  const text =
    `node id ${hello.from} is in use by ${old.remote}, ${heard}, and ${remote} claims it too: ` +
    'two processes have this id, end one of them';
  return { code: RefuseCode.duplicateNode, text };
}
