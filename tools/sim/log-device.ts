/**
 * The io and bulk threads of one simulated process: the production log on the node's disk, with a
 * queue of submissions before it and virtual time for each write.
 *
 * As in production, what arrives during a write is the next block, entries are taken from the
 * arenas when they are staged, and no group waits behind what another one finds no room for. It
 * must never acknowledge before the log has.
 */

import type { Prng } from '../../engine/raft/prng.js';
import type { LoadedEntries, LoadRequest, Submission } from '../../engine/runtime/ports.js';
import { LogReader } from '../../io/wal/log-reader.js';
import { RequestLane } from '../../io/wal/request-lane.js';
import type { Wal } from '../../io/wal/wal.js';
import type { MovedEntries, PersistAck, PersistRequest } from '../../io/wal/wal-types.js';
import type { FusedDisk } from './fused-disk.js';
import type { SimProcess } from './process.js';

/** A log without prepared room is asked again after this. */
const BUSY_RETRY_US = 5_000;
const SEAL_AFTER_US = 50_000;
/** A log that is too long looks again after this who keeps it so. */
const LOOK_AGAIN_US = 200_000;
const US_PER_MS = 1_000;

export interface LogDeviceParts {
  readonly process: SimProcess;
  readonly prng: Prng;
  readonly disk: FusedDisk;
  readonly wal: Wal;
  readonly directory: string;
  readonly writeUs: number;
  readonly loadBytesMax: number;
  /** Entry bytes in a group's arena. */
  region(group: number, position: number, bytes: number): Uint8Array;
  /** The log has acknowledged the submission. */
  stored(ack: PersistAck, submission: Submission): void;
  /** It has made the term and vote of the submission durable, and nothing else of it. */
  promised(ack: PersistAck, submission: Submission): void;
  /** Entries were written once more: where they lie now. */
  moved(moved: MovedEntries): void;
  /** Entries of the group keep the log from becoming shorter. */
  mustSnapshot(group: number, isUrgent: boolean): void;
  loaded(group: number, entries: LoadedEntries): void;
  failed(cause: unknown): void;
}

/** The submissions of one group. */
interface Lane {
  readonly group: number;
  readonly queue: Submission[];
  readonly requests: RequestLane;
  /** By number: taken from the queue and not acknowledged. */
  readonly taken: Map<number, Submission>;
}

export class LogDevice {
  readonly #parts: LogDeviceParts;
  readonly #reader: LogReader;
  readonly #lanes = new Map<number, Lane>();
  /** Grows with each look at a submission that finds no room. */
  waits = 0;
  #isBusy = false;
  #isSealing = false;
  #isLooking = false;
  #strike: (() => void) | null = null;
  #slowUs: number | null = null;
  /** Loads that were asked for and could not be served. */
  failedLoads = 0;
  loads = 0;

  constructor(parts: LogDeviceParts) {
    this.#parts = parts;
    this.#reader = new LogReader(parts.disk, parts.directory);
  }

  /** How long every write takes from now on; null for the usual. */
  setSyncTime(syncUs: number | null): void {
    this.#slowUs = syncUs;
  }

  submit(group: number, submission: Submission): void {
    let lane = this.#lanes.get(group);
    if (lane === undefined) {
      const requests = new RequestLane(this.#parts.wal);
      lane = { group, queue: [], requests, taken: new Map() };
      this.#lanes.set(group, lane);
    }
    lane.queue.push(submission);
    this.#wake();
  }

  stopped(group: number): void {
    this.#parts.wal.stopped(group);
  }

  /** Entries of clients are to be refused: see `Wal.isShort`. */
  get isShort(): boolean {
    return this.#parts.wal.isShort;
  }

  /** Those of leaders too. */
  get isFull(): boolean {
    return this.#parts.wal.isFull;
  }

  #wake(): void {
    if (this.#isBusy) return;
    this.#isBusy = true;
    const { process, prng } = this.#parts;
    process.after(prng.between(5, 40), () => this.#guarded(() => this.#begin()));
  }

  /** The log refuses to go on: the node must stop. */
  #guarded(action: () => void): void {
    try {
      action();
    } catch (cause) {
      this.#parts.failed(cause);
    }
  }

  #begin(): void {
    const { process, wal } = this.#parts;
    const rollOvers = wal.counters.rollOvers;
    const refused = this.#stageAll();
    if (refused) this.waits += 1;
    if (wal.stagedRequests > 0) {
      const pieces = 1 + wal.counters.rollOvers - rollOvers;
      const waitUs = pieces * this.#writeTime();
      process.after(waitUs, () => this.#guarded(() => this.#commit()));
    } else if (refused) {
      this.#reclaim();
      process.after(BUSY_RETRY_US, () => this.#guarded(() => this.#begin()));
    } else {
      this.#isBusy = false;
    }
  }

  /** True when the log had no room for what is left. */
  #stageAll(): boolean {
    let refused = false;
    for (const { group, queue, requests, taken } of this.#lanes.values()) {
      requests.resume();
      while (queue.length > 0 && requests.offer(this.#requestOf(group, queue[0]!))) {
        const submission = queue.shift()!;
        taken.set(submission.seq, submission);
      }
      requests.promise();
      refused ||= requests.hasNoRoom;
    }
    return refused;
  }

  get #hasWork(): boolean {
    for (const { queue, requests } of this.#lanes.values()) {
      if (queue.length > 0 || requests.isWaiting) return true;
    }
    return false;
  }

  #requestOf(group: number, submission: Submission): PersistRequest {
    const { hardState, truncateAfter, configuration, reset, compact, runs, ...rest } = submission;
    return {
      ...rest,
      group,
      ...(hardState === null ? {} : { hardState }),
      ...(truncateAfter === null ? {} : { truncateAfter }),
      ...(configuration === null ? {} : { configuration }),
      ...(reset ? { reset } : {}),
      ...(compact ? { compact } : {}),
      runs: runs.map(({ term, first, count, position, bytes }) => {
        return { term, first, count, bytes: this.#parts.region(group, position, bytes) };
      }),
    };
  }

  #writeTime(): number {
    const { prng, writeUs } = this.#parts;
    if (this.#slowUs !== null) return this.#slowUs;
    return prng.chance(0.02) ? prng.between(writeUs, 10 * writeUs) : prng.between(30, writeUs);
  }

  /** Calls `strike` in the middle of the next write instead of finishing it. */
  interrupt(strike: () => void): void {
    this.#strike = strike;
  }

  #commit(): void {
    const { process, wal } = this.#parts;
    if (this.#strike !== null) {
      this.#strike();
      return;
    }
    for (const ack of wal.commit(this.#nowMs)) this.#acknowledge(ack);
    this.#reclaim();
    this.#isBusy = false;
    if (wal.nextSyncAt !== Number.POSITIVE_INFINITY) {
      process.at(Math.ceil(wal.nextSyncAt * US_PER_MS), () => this.#guarded(() => this.#sync()));
    }
    if (this.#hasWork) this.#wake();
    else this.#sealLater();
  }

  /** Gives back what the log needs no more; whoever reads old entries hears of it first. */
  #reclaim(): void {
    const { wal } = this.#parts;
    while (wal.reclaim());
    for (const moved of wal.takeMoved()) this.#parts.moved(moved);
    for (const group of wal.takePinning()) this.#parts.mustSnapshot(group, wal.isUrgent);
    wal.recycleFreed();
    this.#lookLater();
  }

  /** As the io thread: at its bound the log takes no entries that would make it look. */
  #lookLater(): void {
    const { process, wal } = this.#parts;
    if (this.#isLooking || !wal.isLong) return;
    this.#isLooking = true;
    process.after(LOOK_AGAIN_US, () => {
      this.#isLooking = false;
      this.#guarded(() => this.#look());
    });
  }

  #look(): void {
    this.#parts.wal.lookAgain();
    // A write that is under way ends with it.
    if (!this.#isBusy) this.#reclaim();
  }

  #acknowledge(ack: PersistAck): void {
    const { taken } = this.#lanes.get(ack.group)!;
    const submission = taken.get(ack.seq)!;
    if (ack.promiseOnly === true) {
      this.#parts.promised(ack, submission);
      return;
    }
    taken.delete(ack.seq);
    this.#parts.stored(ack, submission);
  }

  #sealLater(): void {
    if (this.#isSealing) return;
    this.#isSealing = true;
    this.#parts.process.after(SEAL_AFTER_US, () => {
      this.#isSealing = false;
      this.#guarded(() => this.#seal());
    });
  }

  #sync(): void {
    if (!this.#isBusy) this.#parts.wal.syncDue(this.#nowMs);
  }

  #seal(): void {
    if (!this.#isBusy) this.#parts.wal.seal();
  }

  get #nowMs(): number {
    return this.#parts.process.localUs / US_PER_MS;
  }

  load(group: number, request: LoadRequest): void {
    const { process, prng } = this.#parts;
    this.loads += 1;
    const waitUs = prng.between(100, 2_000) + (this.#slowUs ?? 0);
    process.after(waitUs, () => this.#parts.loaded(group, this.#read(group, request)));
  }

  #read(group: number, { id, segment, offset, first, last, ...rest }: LoadRequest): LoadedEntries {
    const bytesMax = Math.min(rest.bytesMax, this.#parts.loadBytesMax);
    const location = { segment, offset };
    const [run] = this.#reader.read({
      group,
      location,
      first,
      last,
      bytesMax,
      termOf: () => rest.term,
    });
    if (run === undefined) {
      this.failedLoads += 1;
      return { id, first, count: 0, slab: Buffer.alloc(0) };
    }
    const { buffer, byteOffset, length } = run.bytes;
    return { id, first, count: run.count, slab: Buffer.from(buffer, byteOffset, length) };
  }

  /**
   * The last moment: what was due reaches the disk as far as `changes` go; nobody is told. `before`
   * is what other threads were about to do there.
   */
  die(changes: number, before: () => void): void {
    const { disk, wal } = this.#parts;
    disk.arm(changes);
    try {
      before();
      this.#stageAll();
      wal.commit(this.#nowMs);
    } catch {
      // The power went off, or the log had failed before.
    }
    disk.arm(0);
  }
}
