/**
 * What is asked of a group besides proposals and reads: to hand leadership over, to change its
 * membership, to be a witness here, to say when every voter has applied an entry
 * (replication-waits.ts). Who waits for which end, and what is said of each.
 *
 * The core decides and carries on by itself; here it is only watched. A change goes on under other
 * leaders, so that it is looked for in the configuration in force, wherever it was asked. Nothing
 * here may take a step that the core did not.
 */

import { encodeConfiguration } from '../../codec/configuration.js';
import { ErrorNumber } from '../errors.js';
import { LIMITS } from '../limits.js';
import {
  isFulfilled,
  isUnderWay,
  type MembershipChange,
  planChange,
} from '../raft/membership-change.js';
import type { Raft } from '../raft/raft.js';
import type { ChangeRefusal, QuorumToBe } from '../raft/reconfigure.js';
import type { TransferRefusal } from '../raft/transfer.js';
import { NOBODY, type NodeId, Role, type Term } from '../raft/types.js';
import {
  changeGoesOn,
  changeNotBegun,
  changeTakenBack,
  refusedChange,
  refusedTransfer,
  tooManyMembers,
  transferFailed,
} from './administration-words.js';
import { CatchUpWatch } from './catch-up-watch.js';
import type { CompletionPort } from './ports.js';
import { ReplicationWaits } from './replication-waits.js';

const SWEEP_MS = 25;

/** `id` comes back with the event that answers; `deadline` is on the monotonic clock. */
export type AdminRequest = { readonly id: number; readonly deadline: number } & (
  | { readonly kind: 'transfer'; readonly target: NodeId }
  | { readonly kind: 'change'; readonly change: MembershipChange; readonly dryRun: boolean }
  /** Durable already, as the core wants it. */
  | { readonly kind: 'witness'; readonly isWitness: boolean }
  /** Everything up to `index` is applied here: when has every voter done so? */
  | { readonly kind: 'onAll'; readonly index: number }
);

/** What came of a request. */
export type AdminResult =
  | { readonly kind: 'transferred'; readonly leader: number; readonly term: number }
  /** The configuration at `index` is what was asked for, and committed. */
  | { readonly kind: 'changed'; readonly index: number }
  | { readonly kind: 'wouldChange'; readonly quorum: QuorumToBe | null }
  /** It is a witness and leads no more, or it is none. */
  | { readonly kind: 'witnessSet' };

interface WaitingTransfer {
  readonly request: AdminRequest & { readonly kind: 'transfer' };
  readonly to: NodeId;
  readonly term: Term;
}

interface WaitingChange {
  readonly request: AdminRequest & { readonly kind: 'change' };
  /** It is in the configuration; before that it is asked again and again. */
  isBegun: boolean;
}

export class Administration {
  readonly #raft: Raft;
  readonly #completions: CompletionPort;
  readonly #placeCreated: () => void;
  readonly #waits: ReplicationWaits;
  #transfers: WaitingTransfer[] = [];
  #changes: WaitingChange[] = [];
  /** Ids of requests to become a witness, while this replica still leads. */
  #leaving: number[] = [];
  #sweepAt = Number.POSITIVE_INFINITY;
  readonly #watch: CatchUpWatch;

  /** `placeCreated` puts entries of the core's own into the log, after each of its steps. */
  constructor(raft: Raft, completions: CompletionPort, placeCreated: () => void) {
    this.#raft = raft;
    this.#completions = completions;
    this.#placeCreated = placeCreated;
    this.#watch = new CatchUpWatch(raft, completions);
    this.#waits = new ReplicationWaits(raft, (id, missing) =>
      completions.event({ kind: 'onAll', id, missing }),
    );
  }

  get deadline(): number {
    return Math.min(this.#sweepAt, this.#watch.deadline, this.#waits.deadline);
  }

  /** The role or the configuration is another one. */
  changed(now: number): void {
    this.#watch.changed(now);
  }

  /** Before the core's output is taken. */
  turn(now: number): void {
    this.#waits.turn(now);
  }

  ask(request: AdminRequest, now: number): void {
    if (request.kind === 'onAll') {
      this.#waits.add(request, now);
      return;
    }
    if (request.kind === 'witness') this.#setWitness(request.id, request.isWitness, now);
    else if (this.#raft.state.isWitness) this.#refuse(request.id, ErrorNumber.witness, '');
    else if (request.kind === 'transfer') this.#transfer(request, now);
    else this.#change({ request, isBegun: false }, now);
    if (this.#isWaiting) this.#sweepAt = Math.min(this.#sweepAt, now + SWEEP_MS);
  }

  get #isWaiting(): boolean {
    return this.#transfers.length > 0 || this.#changes.length > 0 || this.#leaving.length > 0;
  }

  #setWitness(id: number, isWitness: boolean, now: number): void {
    this.#raft.setWitness(isWitness, now);
    this.#leaving.push(id);
    this.#endLeaving();
  }

  /** Nobody leads as a witness for longer than an election timeout. */
  #endLeaving(): void {
    const { role, state } = this.#raft;
    if (state.isWitness && role === Role.leader) return;
    for (const id of this.#leaving.splice(0)) this.#done(id, { kind: 'witnessSet' });
  }

  #transfer(request: WaitingTransfer['request'], now: number): void {
    const answer = this.#raft.transferLeadership(request.target, now);
    if ('to' in answer) this.#transfers.push({ request, to: answer.to, term: this.#raft.term });
    else this.#refuseTransfer(request, answer.refused);
  }

  #refuseTransfer({ id, target }: WaitingTransfer['request'], refusal: TransferRefusal): void {
    const isElsewhere = refusal.why === 'notLeader';
    const code = isElsewhere ? ErrorNumber.notLeader : ErrorNumber.transfer;
    this.#refuse(id, code, isElsewhere ? '' : refusedTransfer(target, refusal));
  }

  #change(waiting: WaitingChange, now: number): void {
    const { request } = waiting;
    const bytes = this.#bytesAfter(request.change);
    if (bytes > LIMITS.configurationBytesMax) {
      this.#refuse(request.id, ErrorNumber.membership, tooManyMembers(bytes));
      return;
    }
    const answer = this.#raft.changeMembers(request.change, now, request.dryRun);
    this.#placeCreated();
    if ('refused' in answer) this.#onChangeRefused(waiting, answer.refused);
    else if (request.dryRun) {
      const quorum = 'begun' in answer ? answer.quorum : null;
      this.#done(request.id, { kind: 'wouldChange', quorum });
    } else {
      this.#changes.push({ ...waiting, isBegun: true });
    }
  }

  /** Of the largest configuration on the way, which has both sets of voters. */
  #bytesAfter(change: MembershipChange): number {
    const planned = planChange(this.#raft.configuration, change);
    return encodeConfiguration({ ...planned, outgoing: planned.voters }).length;
  }

  #onChangeRefused(waiting: WaitingChange, refusal: ChangeRefusal): void {
    const { id } = waiting.request;
    if (refusal.why === 'notReady') this.#changes.push(waiting);
    else if (refusal.why === 'notLeader') this.#refuse(id, ErrorNumber.notLeader, '');
    else this.#refuse(id, ErrorNumber.membership, refusedChange(refusal));
  }

  tick(now: number): void {
    this.#watch.tick(now);
    if (now < this.#sweepAt) return;
    const changes = this.#changes;
    this.#changes = [];
    for (const waiting of changes) this.#lookAt(waiting, now);
    this.#endLeaving();
    this.#transfers = this.#transfers.filter((waiting) => !this.#isOver(waiting, now));
    this.#sweepAt = this.#isWaiting ? now + SWEEP_MS : Number.POSITIVE_INFINITY;
  }

  #lookAt(waiting: WaitingChange, now: number): void {
    const { id, deadline, change } = waiting.request;
    const { index, configuration } = this.#raft.state.membership.entry;
    const isSettled = waiting.isBegun && index <= this.#raft.commitIndex;
    if (isSettled && isFulfilled(configuration, change)) {
      this.#done(id, { kind: 'changed', index });
    } else if (isSettled && !isUnderWay(configuration, change)) {
      this.#refuse(id, ErrorNumber.outcomeUnknown, changeTakenBack());
    } else if (now < deadline) {
      if (waiting.isBegun) this.#changes.push(waiting);
      else this.#change(waiting, now);
    } else if (waiting.isBegun) {
      this.#refuse(id, ErrorNumber.outcomeUnknown, changeGoesOn(configuration));
    } else {
      this.#refuse(id, ErrorNumber.membership, changeNotBegun());
    }
  }

  /** Another leader is known, or this one leads on. */
  #isOver({ request, to, term }: WaitingTransfer, now: number): boolean {
    const raft = this.#raft;
    const { leader } = raft;
    const isElsewhere = leader !== NOBODY && leader !== raft.id;
    if (isElsewhere || to === raft.id) {
      this.#done(request.id, { kind: 'transferred', leader, term: raft.term });
      return true;
    }
    const leadsOn = raft.role === Role.leader && raft.transferTarget === NOBODY;
    if (!leadsOn && now < request.deadline) return false;
    const came = raft.term > term ? raft.term : 0;
    this.#refuse(request.id, ErrorNumber.transfer, transferFailed(to, leadsOn, came));
    return true;
  }

  #done(id: number, result: AdminResult): void {
    this.#completions.event({ kind: 'adminDone', id, result });
  }

  #refuse(id: number, code: ErrorNumber, text: string): void {
    const { leader } = this.#raft;
    this.#completions.event({ kind: 'adminRefused', id, code, text, leader });
  }

  /** The group ends here: a change that was begun goes on elsewhere. */
  end(code: ErrorNumber): void {
    this.#waits.end();
    for (const { request } of this.#transfers) this.#refuse(request.id, code, '');
    for (const id of this.#leaving.splice(0)) this.#refuse(id, code, '');
    for (const { request, isBegun } of this.#changes) {
      this.#refuse(request.id, isBegun ? ErrorNumber.outcomeUnknown : code, '');
    }
    this.#transfers = [];
    this.#changes = [];
    this.#sweepAt = Number.POSITIVE_INFINITY;
    this.#watch.end();
  }

  refuse(request: AdminRequest, code: ErrorNumber): void {
    const { kind, id } = request;
    if (kind === 'onAll') this.#completions.event({ kind, id, missing: null });
    else this.#refuse(id, code, '');
  }
}
