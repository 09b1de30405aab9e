/**
 * One peer as the links of a node know it, and the nodes that once were peers.
 *
 * A peer is a member of a configuration in force, or it leaves: for a while it keeps its link, so
 * that what it is still to be told reaches it. A node that waits to be added has guests: who dials
 * it stays as long as its link. What is done about it is decided in peer-links.ts.
 */

import { type Refusal, RefuseCode } from '../../codec/frames/handshake.js';
import type { NodeId } from '../../engine/raft/types.js';
import type { PeerChannel } from './peer-channel.js';

export interface LinkPeer {
  readonly id: NodeId;
  address: string;
  isMember: boolean;
  /** It was a member since it is known here: it is dialled until it is let go. */
  wasMember: boolean;
  /** When one that is no member is let go; Infinity: not yet. */
  leavesAtMs: number;
  /** The stream that is open or being dialled. */
  channel: PeerChannel | null;
  /** The last stream that this node dialled itself. */
  dialled: PeerChannel | null;
  redialAtMs: number;
  /** Dials since the last link that lasted. */
  attempts: number;
  bootId: number;
  /** The last failure that was logged: the same one again is only counted. */
  lastFailure: string;
}

export function linkPeer(id: NodeId, address: string, isMember: boolean): LinkPeer {
  const { POSITIVE_INFINITY: never } = Number;
  const streams = { channel: null, dialled: null, redialAtMs: never };
  const known = { attempts: 0, bootId: 0, lastFailure: '' };
  return { id, address, isMember, wasMember: isMember, leavesAtMs: never, ...streams, ...known };
}

function removedRefusal(id: NodeId): Refusal {
  const text = `node ${id} was removed from the cluster, and waits until it is added again`;
  return { code: RefuseCode.removed, text };
}

/** What a node is told that is no member that `self` knows; `wasMember`: it was one. */
export function refusalOf(id: NodeId, self: NodeId, wasMember: boolean): Refusal {
  if (wasMember) return removedRefusal(id);
  const text = `node ${id} is not a member that node ${self} knows`;
  return { code: RefuseCode.unknownNode, text };
}

/** Whether what this node dialled itself has got as far as a greeting, or is open. */
export function isGreeted({ channel, dialled }: LinkPeer): boolean {
  return channel !== null && channel === dialled && !channel.session.isConnecting;
}

/** Former members that are remembered: only what they are told when they dial depends on it. */
const FORMER_MAX = 4096;

/** Nodes that were removed, the latest ones. */
export class FormerPeers {
  readonly #ids = new Set<NodeId>();

  constructor(ids: readonly NodeId[]) {
    for (const id of ids) this.add(id);
  }

  has(id: NodeId): boolean {
    return this.#ids.has(id);
  }

  add(id: NodeId): void {
    this.#ids.delete(id);
    this.#ids.add(id);
    for (const oldest of this.#ids) {
      if (this.#ids.size <= FORMER_MAX) break;
      this.#ids.delete(oldest);
    }
  }

  delete(id: NodeId): void {
    this.#ids.delete(id);
  }
}
