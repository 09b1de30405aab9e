/**
 * The duty cycle of a consensus worker: drain the rings of its groups, tick, turn, publish, park
 * until the next deadline.
 *
 * Messages of peers and disk are drained before time is looked at: a pause must not look like the
 * silence of everybody else. What one turn takes in is bounded, so heartbeats are never far away.
 * It must never touch a file or a socket, nor return to an event loop while it runs.
 */

import {
  decodeForward,
  decodeForwarded,
  FORWARD_HEADER_BYTES,
  ForwardOutcome,
} from '../codec/frames/forward-codec.js';
import { FrameKind } from '../codec/frames/frame-format.js';
import { decodeMessage, isMessageKind, messageHeaderBytes } from '../codec/frames/message-codec.js';
import { ErrorNumber } from '../engine/errors.js';
import { MessageKind } from '../engine/raft/message.js';
import { incarnation, nodeId } from '../engine/raft/types.js';
import { GroupRuntime, type GroupRuntimeOptions } from '../engine/runtime/group-runtime.js';
import { InWorkerHost, type MachineHost } from '../engine/runtime/machine-host.js';
import type { MachineContext, StateMachine } from '../engine/state-machine.js';
import { monotonicMs, wallMs } from '../io/clock.js';
import { HostedMachineHost } from './hosted-host.js';
import {
  RingCompletionPort,
  RingLogReaderPort,
  RingNetworkPort,
  RingStoragePort,
} from './ports/ring-ports.js';
import { SlabSnapshotPort } from './ports/slab-snapshot-port.js';
import { readApplied, readFailed } from './records/hosted.js';
import { InboxKind, readAdmin, readPropose, readRead } from './records/inbox.js';
import { LoadKind, readLoaded } from './records/load.js';
import { FRAME_RECORD_BYTES, PeerRecordKind, readPeerHeader } from './records/peer.js';
import { type SnapshotAnswer, unpackRecord } from './records/snapshot.js';
import { readMoved, readMustSnapshot, readStored, StorageKind } from './records/storage.js';
import type { Doorbell } from './ring/doorbell.js';
import { RECORD_LEFT, RECORD_TAKEN, RingConsumer, RingProducer } from './ring/spsc-ring.js';
import type { SnapshotSlab } from './snapshot-slab.js';
import type { RoomWords } from './spare-words.js';
import type { StatusPage } from './status-page.js';
import type { GroupMemory } from './topology.js';

/**
 * Record bytes that one turn takes in before it acts on them. All of it may become one WAL request,
 * at most 4 MiB: this, the record that goes beyond it (a frame: `entryBytesMax`, up to 2 MiB, and
 * 257 KiB) and a batch that was held (forwards.ts: 1 MiB; of smaller ones 512 KiB) are 3.8 MiB.
 */
const INTAKE_BYTES_MAX = 512 * 1024;
/** What peers leave of it to the inbox; when they take more, the inbox gets a turn of its own. */
const INBOX_SHARE_BYTES = INTAKE_BYTES_MAX / 2;
const RECORDS_PER_DRAIN = 4096;
/**
 * Answers that a full completion ring leaves in this thread's memory before the machine waits for
 * room. A node with everything in flight that it may have keeps about this much in short answers,
 * so that a busy application alone never makes its group stop applying.
 */
const ANSWER_BYTES_KEPT_MAX = 4 * 1024 * 1024;

export interface GroupBells {
  readonly main: Doorbell;
  readonly io: Doorbell;
  readonly bulk: Doorbell;
  readonly transport: Doorbell;
}

/** Where images lie on their way to files and back, and how much of one a chunk holds. */
export interface ImageSlots {
  readonly slab: SnapshotSlab;
  readonly chunkBytes: number;
}

/** One group in its consensus worker: its runtime wired to its rings. */
export class GroupAgent {
  readonly runtime: GroupRuntime;
  readonly #bells: GroupBells;
  readonly #status: StatusPage;
  readonly #inbox: RingConsumer;
  readonly #fromPeers: RingConsumer;
  readonly #stored: RingConsumer;
  readonly #loaded: RingConsumer;
  readonly #storage: RingStoragePort;
  readonly #oldLog: RingLogReaderPort;
  readonly #slab: SnapshotSlab;
  readonly #completions: RingCompletionPort;
  readonly #network: RingNetworkPort;
  /** Null: the machine lives in this worker. */
  readonly #hosted: HostedMachineHost | null;
  #now = 0;
  #intake = 0;
  #moreWork = false;
  /** Frames of peers that were not what they said. */
  malformed = 0;

  constructor(
    group: number,
    memory: GroupMemory,
    options: Omit<GroupRuntimeOptions, 'host'>,
    /** Null: it is hosted on the main thread. */
    made: { readonly machine: StateMachine; readonly context: MachineContext } | null,
    bells: GroupBells,
    status: StatusPage,
    room: RoomWords,
    images: ImageSlots,
  ) {
    const { slab, chunkBytes } = images;
    this.#slab = slab;
    this.#bells = bells;
    this.#status = status;
    this.#inbox = new RingConsumer(memory.inbox);
    this.#fromPeers = new RingConsumer(memory.fromPeers);
    this.#stored = new RingConsumer(memory.stored);
    this.#loaded = new RingConsumer(memory.loaded);
    this.#storage = new RingStoragePort(new RingProducer(memory.persist), room);
    this.#oldLog = new RingLogReaderPort(new RingProducer(memory.loads));
    this.#completions = new RingCompletionPort(new RingProducer(memory.completions));
    this.#network = new RingNetworkPort(group, new RingProducer(memory.toPeers));
    const ports = {
      storage: this.#storage,
      network: this.#network,
      completions: this.#completions,
      oldLog: this.#oldLog,
      snapshots: new SlabSnapshotPort((order) => this.#oldLog.order(order), slab, chunkBytes),
      wallClock: wallMs,
      clock: monotonicMs,
      stopwatch: monotonicMs,
    };
    const { producer } = this.#completions;
    this.#hosted = made === null ? new HostedMachineHost(memory.arena, producer) : null;
    const hasRoom = (): boolean => producer.keptBytes < ANSWER_BYTES_KEPT_MAX;
    const inWorker = made && new InWorkerHost(made.machine, hasRoom, made.context, monotonicMs);
    const host = (this.#hosted ?? inWorker) as MachineHost;
    this.runtime = new GroupRuntime({ ...options, host }, ports, monotonicMs());
    // Before anybody is told that the node is ready: a blank page would speak of a full member.
    status.write(this.runtime);
  }

  hasWork(): boolean {
    return (
      this.#moreWork ||
      this.#fromPeers.hasRecords() ||
      this.#stored.hasRecords() ||
      this.#inbox.hasRecords() ||
      this.#loaded.hasRecords()
    );
  }

  /** When this group must be looked at again though nothing arrives. */
  get deadline(): number {
    const waiting =
      this.#network.isWaiting ||
      this.#storage.producer.isWaiting ||
      this.#oldLog.producer.isWaiting ||
      this.#completions.producer.isWaiting ||
      this.runtime.isWaitingForRoom;
    return waiting ? Math.min(this.#now + 1, this.runtime.deadline) : this.runtime.deadline;
  }

  doWork(now: number): void {
    this.#now = now;
    this.#intake = 0;
    this.#stored.drain(this.#onStored, RECORDS_PER_DRAIN);
    this.#fromPeers.drain(this.#onPeer, RECORDS_PER_DRAIN);
    this.#loaded.drain(this.#onLoaded, RECORDS_PER_DRAIN);
    if (this.#intake > INTAKE_BYTES_MAX - INBOX_SHARE_BYTES) this.#turnForPeers(now);
    this.#inbox.drain(this.#onInbox, RECORDS_PER_DRAIN);
    if (now >= this.runtime.deadline) this.runtime.tick(now);
    this.#moreWork = this.runtime.turn(now);
    this.#refuseUnsent(now);
    this.#publish();
  }

  /** Proposals that found no room on the way to the leader are refused as busy: never executed. */
  #refuseUnsent(now: number): void {
    for (const { to, forwardId } of this.#network.takeUnsentForwards()) {
      const busy = { code: ErrorNumber.busy, first: 0, count: 0, term: 0, leader: to };
      this.runtime.onForwardReply(to, { forwardId, ...busy }, now);
    }
  }

  /** Acts on what peers sent, so that their flood never keeps the inbox of this node shut. */
  #turnForPeers(now: number): void {
    this.runtime.turn(now);
    this.#intake = 0;
  }

  #publish(): void {
    if (this.#storage.producer.publish()) this.#bells.io.ring();
    if (this.#network.publish()) this.#bells.transport.ring();
    if (this.#oldLog.producer.publish()) this.#bells.bulk.ring();
    this.#status.write(this.runtime);
    if (this.#completions.producer.publish()) this.#bells.main.ring();
  }

  /** Ends the group: everything that waits, here or in the inbox, is answered. */
  close(): void {
    this.runtime.close();
    this.#refuseInbox();
    this.#publish();
  }

  #refuseInbox(): void {
    this.#intake = Number.NEGATIVE_INFINITY;
    this.#inbox.drain(this.#onInbox, Number.POSITIVE_INFINITY);
  }

  /** The node cannot go on: everything that waits is answered with `code`. */
  fail(code: ErrorNumber, text: string): void {
    this.runtime.fail(code, text);
    this.#refuseInbox();
    this.#publish();
  }

  readonly #onStored = (kind: number, at: number): boolean => {
    if (kind === StorageKind.stored) {
      this.runtime.onStored(readStored(this.#stored.view, at), this.#now);
    } else if (kind === StorageKind.promised) {
      this.runtime.onPromised(readStored(this.#stored.view, at).seq, this.#now);
    } else if (kind === StorageKind.moved) {
      this.runtime.onMoved(readMoved(this.#stored.view, at));
    } else if (kind === StorageKind.mustSnapshot) {
      this.runtime.onMustSnapshot(readMustSnapshot(this.#stored.view, at));
    }
    return RECORD_TAKEN;
  };

  readonly #onLoaded = (kind: number, at: number, bytes: number): boolean => {
    const { bytes: buffer, view } = this.#loaded;
    if (kind === LoadKind.loaded) this.runtime.onLoaded(readLoaded(buffer, view, at, bytes));
    else if (kind === LoadKind.snapshot) this.#onSnapshot(unpackRecord(buffer, at, bytes));
    return RECORD_TAKEN;
  };

  #onSnapshot(answer: SnapshotAnswer): void {
    if (answer.kind !== 'read') {
      this.runtime.onSnapshotNews(answer, this.#now);
      return;
    }
    const { slot, bytes, ...read } = answer;
    this.runtime.onSnapshotNews({ ...read, bytes: this.#slab.raw(slot, bytes) }, this.#now);
    this.#slab.give(slot);
  }

  readonly #onInbox = (kind: number, at: number, bytes: number): boolean => {
    const { bytes: buffer, view } = this.#inbox;
    // Answers of the machine on the main thread are always taken: they make room.
    if (kind === InboxKind.applied) {
      this.#hosted?.onApplied(readApplied(view, at));
    } else if (kind === InboxKind.failed) {
      const { index, text } = readFailed(buffer, view, at, bytes);
      this.#hosted?.onFailed(index, text);
    } else if (kind === InboxKind.snapshot) {
      this.runtime.onSnapshotAsked(view.getUint32(at, true));
    } else if (kind === InboxKind.admin) {
      this.runtime.onAdmin(readAdmin(buffer, at, bytes), this.#now);
    } else if (kind === InboxKind.image) {
      this.#hosted?.images.onImage(buffer, view, at, bytes);
    } else if (kind === InboxKind.restore) {
      this.#hosted?.images.onRestore(buffer, view, at, bytes);
    } else if (this.#intake >= INTAKE_BYTES_MAX) {
      return RECORD_LEFT;
    } else if (kind === InboxKind.propose) {
      this.#intake += bytes;
      this.runtime.onProposals(readPropose(buffer, view, at, bytes), this.#now);
    } else if (kind === InboxKind.read) {
      this.runtime.onReads(readRead(buffer, view, at, bytes), this.#now);
    }
    return RECORD_TAKEN;
  };

  readonly #onPeer = (kind: number, at: number, bytes: number): boolean => {
    const { view } = this.#fromPeers;
    const { peer, detail, incarnation: life } = readPeerHeader(view, at);
    if (kind === PeerRecordKind.frame) {
      if (this.#intake >= INTAKE_BYTES_MAX) return RECORD_LEFT;
      this.#intake += bytes;
      if (!this.#onFrame(peer, detail, life, at + FRAME_RECORD_BYTES, bytes - FRAME_RECORD_BYTES)) {
        this.malformed += 1;
      }
    } else if (kind === PeerRecordKind.up) {
      this.runtime.onPeerUp(nodeId(peer), incarnation(life), detail === 1);
    } else if (kind === PeerRecordKind.down) {
      this.runtime.onPeerDown(nodeId(peer));
    }
    return RECORD_TAKEN;
  };

  /** False for a frame that is not what it says. */
  #onFrame(peer: number, kind: number, life: number, at: number, length: number): boolean {
    const { bytes, view } = this.#fromPeers;
    const from = nodeId(peer);
    if (isMessageKind(kind)) {
      const message = decodeMessage(kind, view, at, length, from, this.runtime.raft.id);
      if (message === null) return false;
      if (message.kind !== MessageKind.append) {
        this.runtime.onMessage(message, incarnation(life), this.#now);
        return true;
      }
      const start = at + messageHeaderBytes(kind);
      const end = at + length;
      return this.runtime.onAppend(message, incarnation(life), bytes, start, end, this.#now);
    }
    if (kind === FrameKind.forward) {
      const forward = decodeForward(view, at, length);
      if (forward === null) return false;
      const { forwardId, count, term } = forward;
      const start = at + FORWARD_HEADER_BYTES;
      const batch = { forwardId, count, term, slab: bytes, start, end: at + length };
      return this.runtime.onForward(from, batch, this.#now);
    }
    return kind === FrameKind.forwarded && this.#onForwarded(peer, at, length);
  }

  #onForwarded(peer: number, at: number, length: number): boolean {
    const answer = decodeForwarded(this.#fromPeers.view, at, length);
    if (answer === null) return false;
    const { forwardId, count, firstIndex, term, leaderHint } = answer;
    const code = codeOf(answer.outcome);
    const reply = { forwardId, code, first: firstIndex, count, term, leader: leaderHint };
    this.runtime.onForwardReply(nodeId(peer), reply, this.#now);
    return true;
  }
}

function codeOf(outcome: ForwardOutcome): ErrorNumber | 0 {
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
