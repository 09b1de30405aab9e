/**
 * Nodes with bulk connections, and what these reported; used by the tests of io/net.
 *
 * Who has a snapshot answers each request with chunks of `CHUNK_BYTES`, as fast as they are taken.
 */

import { Feature } from '../../codec/frames/handshake-check.js';
import type { SnapshotChunkHead, SnapshotFetch } from '../../codec/frames/snapshot-frames.js';
import { type NodeId, nodeId } from '../../engine/raft/types.js';
import type { PausingAdapter } from '../../io/net/adapter.js';
import type { BulkHandlers } from '../../io/net/bulk-handlers.js';
import type { BulkLinks } from '../../io/net/bulk-links.js';
import { MemoryAdapter } from '../../io/net/memory-adapter.js';
import { SendResult } from '../../io/net/peer-handlers.js';
import { slab } from '../codec/frame-samples.js';
import { chunkOf } from '../codec/snapshot-samples.js';
import {
  addressOf,
  type Cluster,
  identityOf,
  linksOn,
  type Node,
  type NodeChange,
  Recorder,
} from './net-harness.js';

export const CHUNK_BYTES = 20_000;

interface Wanted {
  readonly peer: NodeId;
  readonly group: number;
  next: number;
  readonly end: number;
}

/** Chunks repeat after so many: large ones take time to make. */
const DIFFERENT_CHUNKS = 8;

export class BulkRecorder implements BulkHandlers {
  readonly #chunkBytes: number;
  readonly #made = new Map<number, Uint8Array>();
  readonly log: string[] = [];
  /** Chunks that landed: sender, group, number, and whether the bytes are right. */
  readonly chunks: { peer: number; group: number; chunk: number; isRight: boolean }[] = [];
  readonly tokens: number[] = [];
  /** Rooms that may be lent; those of chunks that landed are not given back by themselves. */
  rooms = Number.POSITIVE_INFINITY;
  /** Whether requests are answered. */
  serves = true;
  refusal: string | null = null;
  links: BulkLinks | null = null;
  readonly #lent = new Map<NodeId, Uint8Array>();
  #wanted: Wanted[] = [];
  #token = 0;

  constructor(chunkBytes = CHUNK_BYTES) {
    this.#chunkBytes = chunkBytes;
  }

  /** The bytes of a chunk, in shared memory. */
  #stored(chunk: number): Uint8Array {
    const which = chunk % DIFFERENT_CHUNKS;
    const known = this.#made.get(which);
    if (known !== undefined) return known;
    const stored = new Uint8Array(new SharedArrayBuffer(this.#chunkBytes));
    stored.set(slab(this.#chunkBytes, which));
    this.#made.set(which, stored);
    return stored;
  }

  fetch(peer: NodeId, { group, from, count }: SnapshotFetch): void {
    this.log.push(`asked ${peer} group ${group} from ${from} count ${count}`);
    if (this.serves) this.#wanted.push({ peer, group, next: from, end: from + count });
    this.serve();
  }

  /** Sends what the connections take. */
  serve(): void {
    for (const wanted of this.#wanted) {
      while (wanted.next < wanted.end && this.#send(wanted)) wanted.next += 1;
    }
    this.#wanted = this.#wanted.filter(({ next, end }) => next < end);
  }

  #send({ peer, group, next }: Wanted): boolean {
    const stored = this.#stored(next);
    const bytes = stored.length;
    const sizes = { rawBytes: bytes, storedBytes: bytes, crc: 0 };
    const packed = { chunk: next, section: 1, flags: 0, ...sizes };
    const { head } = chunkOf(next, 0, { group, packed });
    const result = this.links?.sendChunk(peer, head, stored, this.#token + 1);
    if (result === SendResult.queued) this.#token += 1;
    // A peer that has gone wants nothing any more.
    return result !== SendResult.queueFull;
  }

  space(peer: NodeId, head: SnapshotChunkHead): Uint8Array | null | string {
    if (this.refusal !== null) return this.refusal;
    if (this.rooms === 0) return null;
    this.rooms -= 1;
    const space = new Uint8Array(new SharedArrayBuffer(head.packed.storedBytes));
    this.#lent.set(peer, space);
    return space;
  }

  chunk(peer: NodeId, head: SnapshotChunkHead): void {
    const { chunk } = head.packed;
    const isRight = Buffer.from(this.#takeLent(peer)).equals(this.#stored(chunk));
    this.chunks.push({ peer, group: head.group, chunk, isRight });
  }

  spaceLost(peer: NodeId): void {
    this.#takeLent(peer);
    this.log.push(`space lost ${peer}`);
  }

  #takeLent(peer: NodeId): Uint8Array {
    const space = this.#lent.get(peer);
    if (space === undefined) throw new Error(`no room is lent to ${peer}`);
    this.#lent.delete(peer);
    return space;
  }

  /** Rooms that are lent now. */
  get lent(): number {
    return this.#lent.size;
  }

  refused: BulkHandlers['refused'] = (peer, { group, text }) => {
    this.log.push(`refused ${peer} group ${group}: ${text}`);
  };

  down: BulkHandlers['down'] = (peer) => {
    this.log.push(`down ${peer}`);
  };

  left: BulkHandlers['left'] = (peer) => {
    this.log.push(`left ${peer}`);
  };

  released: BulkHandlers['released'] = (token) => {
    this.tokens.push(token);
    queueMicrotask(() => this.serve());
  };
}

/** What links with bulk connections are made with. */
export function withBulk(
  id: number,
  adapter: PausingAdapter,
  bulk: BulkHandlers,
  change: NodeChange = {},
): NodeChange {
  const optional = Feature.forwarding | Feature.parts | Feature.bulk;
  return {
    ...change,
    identity: { ...identityOf(id), optional, ...change.identity },
    bulk: { adapter, handlers: bulk },
  };
}

export interface BulkNode extends Node {
  readonly bulk: BulkRecorder;
  readonly bulkLinks: BulkLinks;
}

/** A node on the cluster's network. */
export function startBulk(
  cluster: Cluster,
  id: number,
  change: NodeChange = {},
  adapter = new MemoryAdapter(cluster.network, change.name ?? addressOf(id)),
): BulkNode {
  const seen = new Recorder(id);
  const bulk = new BulkRecorder();
  const links = linksOn(adapter, id, seen, withBulk(id, adapter, bulk, change));
  if (links.bulk === null) throw new Error('the links have bulk connections');
  bulk.links = links.bulk;
  links.start();
  return { id, adapter, links, seen, bulk, bulkLinks: links.bulk };
}

export const idOf = (node: { readonly id: number }): NodeId => nodeId(node.id);
