/**
 * Bugs of snapshots that the simulator must find: of taking, naming, storing, sending, installing
 * and restoring them, and of the log that is forgotten behind them.
 *
 * Nothing here is ever compiled into the project itself.
 */

import type { Mutant } from './mutant.js';

export const SNAPSHOT_MUTANTS: readonly Mutant[] = [
  {
    name: 'install-drops-suffix',
    what: 'a snapshot from the leader drops the entries behind it that the log should keep',
    file: 'engine/raft/snapshot.ts',
    find: 'if (!log.contains(point)) {',
    replace: 'if (!log.contains(point) || log.last > point.index) {',
    faults: ['disk', 'snapshot', 'wipe'],
    inTests: true,
  },
  {
    name: 'install-keeps-commit',
    what: 'a snapshot from the leader does not move the commit index',
    file: 'engine/raft/snapshot.ts',
    find: 'log.committed = Math.max(log.committed, point.index) as LogIndex;',
    replace: '',
  },
  {
    name: 'install-keeps-applied',
    what: 'a snapshot from the leader does not move the applied index',
    file: 'engine/raft/snapshot.ts',
    find: 'log.applied = point.index;',
    replace: '',
  },
  {
    name: 'reset-not-awaited',
    what: 'a log reset behind a snapshot counts as durable while the disk still has the old one',
    file: 'engine/raft/log.ts',
    find: 'this.durable = NO_INDEX;',
    replace: 'this.durable = index;',
  },
  {
    name: 'image-labelled-later',
    what: 'a snapshot says that it covers an entry more than its image does',
    file: 'engine/runtime/snapshots.ts',
    find: 'const point = { index: applied, term: raft.termAt(applied) as Term };',
    replace: `const later = Math.min(applied + 1, raft.commitIndex) as LogIndex;
    const point = { index: later, term: raft.termAt(later) as Term };`,
  },
  {
    name: 'image-labelled-earlier',
    what: 'a snapshot says that it covers an entry less than its image does',
    file: 'engine/runtime/snapshots.ts',
    find: 'const point = { index: applied, term: raft.termAt(applied) as Term };',
    replace: `const earlier = Math.max(base + 1, applied - 1) as LogIndex;
    const point = { index: earlier, term: raft.termAt(earlier) as Term };`,
    inTests: true,
  },
  {
    name: 'log-forgotten-behind-transfer',
    what: 'the log forgets what a follower needs behind the snapshot that it is being sent',
    file: 'engine/runtime/snapshots.ts',
    find: 'const to = Math.min(wanted, floor, raft.durableIndex, applier.applied) as LogIndex;',
    replace: 'const to = Math.min(wanted, raft.durableIndex, applier.applied) as LogIndex;',
  },
  {
    name: 'log-forgotten-before-snapshot',
    what: 'the log is forgotten while the snapshot that covers it is still being written',
    file: 'engine/runtime/snapshots.ts',
    find: 'this.#taker.step(this.#parts.raft.durableIndex, now);',
    replace: `const { raft, logCompacted } = this.#parts;
    this.#taker.step(raft.durableIndex, now);
    const at = this.#taker.point;
    if (at === null || at.index > raft.durableIndex) return;
    const to = Math.min(at.index, raft.snapshotFloor) as LogIndex;
    if (to <= raft.compactedIndex) return;
    raft.snapshotTaken(at);
    raft.compact(to);
    logCompacted(to);`,
  },
  {
    name: 'snapshot-not-synced',
    what: 'a snapshot counts as durable though its last bytes were never synced',
    file: 'io/snapshots/snapshot-writer.ts',
    find: `this.#sync();
      this.#file.close();`,
    replace: 'this.#file.close();',
  },
  {
    name: 'snapshot-name-not-synced',
    what: 'a snapshot counts as durable though its name was never synced',
    file: 'io/snapshots/snapshot-writer.ts',
    find: 'this.#disk.syncDirectory(dirname(this.path));',
    replace: '',
  },
  {
    name: 'snapshot-ahead-of-log',
    what: 'a snapshot is finished before the log of its node is durable up to its point',
    file: 'engine/runtime/snapshot-taker.ts',
    find: "if (this.#stage !== 'syncing' || point === null || durable < point.index) return;",
    replace: "if (this.#stage !== 'syncing' || point === null || durable < 0) return;",
  },
  {
    name: 'restart-ignores-configuration',
    what: 'a restart does not take the configuration that its newest snapshot holds',
    file: 'engine/raft/state.ts',
    find: 'this.membership.restore(configuration, point.index);',
    replace: '',
    faults: ['disk', 'snapshot', 'wipe'],
  },
  {
    name: 'damaged-image-restored',
    what: 'the bytes of a snapshot are taken as they are, whatever their checksums say',
    file: 'codec/lz4-chunk.ts',
    find: 'if (crc !== body.storedCrc) {',
    replace: 'if (crc < 0) {',
    faults: ['disk', 'snapshot', 'wipe'],
  },
  {
    name: 'damaged-snapshot-chosen',
    what: 'a start looks at the ends of its newest snapshot only, and goes on with a damaged one',
    file: 'workers/snapshot-found.ts',
    find: 'deep: true,',
    replace: 'deep: false,',
    faults: ['disk', 'snapshot', 'wipe'],
  },
  {
    name: 'unreadable-snapshot-set-aside',
    what: 'a snapshot that the disk cannot read at a start loses its name, as a damaged one does',
    file: 'io/snapshots/snapshot-store.ts',
    find: 'if (reason instanceof DiskError) return null;',
    replace: '',
    faults: ['disk', 'snapshot', 'wipe'],
    inTests: true,
  },
  {
    name: 'damaged-snapshot-offered-again',
    what: 'a snapshot that is found damaged as it is sent is offered again for ever',
    file: 'workers/snapshot-reading.ts',
    find: "toGroup(group, { kind: 'unservable',",
    replace: "void (group, { kind: 'unservable',",
    faults: ['disk', 'snapshot', 'wipe'],
    inTests: true,
  },
];
