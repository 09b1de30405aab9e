/**
 * The io thread's duty cycle: drain the submissions of all groups, one write, one sync, one round
 * of acknowledgements.
 *
 * No timer and no batch window: what arrives during a sync is the next block. It does nothing else
 * on the disk (spares and old entries are the bulk thread's), so a commit never waits for them; but
 * for the small leftovers that a long log copies forward, a slice between two commits.
 */

import { ArenaView } from '../engine/runtime/arena.js';
import { monotonicMs } from '../io/clock.js';
import { RequestLane } from '../io/wal/request-lane.js';
import type { Wal } from '../io/wal/wal.js';
import type { IoFigures } from './io-figures.js';
import { OverflowProducer } from './ports/overflow.js';
import {
  MOVED_BYTES,
  MUST_SNAPSHOT_BYTES,
  readPersist,
  STORED_BYTES,
  StorageKind,
  writeMoved,
  writeMustSnapshot,
  writeStored,
} from './records/storage.js';
import type { Doorbell } from './ring/doorbell.js';
import { RECORD_LEFT, RECORD_TAKEN, RingConsumer, RingProducer } from './ring/spsc-ring.js';
import type { RoomWords } from './spare-words.js';
import type { GroupMemory } from './topology.js';

/**
 * A log that has been idle this long is sealed: damage to its last block is then told from a tear.
 */
const SEAL_AFTER_MS = 50;
/** How soon a log without prepared room looks again. */
const BUSY_RETRY_MS = 5;
/** How soon a log that is too long looks again who keeps it so. */
const LOOK_AGAIN_MS = 1_000;
const NEVER = Number.POSITIVE_INFINITY;

interface IoGroup {
  readonly group: number;
  readonly arena: ArenaView;
  readonly requests: RingConsumer;
  readonly lane: RequestLane;
  readonly acks: OverflowProducer;
  readonly bell: Doorbell;
}

export class IoLoop {
  readonly #wal: Wal;
  readonly #figures: IoFigures;
  readonly #room: RoomWords;
  readonly #groups = new Map<number, IoGroup>();
  readonly #inTurn: IoGroup[] = [];
  /** Whose submissions open the next block. */
  #turn = 0;
  #sealAt = NEVER;
  #lookAt = NEVER;
  /** The log has more to do to become shorter. */
  #reclaims = false;

  constructor(
    wal: Wal,
    figures: IoFigures,
    room: RoomWords,
    groups: readonly { group: number; memory: GroupMemory; bell: Doorbell }[],
  ) {
    this.#wal = wal;
    this.#figures = figures;
    this.#room = room;
    for (const { group, memory, bell } of groups) {
      const one = {
        group,
        bell,
        arena: new ArenaView(memory.arena),
        requests: new RingConsumer(memory.persist),
        lane: new RequestLane(wal),
        acks: new OverflowProducer(new RingProducer(memory.stored)),
      };
      this.#groups.set(group, one);
      this.#inTurn.push(one);
    }
  }

  hasWork(): boolean {
    if (this.#reclaims) return true;
    for (const { requests, lane } of this.#groups.values()) {
      if (requests.hasRecords() || (lane.isWaiting && !lane.hasNoRoom)) return true;
    }
    return false;
  }

  /** Submissions wait for space on the disk. */
  get #hasNoRoom(): boolean {
    for (const { lane } of this.#groups.values()) if (lane.hasNoRoom) return true;
    return false;
  }

  get deadline(): number {
    const soon = this.#hasNoRoom || this.#acksWait ? monotonicMs() + BUSY_RETRY_MS : NEVER;
    return Math.min(this.#sealAt, this.#lookAt, this.#wal.nextSyncAt, soon);
  }

  get #acksWait(): boolean {
    for (const { acks } of this.#groups.values()) if (acks.isWaiting) return true;
    return false;
  }

  /** Returns how many submissions were made durable. */
  doWork(now: number): number {
    this.#gather();
    const staged = this.#wal.stagedRequests;
    if (staged > 0) this.#commit(now);
    else this.#idle(now);
    this.#lookAgain(now);
    this.#reclaims = this.#wal.reclaim();
    this.#tellReclaimed();
    if (this.#hasNoRoom) this.#room.waited();
    this.#room.say(this.#wal);
    this.#acknowledge();
    // Whoever reads old entries must hear where they are before their segment goes.
    if (!this.#acksWait) this.#wal.recycleFreed();
    return staged;
  }

  /** At its bound the log takes no entries: nothing else would make it look. */
  #lookAgain(now: number): void {
    if (now >= this.#lookAt) {
      this.#wal.lookAgain();
      this.#lookAt = NEVER;
    }
    this.#lookAt = this.#wal.isLong ? Math.min(this.#lookAt, now + LOOK_AGAIN_MS) : NEVER;
  }

  #tellReclaimed(): void {
    for (const moved of this.#wal.takeMoved()) {
      const fill = (_: Buffer, view: DataView, at: number): void => writeMoved(view, at, moved);
      this.#groups.get(moved.group)?.acks.put(StorageKind.moved, MOVED_BYTES, fill, () => fill);
    }
    const { isUrgent } = this.#wal;
    for (const group of this.#wal.takePinning()) {
      const fill = (_: Buffer, view: DataView, at: number): void =>
        writeMustSnapshot(view, at, isUrgent);
      const { mustSnapshot } = StorageKind;
      this.#groups.get(group)?.acks.put(mustSnapshot, MUST_SNAPSHOT_BYTES, fill, () => fill);
    }
  }

  /**
   * Fills a block, one group after the other. The next block begins with the first group behind
   * this one's that found no room: nobody's backlog keeps another group waiting for long.
   */
  #gather(): void {
    const groups = this.#inTurn;
    let next: number | null = null;
    for (let n = 0; n < groups.length; n += 1) {
      const at = (this.#turn + n) % groups.length;
      const hasMore = this.#stage(groups[at]!);
      if (hasMore && n > 0) next ??= at;
    }
    this.#turn = next ?? (this.#turn + 1) % groups.length;
  }

  /** True when submissions of the group are left. */
  #stage(group: IoGroup): boolean {
    const { requests, arena, lane } = group;
    let isLeft = false;
    lane.resume();
    const region = (position: number, length: number): Uint8Array => arena.region(position, length);
    requests.drain((kind, at) => {
      if (kind === StorageKind.stopped) this.#wal.stopped(group.group);
      if (kind !== StorageKind.persist) return RECORD_TAKEN;
      const request = readPersist(group.group, requests.bytes, requests.view, at, region);
      if (lane.offer(request)) return RECORD_TAKEN;
      isLeft = true;
      return RECORD_LEFT;
    }, NEVER);
    lane.promise();
    return isLeft || lane.isWaiting;
  }

  #commit(now: number): void {
    const begun = monotonicMs();
    for (const ack of this.#wal.commit(now)) {
      const fill = (_: Buffer, view: DataView, at: number): void => writeStored(view, at, ack);
      const kind = ack.promiseOnly === true ? StorageKind.promised : StorageKind.stored;
      this.#groups.get(ack.group)?.acks.put(kind, STORED_BYTES, fill, () => fill);
    }
    const ended = monotonicMs();
    this.#sealAt = ended + SEAL_AFTER_MS;
    this.#figures.committed(ended - begun);
    this.#publishFigures();
  }

  #publishFigures(): void {
    const { counters } = this.#wal;
    this.#figures.write([
      counters.blocks,
      counters.requests,
      counters.bytesWritten,
      counters.syncs,
      counters.rollOvers,
      counters.refusals,
      this.#wal.bytes,
      this.#wal.segmentCount,
    ]);
  }

  #idle(now: number): void {
    this.#wal.syncDue(now);
    if (now < this.#sealAt) return;
    this.#sealAt = NEVER;
    this.#wal.seal();
  }

  #acknowledge(): void {
    for (const { acks, bell } of this.#groups.values()) if (acks.publish()) bell.ring();
  }

  /** Everything submitted is made durable, then the log is sealed and closed. */
  close(): void {
    while (this.doWork(monotonicMs()) > 0);
    this.#wal.close();
  }

  start(): void {
    this.#publishFigures();
  }
}
