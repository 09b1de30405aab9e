/**
 * The transport thread of one simulated process: messages of the groups become frames of the
 * production protocol, and frames become messages again.
 *
 * Entry bytes are copied out of an arena when a message is taken from its queue, some time after it
 * was sent, as in production. Heartbeats of all groups to a peer share a frame; a large frame
 * travels in parts, and a part out of place ends the connection. It must never look into a message
 * but to find its group.
 */

import {
  encodeForwarded,
  encodeForwardHeader,
  FORWARD_HEADER_BYTES,
  FORWARDED_BYTES,
  ForwardOutcome,
} from '../../codec/frames/forward-codec.js';
import { FrameDecoder } from '../../codec/frames/frame-decoder.js';
import {
  FRAME_BYTES_MAX,
  FRAME_HEADER_BYTES,
  type FrameKind,
  FrameKind as Kinds,
  sealFrame,
} from '../../codec/frames/frame-format.js';
import {
  FrameAssembly,
  type FramePart,
  holdsEntries,
  sealParts,
} from '../../codec/frames/frame-parts.js';
import {
  decodeMessages,
  encodeMessageHeader,
  isHeartbeatKind,
  isMessageKind,
  messageGroup,
  messageHeaderBytes,
} from '../../codec/frames/message-codec.js';
import {
  encodeChunkHead,
  encodeFetch,
  encodeRefused,
  isSnapshotKind,
} from '../../codec/frames/snapshot-frames.js';
import { ErrorNumber } from '../../engine/errors.js';
import { type AppendRequest, type Message, MessageKind } from '../../engine/raft/message.js';
import type { Prng } from '../../engine/raft/prng.js';
import { type LogIndex, type NodeId, nodeId, type Term } from '../../engine/raft/types.js';
import type { LogPiece } from '../../engine/runtime/log-index.js';
import type { ForwardReply, NetworkPort } from '../../engine/runtime/ports.js';
import { HeartbeatMerge } from '../../io/net/heartbeat-merge.js';
import type { Counts } from './counts.js';
import type { SimNetwork } from './network.js';
import type { SimProcess } from './process.js';
import { SimFailure } from './sim-failure.js';
import type { BulkRecord, SnapshotDevice } from './snapshot-device.js';

/** A configuration on its way to the links. */
interface Told {
  readonly group: number;
  readonly configuration: Uint8Array;
  readonly isLost: boolean;
}

/** A message on its way out: the body without its slab, and where the slab is. */
interface Outgoing {
  readonly lane: Lane;
  readonly to: number;
  readonly kind: FrameKind;
  readonly body: Uint8Array;
  readonly pieces: readonly LogPiece[];
  readonly slab: Uint8Array | null;
}

/** One group's queue as its runtime sees it. */
interface Lane {
  readonly region: (position: number, bytes: number) => Uint8Array;
  queued: number;
  taken: number;
}

export interface TransportParts {
  readonly self: number;
  readonly process: SimProcess;
  readonly prng: Prng;
  readonly network: SimNetwork;
  /** How long messages stay in their queues, at most. */
  readonly transportUs: number;
  /** Larger frames with entries travel in parts of at most this. */
  readonly partBytesMax: number;
  readonly counts: Counts;
  /** The configuration that is in force in a group. */
  configured(group: number, configuration: Uint8Array, isLost: boolean): void;
  /** A message that arrived without a slab. */
  message(group: number, peer: number, message: Message): void;
  /** A frame about snapshots; false when it is not what it says. */
  snapshot(peer: number, kind: number, body: Buffer): boolean;
  /** A frame of one group, for it to decode. */
  frame(group: number, peer: number, kind: FrameKind, body: Buffer): void;
}

/** How long the next part of a frame may stay behind the last. */
const PART_GAP_US_MAX = 1_000;

type HeartbeatKind = typeof MessageKind.heartbeat | typeof MessageKind.heartbeatReply;

export class Transport {
  readonly #parts: TransportParts;
  readonly #queue: (Outgoing | Told)[] = [];
  readonly #merges = new Map<string, { to: number; merge: HeartbeatMerge }>();
  readonly #decoder: FrameDecoder;
  /** The unfinished frames of the connections that are up. */
  readonly #assemblies = new Map<number, FrameAssembly>();
  #cutFrames = 0;
  /** Frames with entries that wait behind the parts of one, by peer. */
  readonly #waiting = new Map<number, Uint8Array[]>();
  /** Peers whose connection was ended here; what they sent on it is not read any more. */
  readonly #ended = new Set<number>();
  #from = 0;
  #isWoken = false;
  forwarded = 0;

  constructor(parts: TransportParts) {
    this.#parts = parts;
    this.#decoder = new FrameDecoder(FRAME_BYTES_MAX, (kind, bytes, view, offset, length) =>
      this.#onFrame(kind, bytes, view, offset, length),
    );
  }

  /** The door of one group. */
  portOf(group: number, region: Lane['region']): NetworkPort {
    const lane: Lane = { region, queued: 0, taken: 0 };
    const put = (
      to: number,
      kind: FrameKind,
      body: Uint8Array,
      pieces: readonly LogPiece[] = [],
      slab: Uint8Array | null = null,
    ): void => {
      lane.queued += 1;
      this.#queue.push({ lane, to, kind, body, pieces, slab });
      this.#wake();
    };
    return {
      send: (message) => put(message.to, message.kind, encoded(message, group)),
      sendAppend: (message, pieces) =>
        put(message.to, message.kind, encoded(message, group), [...pieces]),
      sendLoaded: (message, slab) =>
        put(message.to, message.kind, encoded(message, group), [], Uint8Array.from(slab)),
      sendForward: (to, forwardId, term, count, slab) => {
        this.forwarded += 1;
        const body = new Uint8Array(FORWARD_HEADER_BYTES);
        const head = { group, forwardId, term, count, bytes: slab.length };
        encodeForwardHeader(head, new DataView(body.buffer), 0);
        put(to, Kinds.forward, body, [], Uint8Array.from(slab));
      },
      configure: (configuration, isLost) => {
        this.#queue.push({ group, configuration: Uint8Array.from(configuration), isLost });
        this.#wake();
      },
      sendForwardReply: (to, reply) => put(to, Kinds.forwarded, encodedReply(group, reply)),
      mark: () => lane.queued,
      isConsumed: (mark) => lane.taken >= mark,
    };
  }

  /** What goes to a peer of snapshots; on connections of their own in production. */
  sendBulk(record: BulkRecord, { slab }: SnapshotDevice): void {
    const to = record.peer;
    switch (record.kind) {
      case 'fetch':
        this.#send(to, Kinds.snapshotFetch, encodeFetch(record.asked), []);
        return;
      case 'refuse':
        this.#send(to, Kinds.snapshotRefused, encodeRefused(record), []);
        return;
      case 'chunk': {
        const stored = slab.packed(record.slot, record.sent.packed.storedBytes);
        this.#send(to, Kinds.snapshotChunk, encodeChunkHead(record.sent), [stored]);
        slab.give(record.slot);
      }
    }
  }

  #wake(): void {
    if (this.#isWoken) return;
    this.#isWoken = true;
    const { process, prng, transportUs } = this.#parts;
    const waitUs = prng.chance(0.03) ? prng.between(200, 30_000) : prng.between(5, transportUs);
    process.after(waitUs, () => this.#drain());
  }

  #onTold({ group, configuration, isLost }: Told): void {
    this.#parts.configured(group, configuration, isLost);
  }

  #drain(): void {
    this.#isWoken = false;
    for (const each of this.#queue.splice(0)) {
      if ('configuration' in each) this.#onTold(each);
      else this.#take(each);
    }
    for (const { to, merge } of this.#merges.values()) {
      if (merge.bytes > 0) this.#send(to, merge.kind, merge.take(), []);
    }
  }

  #take({ lane, to, kind, body, pieces, slab }: Outgoing): void {
    lane.taken += 1;
    if (kind === MessageKind.heartbeat || kind === MessageKind.heartbeatReply) {
      this.#mergeFor(to, kind).add(body);
      return;
    }
    const slabs = pieces.map(({ position, bytes }) => lane.region(position, bytes));
    if (slab !== null) slabs.push(slab);
    this.#send(to, kind, body, slabs);
  }

  #mergeFor(to: number, kind: HeartbeatKind): HeartbeatMerge {
    const name = `${to} ${kind}`;
    const known = this.#merges.get(name);
    if (known !== undefined) return known.merge;
    const merge = new HeartbeatMerge(kind);
    this.#merges.set(name, { to, merge });
    return merge;
  }

  #send(to: number, kind: FrameKind, body: Uint8Array, slabs: readonly Uint8Array[]): void {
    const { self, network, partBytesMax, counts } = this.#parts;
    const slab = Buffer.concat(slabs);
    const total = FRAME_HEADER_BYTES + body.length + slab.length;
    if (holdsEntries(kind) && total > partBytesMax) {
      counts.framesInParts += 1;
      this.#cutFrames += 1;
      const parts = sealParts(kind, this.#cutFrames, body, slab, null, partBytesMax);
      this.#sendInOrder(to, parts.map(bytesOf));
      return;
    }
    const bytes = new Uint8Array(total);
    bytes.set(body, FRAME_HEADER_BYTES);
    bytes.set(slab, FRAME_HEADER_BYTES + body.length);
    sealFrame(bytes, new DataView(bytes.buffer), 0, kind, bytes.length - FRAME_HEADER_BYTES);
    if (holdsEntries(kind)) this.#sendInOrder(to, [bytes]);
    else network.send(self, to, bytes);
  }

  /** Frames with entries leave in order, the parts of one a while apart: others pass between. */
  #sendInOrder(to: number, frames: readonly Uint8Array[]): void {
    const waiting = this.#waiting.get(to) ?? [];
    const isIdle = waiting.length === 0;
    waiting.push(...frames);
    this.#waiting.set(to, waiting);
    if (isIdle) this.#sendNext(to);
  }

  #sendNext(to: number): void {
    const { self, network, process, prng } = this.#parts;
    const waiting = this.#waiting.get(to) ?? [];
    const next = waiting.shift();
    if (next !== undefined) network.send(self, to, next);
    if (waiting.length === 0) return;
    process.after(prng.between(10, PART_GAP_US_MAX), () => this.#sendNext(to));
  }

  /** A whole frame arrived from `peer`; its bytes belong to the receiver. */
  receive(peer: number, bytes: Uint8Array): void {
    if (this.#ended.has(peer)) return;
    this.#from = peer;
    this.#decoder.push(bytes);
    if (this.#decoder.problem !== null) {
      throw new SimFailure(`a frame from node ${peer} is broken: ${this.#decoder.problem}`);
    }
  }

  /** The connection to `peer` broke: the next one begins anew. */
  reset(peer: number): void {
    const assembly = this.#assemblies.get(peer);
    if (assembly?.isOpen === true && !this.#ended.has(peer)) this.#parts.counts.partsGivenUp += 1;
    assembly?.clear();
    this.#ended.delete(peer);
    this.#waiting.delete(peer);
  }

  #assemblyOf(peer: number): FrameAssembly {
    const known = this.#assemblies.get(peer);
    if (known !== undefined) return known;
    const assembly = new FrameAssembly();
    this.#assemblies.set(peer, assembly);
    return assembly;
  }

  /** A part, or entries between the parts of a frame, where they cannot be: as a session does. */
  #endConnection(peer: number): void {
    const { counts, network, self } = this.#parts;
    counts.partsOutOfPlace += 1;
    this.#ended.add(peer);
    network.cut(self, peer);
  }

  #onPart(bytes: Uint8Array, view: DataView, offset: number, length: number): void {
    const peer = this.#from;
    const assembly = this.#assemblyOf(peer);
    if (assembly.add(bytes, view, offset, length, FRAME_BYTES_MAX) !== null) {
      this.#endConnection(peer);
      return;
    }
    const whole = assembly.take();
    if (whole === null) return;
    this.#parts.counts.framesAssembled += 1;
    this.#onFrame(whole.kind, whole.bytes, whole.view, whole.offset, whole.length);
  }

  #onFrame(kind: number, bytes: Uint8Array, view: DataView, offset: number, length: number): void {
    const peer = this.#from;
    if (kind === Kinds.part) {
      this.#onPart(bytes, view, offset, length);
      return;
    }
    if (isSnapshotKind(kind)) {
      const body = Buffer.from(bytes.slice(offset, offset + length));
      if (this.#parts.snapshot(peer, kind, body)) return;
      throw new SimFailure(`a frame of kind ${kind} from node ${peer} is malformed`);
    }
    if (this.#assemblies.get(peer)?.admits(kind) === false) {
      this.#endConnection(peer);
      return;
    }
    if (isMessageKind(kind) && isHeartbeatKind(kind)) {
      const { self } = this.#parts;
      const sink = (group: number, message: Message): void =>
        this.#parts.message(group, peer, message);
      if (decodeMessages(kind, view, offset, length, nodeId(peer), nodeId(self), sink)) return;
      throw new SimFailure(`a heartbeat frame from node ${peer} is malformed`);
    }
    const body = Buffer.from(bytes.buffer, bytes.byteOffset + offset, length);
    this.#parts.frame(messageGroup(view, offset), peer, kind as FrameKind, body);
  }
}

function bytesOf({ head, slabA }: FramePart): Uint8Array {
  return slabA === null ? head : Buffer.concat([head, slabA]);
}

function encoded(message: Message | AppendRequest, group: number): Uint8Array {
  const body = new Uint8Array(messageHeaderBytes(message.kind));
  encodeMessageHeader(message, group, new DataView(body.buffer), 0);
  return body;
}

function encodedReply(group: number, reply: ForwardReply): Uint8Array {
  const outcome = outcomeOf(reply.code);
  const appended = outcome === ForwardOutcome.appended;
  const body = new Uint8Array(FORWARDED_BYTES);
  const answer = {
    group,
    forwardId: reply.forwardId,
    count: appended ? reply.count : 0,
    outcome,
    firstIndex: reply.first as LogIndex,
    term: reply.term as Term,
    leaderHint: reply.leader as NodeId,
  };
  encodeForwarded(answer, new DataView(body.buffer), 0);
  return body;
}

function outcomeOf(code: ErrorNumber | 0): ForwardOutcome {
  if (code === 0) return ForwardOutcome.appended;
  if (code === ErrorNumber.notLeader) return ForwardOutcome.notLeader;
  return code === ErrorNumber.busy ? ForwardOutcome.busy : ForwardOutcome.refused;
}

/** What the outcome of a forward means to the runtime that asked. */
export function codeOf(outcome: ForwardOutcome): ErrorNumber | 0 {
  switch (outcome) {
    case ForwardOutcome.appended:
      return 0;
    case ForwardOutcome.notLeader:
      return ErrorNumber.notLeader;
    case ForwardOutcome.busy:
      return ErrorNumber.busy;
    case ForwardOutcome.refused:
      return ErrorNumber.stateMachine;
  }
}
