/**
 * The snapshots of a random walk: replicas take them, forget their logs behind them, fetch what
 * they are offered, crash between a fetch and its installation, and lose files.
 *
 * It stands for what a runtime does between the core and its files; it never decides who needs a
 * snapshot.
 */

import type { Prng } from '../../engine/raft/prng.js';
import type { SnapshotWanted } from '../../engine/raft/ready.js';
import { logIndex, type NodeId } from '../../engine/raft/types.js';
import type { Image } from './disk.js';
import type { Cluster } from './network.js';
import type { Replica } from './replica.js';

/** Snapshots a replica keeps; one that a live peer fetches stays for a while in addition. */
const KEPT = 2;
const KEPT_MAX = 4;

interface Fetch {
  readonly boot: number;
  readonly wanted: SnapshotWanted;
  readonly endsAt: number;
}

export class RandomSnapshots {
  readonly count = { snapshots: 0, compactions: 0, installs: 0, resets: 0 };
  readonly #cluster: Cluster;
  readonly #prng: Prng;
  readonly #fetches = new Map<NodeId, Fetch>();

  constructor(cluster: Cluster, prng: Prng) {
    this.#cluster = cluster;
    this.#prng = prng;
  }

  /** When the next fetch ends; fetches that were asked for since are begun. */
  nextEnd(durationMs: number): number {
    let next = Number.POSITIVE_INFINITY;
    for (const { id, alive } of this.#cluster.running) {
      const { wanted } = alive;
      if (wanted === null) continue;
      let fetch = this.#fetches.get(id);
      if (fetch?.boot !== alive.boot || fetch.wanted.point.index !== wanted.point.index) {
        const endsAt = this.#cluster.now + this.#prng.between(0, durationMs);
        fetch = { boot: alive.boot, wanted, endsAt };
        this.#fetches.set(id, fetch);
      }
      next = Math.min(next, fetch.endsAt);
    }
    return next;
  }

  /** Ends every fetch that is due. A file that is gone, or whose owner is down, is not fetched. */
  endFetches(crash: (replica: Replica) => void): void {
    for (const replica of this.#cluster.running) {
      const fetch = this.#fetches.get(replica.id);
      if (fetch === undefined || fetch.boot !== replica.alive.boot) continue;
      if (fetch.endsAt > this.#cluster.now) continue;
      this.#fetches.delete(replica.id);
      replica.alive.wanted = null;
      const image = this.#imageOf(fetch.wanted);
      if (image === undefined) continue;
      if (this.#prng.chance(0.05)) {
        replica.records.keep(image);
        crash(replica);
      } else this.#install(replica, image);
    }
  }

  #imageOf({ from, point }: SnapshotWanted): Image | undefined {
    const { life, records } = this.#cluster.replica(from);
    if (life === null) return undefined;
    return records.images.find((image) => image.point.index === point.index);
  }

  #install(replica: Replica, image: Image): void {
    const { generation } = replica.raft.state.log;
    if (!this.#cluster.install(replica.id, image)) return;
    this.count.installs += 1;
    if (replica.raft.state.log.generation > generation) this.count.resets += 1;
    this.#prune(replica);
  }

  /** A snapshot of all that is applied, unless there is nothing new in it. */
  take(replica: Replica): void {
    const { applied, raft } = replica.alive;
    const { log, snapshot, missingState } = raft.state;
    if (missingState || applied > log.durable || applied <= (snapshot?.index ?? 0)) return;
    this.count.snapshots += 1;
    this.#cluster.takeSnapshot(replica.id);
    this.#prune(replica);
  }

  #prune(replica: Replica): void {
    const { records, raft } = replica;
    while (records.images.length > KEPT) {
      const { point } = records.images[0]!;
      if (raft.snapshotFloor <= point.index && records.images.length <= KEPT_MAX) return;
      records.images.shift();
      this.#cluster.step(replica.id, () => raft.snapshotGone(point));
    }
  }

  compact(replica: Replica): void {
    const { log, snapshot } = replica.raft.state;
    const upTo = Math.min(snapshot?.index ?? 0, log.applied, log.durable);
    if (upTo <= log.compacted) return;
    this.count.compactions += 1;
    const index = this.#prng.chance(0.5) ? upTo : this.#prng.between(log.compacted + 1, upTo);
    this.#cluster.compact(replica.id, logIndex(index));
  }

  /** After the faults: a leader takes a snapshot as soon as somebody cannot do without. */
  serveNeed(): void {
    const { leader, running } = this.#cluster;
    if (leader !== undefined && running.some(({ raft }) => raft.missingState)) this.take(leader);
  }
}
