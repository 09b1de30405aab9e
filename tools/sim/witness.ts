/**
 * What must hold over one group as long as a run lasts, whatever crashes: the invariants of the
 * core after every step, what was durable stays durable, what is committed is held by a majority,
 * and every replica applies the same commands in the same order, once.
 *
 * It only looks, and remembers more than a replica may. The first thing that is wrong ends the run.
 */

import {
  ClusterInvariants,
  checkState,
  checkTransition,
  type Snapshot,
} from '../../engine/raft/invariants.js';
import type { Clocks } from '../../engine/raft/lease.js';
import { RaftLog } from '../../engine/raft/log.js';
import { isErased, recordedIncarnation, recordsLives } from '../../engine/raft/membership.js';
import { majority } from '../../engine/raft/quorum.js';
import type { CoreState, Recovered } from '../../engine/raft/state.js';
import {
  type Configuration,
  type LogIndex,
  NOBODY,
  type NodeId,
  type Term,
} from '../../engine/raft/types.js';
import { ConfigurationWitness } from './configuration-witness.js';
import { SessionWitness } from './session-witness.js';
import { SimFailure } from './sim-failure.js';
import { StateWitness } from './state-witness.js';

/** What a replica is known to have made durable; it outlives the replica's process. */
interface Durable {
  log: RaftLog;
  last: LogIndex;
  term: Term;
  vote: NodeId;
}

export class GroupWitness {
  readonly group: number;
  readonly invariants = new ClusterInvariants((state) => this.#clocks.get(state) ?? state);
  readonly #live = new Map<number, CoreState>();
  /** The clocks of replicas, which they may not have looked at for long. */
  readonly #clocks = new WeakMap<CoreState, Clocks>();
  readonly #durable = new Map<number, Durable>();
  /** Wiped replicas, and the last index that each may have vouched for before. */
  readonly #wiped = new Map<number, LogIndex>();
  /** Replicas whose disk was damaged since their last start. */
  readonly #damaged = new Set<number>();
  /** Replicas that lost what nobody can prove, and say so: the last index that each had. */
  readonly #excused = new Map<number, LogIndex>();
  readonly #incarnations = new Map<number, number>();
  /** The configuration that each replica was last seen with. */
  readonly #configurations = new Map<number, Configuration>();
  /** Told of each replica that counts again. */
  readonly #readmitted: (node: number) => void;
  /** How far the state machine of each replica has ever been. */
  readonly #applied = new Map<number, number>();
  readonly #states = new StateWitness();
  readonly #sessions = new SessionWitness();
  readonly #committedConfigurations = new ConfigurationWitness();
  /** Replicas whose damage has cost them the state before their log. */
  readonly #missing = new Set<number>();
  /** Of these, replicas that were not missing anything before their disk failed to read. */
  readonly #hidden = new Set<number>();
  #lastCommitted: LogIndex = 0 as LogIndex;
  /** The configuration by which the newest committed entry was found committed. */
  #deciders: Configuration | null = null;

  constructor(group: number, readmitted: (node: number) => void = () => {}) {
    this.group = group;
    this.#readmitted = readmitted;
  }

  /** The state machine of a replica has applied the log up to `index`. */
  hasApplied(node: number, index: number): void {
    if (index > this.appliedBy(node)) this.#applied.set(node, index);
  }

  appliedBy(node: number): number {
    return this.#applied.get(node) ?? 0;
  }

  /** A replica begins a life with what recovery found. */
  begin(node: number, state: CoreState, recovered: Recovered, clocks?: Clocks): void {
    if (clocks !== undefined) this.#clocks.set(state, clocks);
    const before = this.#durable.get(node);
    if (before !== undefined && this.#damaged.has(node) && recovered.inDoubt) {
      this.#excuse(node, before, recovered);
    } else if (before !== undefined) this.#checkRecovered(node, before, recovered);
    if (this.#damaged.delete(node)) this.#missing.add(node);
    this.#live.set(node, state);
    if (state.configuration.voters.length > 0) this.#deciders ??= state.configuration;
    this.#incarnations.set(node, state.options.incarnation);
    this.#states.begins(node);
    this.#checkMissing(node, state);
    this.#remember(node, state);
    this.#report(this.#committedConfigurations.sees(node, state));
    this.#checkRecords(node, state);
    this.#checkHeld();
  }

  #checkRecovered(node: number, before: Durable, { log, hardState, snapshot }: Recovered): void {
    const found = new RaftLog(log);
    const { last, term, vote } = before;
    // What its snapshot covers is not forgotten, whatever its log holds.
    const isCovered = (snapshot?.point.index ?? 0) >= last;
    const isHeld = found.last >= last && found.termAt(last) === before.log.termAt(last);
    if (!isCovered && !isHeld) {
      const was = `${before.log.termAt(last)}/${last}`;
      this.#fail(
        `node ${node} forgot: ${was} was durable, it recovered ${found.lastTerm}/${found.last}`,
      );
    }
    if (hardState.term < term || (hardState.term === term && lostVote(vote, hardState.vote))) {
      const is = `term ${hardState.term} vote ${hardState.vote}`;
      this.#fail(`node ${node} forgot term ${term} vote ${vote}: it recovered ${is}`);
    }
  }

  /** What the log has forgotten is in a snapshot, unless the disk of this replica was damaged. */
  #checkMissing(node: number, { missingState, log, snapshot }: CoreState): void {
    if (!missingState) this.#missing.delete(node);
    else if (!this.#missing.has(node)) {
      const found = snapshot === null ? 'no snapshot' : `a snapshot up to ${snapshot.index}`;
      this.#fail(`node ${node} has forgotten its log up to ${log.compacted} and has ${found}`);
    }
  }

  /** The next start of this replica is from a damaged disk. */
  damaged(node: number): void {
    this.#damaged.add(node);
  }

  /** Its next start cannot read snapshots that are there. */
  hides(node: number): void {
    if (!this.#missing.has(node)) this.#hidden.add(node);
    this.#damaged.add(node);
  }

  /** Its disk reads again: what only could not be read may not be missing any more. */
  reads(node: number): void {
    if (this.#hidden.delete(node)) this.#missing.delete(node);
  }

  /** Its end may be gone, and promises with it; it must know up to which term. */
  #excuse(node: number, before: Durable, { hardState }: Recovered): void {
    this.#excused.set(node, before.last);
    if (hardState.term >= before.term) return;
    this.#fail(`node ${node} in doubt forgot term ${before.term}: it recovered ${hardState.term}`);
  }

  /** The process of a replica is gone; what was durable stays. */
  end(node: number): void {
    const state = this.#live.get(node);
    if (state === undefined) return;
    this.#remember(node, state);
    const durable = this.#durable.get(node)!;
    durable.log = new RaftLog({
      last: state.log.last,
      generation: 0,
      compacted: state.log.compacted,
      compactedTerm: state.log.compactedTerm,
      termRuns: state.log.termRuns.map((run) => ({ ...run })),
      extents: [],
    });
    this.#live.delete(node);
    this.invariants.forget(node as NodeId);
    this.#checkHeld();
  }

  /** The replica lost its data: it counts no more, until it is readmitted. */
  wipe(node: number): void {
    const last = this.#durable.get(node)?.last ?? (0 as LogIndex);
    // One that was not readmitted since it was wiped before has vouched for nothing since.
    if (!this.#wiped.has(node)) this.#wiped.set(node, last);
    this.#durable.delete(node);
    this.#excused.delete(node);
    this.#damaged.delete(node);
    this.#missing.delete(node);
    this.#hidden.delete(node);
    this.#incarnations.delete(node);
  }

  isWiped(node: number): boolean {
    return this.#wiped.has(node);
  }

  /** After every input of a replica. */
  step(node: number, before: Snapshot, state: CoreState): void {
    const broken = [
      ...checkState(state),
      ...checkTransition(before, state),
      ...this.invariants.observe(state),
    ];
    if (broken.length > 0) this.#fail(`node ${node}: ${broken.join(' ')}`);
    this.#remember(node, state);
    this.#checkMissing(node, state);
    this.#report(this.#committedConfigurations.sees(node, state));
    this.#checkRecords(node, state);
    if (this.invariants.committed !== this.#lastCommitted) {
      // Who finds out leads, and counted before it went on to the next configuration, if it did.
      this.#deciders = before.configuration.configuration;
      this.#checkHeld();
    }
    if (state.log.durable < before.durable) this.#checkHeld();
    if (this.#wiped.has(node) && state.role !== 'follower') {
      const { standing, configuration } = state;
      // One in doubt whose log records nobody needs every vote, as a fresh one does.
      const isLikeFresh = standing === 'inDoubt' && !recordsLives(configuration);
      if (standing !== 'fresh' && !isLikeFresh) {
        this.#fail(`wiped node ${node} is ${state.role} (${standing})`);
      }
    }
  }

  /**
   * A wiped replica counts from the first configuration that records its new life; by then one that
   * records none of its lives must be committed.
   */
  #checkRecords(node: number, state: CoreState): void {
    const { configuration } = state;
    if (this.#configurations.get(node) === configuration) return;
    this.#configurations.set(node, configuration);
    for (const wiped of this.#wiped.keys()) {
      const recorded = recordedIncarnation(configuration, wiped as NodeId);
      if (recorded === 0 || recorded !== this.#incarnations.get(wiped)) continue;
      const before = state.membership.at(state.log.committed);
      if (!isErased(before.configuration, wiped as NodeId)) {
        this.#fail(`node ${node} counts wiped node ${wiped}, whose former life may still count`);
      }
      this.#wiped.delete(wiped);
      this.#readmitted(wiped);
    }
  }

  #remember(node: number, state: CoreState): void {
    let durable = this.#durable.get(node);
    if (durable === undefined) {
      const { log, term, vote } = state;
      durable = { log, last: log.durable, term, vote };
      this.#durable.set(node, durable);
    }
    durable.log = state.log;
    durable.last = state.log.durable;
    if (!state.hardStateDurable) return;
    durable.term = state.term;
    durable.vote = state.vote;
  }

  /**
   * The newest committed entry is durable on a majority of each set of voters that decided so; by
   * log matching so is all before it.
   */
  #checkHeld(): void {
    const index = this.invariants.committed;
    this.#lastCommitted = index;
    if (index === 0 || this.#deciders === null) return;
    const term = this.invariants.committedTermAt(index);
    for (const voters of [this.#deciders.voters, this.#deciders.outgoing]) {
      if (voters.length === 0) continue;
      const holders = voters.filter((id) => this.#holds(id, index, term)).length;
      const lost = voters.filter((id) => this.#hasLost(id, index)).length;
      if (holders >= majority(voters.length) - lost) continue;
      const needed = majority(voters.length) - lost;
      this.#fail(`${term}/${index} is committed, ${holders} intact logs hold it, not ${needed}`);
    }
  }

  #holds(node: number, index: LogIndex, term: Term | undefined): boolean {
    const durable = this.#durable.get(node);
    if (durable === undefined || this.#wiped.has(node)) return false;
    const { log, last } = durable;
    return log.compacted >= index || (last >= index && log.termAt(index) === term);
  }

  /** It may have held it, and does not any more. */
  #hasLost(node: number, index: LogIndex): boolean {
    const wiped = this.#wiped.get(node);
    if (wiped !== undefined) return wiped >= index;
    if (this.#holds(node, index, this.invariants.committedTermAt(index))) return false;
    return (this.#excused.get(node) ?? 0) >= index;
  }

  /** A replica is about to apply this command. */
  applies(node: number, index: number, timeMs: number, command: Buffer): void {
    if (index > this.invariants.committed) this.#fail(`node ${node} applies uncommitted ${index}`);
    this.#report(this.#states.applies(node, index, timeMs, command));
    this.#report(this.#sessions.applies(node, index, command));
  }

  /** A replica has applied everything up to `index`: what its table of sessions is then. */
  sessions(node: number, index: number, digest: string): void {
    this.#report(this.#sessions.table(node, index, digest));
  }

  /** A replica takes an image of what it has applied, and says that it covers `index`. */
  takes(node: number, index: number, digest: string): void {
    this.#report(this.#states.takes(node, index, digest));
  }

  /** A replica's machine was given the image at `index`. */
  restored(node: number, index: number, digest: string): void {
    this.#report(this.#states.restored(node, index, digest));
  }

  #report(broken: string | null): void {
    if (broken !== null) this.#fail(broken);
  }

  #fail(text: string): never {
    throw new SimFailure(`group ${this.group}: ${text}`);
  }
}

function lostVote(durable: NodeId, recovered: NodeId): boolean {
  return durable !== NOBODY && durable !== recovered;
}
