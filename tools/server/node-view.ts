/**
 * What commands may see of this node: the engine's status, the key-value figures as last asked, the
 * settings, the open sessions. Implements `ServerView` on a running engine.
 *
 * Figures of the state machine live in another thread: whoever shows them asks STAT first and hands
 * the answer to `takeFigures`. Nothing here waits.
 */

import type { Engine } from '../../engine/engine.js';
import type { Group } from '../../engine/group.js';
import type { Role } from '../../engine/raft/types.js';
import type { ServerView, StatusView } from './commands/server-view.js';
import type { Session } from './commands/session.js';

/** Counters of the client port, which it keeps up to date itself. */
export interface PortCounters {
  connectionsAccepted: number;
  commandsProcessed: number;
}

export interface KvFigures {
  readonly keys: number;
  readonly memoryBytes: number;
  readonly operations: number;
}

/** As STATUS spells them. */
const ROLE_NAMES: Readonly<Record<Role, string>> = {
  follower: 'follower',
  preCandidate: 'pre_candidate',
  candidate: 'candidate',
  leader: 'leader',
};

const FIGURE = /^kv_(keys|memory|ops):(\d+)$/gm;

/** The figures in the text that a STAT query answers. */
export function parseFigures(text: string): KvFigures {
  const found = new Map<string, number>();
  for (const [, name, value] of text.matchAll(FIGURE)) found.set(name ?? '', Number(value));
  return {
    keys: found.get('keys') ?? 0,
    memoryBytes: found.get('memory') ?? 0,
    operations: found.get('ops') ?? 0,
  };
}

export class NodeView implements ServerView {
  readonly version: string;
  readonly durability: string;
  readonly startedAtMs = Date.now();
  readonly leaseReads: boolean;
  readonly counters: PortCounters = { connectionsAccepted: 0, commandsProcessed: 0 };
  /** Filled by the client port, when there is one. */
  sessionSource: () => Iterable<Session> = () => [];
  readonly #engine: Engine;
  readonly #group: Group;
  readonly #settings: ReadonlyMap<string, string>;
  #figures: KvFigures = { keys: 0, memoryBytes: 0, operations: 0 };

  constructor(
    engine: Engine,
    group: Group,
    version: string,
    settings: ReadonlyMap<string, string>,
  ) {
    this.#engine = engine;
    this.leaseReads = engine.options.leaseReads;
    this.#group = group;
    this.version = version;
    const { durable, syncMode, acknowledgement } = engine.status();
    // In memory the sentence itself begins with the mode.
    this.durability = durable ? `${syncMode}: ${acknowledgement}` : acknowledgement;
    this.#settings = settings;
  }

  get nodeId(): number {
    return this.#engine.options.nodeId;
  }

  get clusterId(): number {
    return this.#engine.options.clusterId;
  }

  get connectionsAccepted(): number {
    return this.counters.connectionsAccepted;
  }

  get commandsProcessed(): number {
    return this.counters.commandsProcessed;
  }

  get figures(): KvFigures {
    return this.#figures;
  }

  takeFigures(text: string): void {
    this.#figures = parseFigures(text);
  }

  nowMs(): number {
    return Date.now();
  }

  status(): StatusView {
    const status = this.#group.status();
    const { role, term, leader, commitIndex, appliedIndex, snapshots, compactedIndex } = status;
    return {
      role: ROLE_NAMES[role],
      term,
      leaderId: leader,
      commitIndex,
      lastApplied: appliedIndex,
      kvKeys: this.#figures.keys,
      kvMemoryBytes: this.#figures.memoryBytes,
      standing: status.standing,
      learners: status.members.flatMap(({ id, catchUp }) => {
        return catchUp === undefined ? [] : [{ id, ...catchUp }];
      }),
      witness: status.witness,
      leaderSilenceMs: status.leaderSilenceMs,
      log: { ...this.#engine.status().log, bytesMax: this.#engine.options.maxLogBytes },
      snapshots,
      compactedIndex,
    };
  }

  sessions(): Iterable<Session> {
    return this.sessionSource();
  }

  configuration(): ReadonlyMap<string, string> {
    return this.#settings;
  }
}
