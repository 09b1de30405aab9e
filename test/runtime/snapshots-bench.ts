/**
 * A group's snapshots with everything around them played by the test: the core's pointers, the
 * machine, the files and the time are what a test says they are.
 *
 * The machine's image ends at once; a file is written when the test says so.
 */

import assert from 'node:assert/strict';
import { encodeConfiguration } from '../../codec/configuration.js';
import { bootstrapConfiguration } from '../../engine/raft/membership.js';
import { logIndex, nodeId, type SnapshotPoint, term } from '../../engine/raft/types.js';
import type { SnapshotOptions } from '../../engine/runtime/snapshot-policy.js';
import type {
  SnapshotHead,
  SnapshotPort,
  StoredSnapshot,
} from '../../engine/runtime/snapshot-port.js';
import { Snapshots, type SnapshotsParts } from '../../engine/runtime/snapshots.js';
import { NO_SNAPSHOT_PORT, SNAPSHOTS_OFF } from './no-snapshots.js';

export const pointAt = (index: number): SnapshotPoint => ({
  index: logIndex(index),
  term: term(1),
});

export function storedAt(index: number): StoredSnapshot {
  const configuration = { index: 1, bytes: encodeConfiguration(CONFIGURATION) };
  const sizes = { chunks: 1, imageBytes: 1, fileBytes: 1 };
  return { point: pointAt(index), timeMs: 0, configuration, ...sizes };
}

const MEMBERS = [1, 2, 3].map((id) => ({ id: nodeId(id), address: `node-${id}` }));
const CONFIGURATION = bootstrapConfiguration(MEMBERS);

/** As much of the core as snapshots look at. */
export class CorePart {
  missingState = false;
  readonly configuration = CONFIGURATION;
  snapshotNeeded = 0;
  durableIndex = 0;
  compactedIndex = 0;
  snapshotFloor = Number.POSITIVE_INFINITY;
  snapshotsBeingSent: SnapshotPoint[] = [];
  canInstallAny = true;
  readonly state = {
    log: { bytesBetween: () => 0, generation: 0 },
    snapshot: null as SnapshotPoint | null,
  };
  /** Points whose offers were taken back, for the newest. */
  readonly gone: number[] = [];

  termAt = () => term(1);
  configurationAt = () => ({ index: logIndex(1), configuration: CONFIGURATION });
  withdrawIdleOffers = () => undefined;
  snapshotTaken = (point: SnapshotPoint): void => {
    if (point.index > (this.state.snapshot?.index ?? 0)) this.state.snapshot = point;
  };
  snapshotGone = ({ index }: SnapshotPoint): void => {
    assert.ok(
      index < (this.state.snapshot?.index ?? 0),
      'the newest is not offered instead of itself',
    );
    this.gone.push(index);
  };
  canInstall = () => this.canInstallAny;
  install = () => this.canInstallAny;
  compact = (index: number): void => {
    this.compactedIndex = index;
  };
}

export class SnapshotsBench {
  readonly raft = new CorePart();
  readonly applier = { applied: 0, isLending: false, restoring: () => {}, restored: () => {} };
  readonly begun: number[] = [];
  /** Why the machine gives no image; null when it does. */
  problem: string | null = null;
  readonly fetches: number[] = [];
  abandonedFetches = 0;
  /** Files that were to become whole. */
  finished = 0;
  pinned: readonly SnapshotPoint[] = [];
  logIsShort = false;
  /** What was said, in words. */
  readonly events: string[] = [];
  readonly snapshots: Snapshots;
  now = 1_000_000;

  constructor(options: Partial<SnapshotOptions> = {}) {
    const host = {
      timeMs: 0,
      waitsForImage: false,
      beginImage: () => undefined,
      endImage: () => undefined,
      beginRestore: () => undefined,
      pullImage: () => this.#pull(),
    };
    const port: SnapshotPort = {
      ...NO_SNAPSHOT_PORT,
      begin: ({ point }: SnapshotHead) => void this.begun.push(point.index),
      finish: () => {
        this.finished += 1;
      },
      fetch: (_, { index }) => void this.fetches.push(index),
      abandonFetch: () => {
        this.abandonedFetches += 1;
      },
      retain: (_, pinned) => {
        this.pinned = pinned;
      },
    };
    const completions = {
      event: (event: { kind: string; text?: string }) =>
        void this.events.push(event.text ?? event.kind),
    };
    const parts = { raft: this.raft, host, port, applier: this.applier, completions };
    const room = { logIsShort: () => this.logIsShort };
    const rest = {
      ...room,
      clock: () => 0,
      stopwatch: () => 0,
      found: [],
      logReset: () => {},
      logCompacted: () => {},
    };
    const given = { ...parts, ...rest, options: { ...SNAPSHOTS_OFF, ...options } };
    this.snapshots = new Snapshots(given as unknown as SnapshotsParts);
  }

  #pull(): void {
    if (this.problem === null) this.snapshots.onImage(null);
    else this.snapshots.onImageFailed(new Error(this.problem), this.now);
  }

  /** This many entries are applied and durable. */
  applies(index: number): void {
    this.applier.applied = index;
    this.raft.durableIndex = index;
  }

  turns(count = 3, ms = 1): void {
    for (let turn = 0; turn < count; turn += 1) {
      this.now += ms;
      this.snapshots.tick(this.now);
      this.snapshots.turn(this.now);
    }
  }

  /** The file of the snapshot that is being taken is whole. */
  written(): void {
    const stored = storedAt(this.begun.at(-1) ?? 0);
    this.snapshots.onNews({ kind: 'written', stored }, this.now);
  }

  offered(index: number): void {
    this.snapshots.wanted(nodeId(2), pointAt(index), this.now);
  }

  /** The file that was fetched is whole. */
  fetched(index: number): void {
    this.snapshots.onNews({ kind: 'fetched', stored: storedAt(index) }, this.now);
  }

  unservable(index: number, text: string, isGone = false): void {
    const news = { kind: 'unservable', point: pointAt(index), text, isGone } as const;
    this.snapshots.onNews(news, this.now);
  }

  refused(index: number, text: string): void {
    this.snapshots.onNews({ kind: 'refused', point: pointAt(index), text }, this.now);
  }
}
