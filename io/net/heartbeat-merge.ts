/**
 * Collects the heartbeats (or the replies) of all groups to one peer into one frame body.
 *
 * A newer record of a group replaces the older one that has not left yet, so what waits is bounded
 * by the number of groups however long the peer takes. This file never makes a heartbeat of its
 * own.
 */

import { messageGroup, messageHeaderBytes } from '../../codec/frames/message-codec.js';
import type { MessageKind } from '../../engine/raft/message.js';
import { assert } from '../../engine/raft/types.js';

type HeartbeatKind = typeof MessageKind.heartbeat | typeof MessageKind.heartbeatReply;

const INITIAL_RECORDS = 8;

export class HeartbeatMerge {
  readonly kind: HeartbeatKind;
  readonly #recordBytes: number;
  readonly #offsets = new Map<number, number>();
  #body: Uint8Array;
  #bytes = 0;

  constructor(kind: HeartbeatKind) {
    this.kind = kind;
    this.#recordBytes = messageHeaderBytes(kind);
    this.#body = new Uint8Array(INITIAL_RECORDS * this.#recordBytes);
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Groups whose record waits. */
  get records(): number {
    return this.#offsets.size;
  }

  /** Takes every record of a frame body; returns how many replaced an older one. */
  add(body: Uint8Array): number {
    assert(body.length % this.#recordBytes === 0, 'a heartbeat body is whole records');
    const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
    let replaced = 0;
    for (let at = 0; at < body.length; at += this.#recordBytes) {
      const record = body.subarray(at, at + this.#recordBytes);
      if (this.#place(messageGroup(view, at), record)) replaced += 1;
    }
    return replaced;
  }

  #place(group: number, record: Uint8Array): boolean {
    const known = this.#offsets.get(group);
    if (known !== undefined) {
      this.#body.set(record, known);
      return true;
    }
    if (this.#bytes + record.length > this.#body.length) {
      const larger = new Uint8Array(2 * this.#body.length);
      larger.set(this.#body);
      this.#body = larger;
    }
    this.#offsets.set(group, this.#bytes);
    this.#body.set(record, this.#bytes);
    this.#bytes += record.length;
    return false;
  }

  /** The collected body, valid until the next `add`; collecting starts anew. */
  take(): Uint8Array {
    const body = this.#body.subarray(0, this.#bytes);
    this.#offsets.clear();
    this.#bytes = 0;
    return body;
  }
}
