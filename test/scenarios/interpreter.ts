/**
 * The commands of scenario files, over a cluster of cores whose time, network and disks stand still
 * until a command moves them. What the commands are is the table COMMANDS at the end.
 *
 * Every answer is made of describe.ts lines. A command that is misspelled throws; so does a step
 * that breaks an invariant: no transcript may ever show one.
 */

import assert from 'node:assert/strict';
import {
  describeConfiguration,
  describeConfigurationEntry,
  describeHardState,
  describePersist,
  describePlacement,
  describePoint,
  describeProgress,
  describeProposed,
  describeQuorum,
  describeRange,
  describeRuns,
  describeSnapshotWanted,
  describeSoft,
  describeState,
  messageName,
} from '../../engine/raft/describe.js';
import { describeChangeAnswer, describeTransferAnswer } from '../../engine/raft/describe-change.js';
import { bootstrapConfiguration } from '../../engine/raft/membership.js';
import type { MembershipChange } from '../../engine/raft/membership-change.js';
import type { Ready } from '../../engine/raft/ready.js';
import type { RaftOptions } from '../../engine/raft/state.js';
import {
  type Configuration,
  incarnation,
  logIndex,
  type NodeId,
  nodeId,
  term,
} from '../../engine/raft/types.js';
import type { EntryLog } from '../raft/entries.js';
import { Cluster } from '../raft/network.js';
import { describeParcel, type Parcel } from '../raft/parcel.js';
import type { Replica } from '../raft/replica.js';

/** Rounds of delivery and storage after which a scenario that never settles is given up. */
const SETTLE_ROUNDS_MAX = 1000;

type Arguments = readonly string[];

export class Interpreter {
  #cluster: Cluster | null = null;
  #lines: string[] = [];
  #quiet = false;

  get #group(): Cluster {
    assert.ok(this.#cluster !== null, 'a scenario starts with `cluster`');
    return this.#cluster;
  }

  run(command: string): string[] {
    const [name = '', ...rest] = command.trim().split(/\s+/);
    const perform = COMMANDS[name];
    assert.ok(perform !== undefined, `unknown command: ${command}`);
    this.#lines = [];
    this.#quiet = rest.includes('quiet');
    perform(
      this,
      rest.filter((word) => word !== 'quiet'),
    );
    return this.#lines;
  }

  say(line: string): void {
    this.#lines.push(line);
  }

  #note(line: string): void {
    if (!this.#quiet) this.say(line);
  }

  create([size = '3', ...settings]: Arguments): void {
    const set = new Map(settings.map((each) => each.split('=') as [string, string]));
    const ids = Array.from({ length: Number(size) }, (_, at) => nodeId(at + 1));
    const standbys = idList(set.get('standby'));
    const cluster = new Cluster(bootstrapOf(ids, set), 0, optionsOf(set), standbys);
    cluster.observer = {
      received: (parcel, placement) => {
        this.#note(`deliver ${describeParcel(parcel)}`);
        if (placement !== null) this.#note(`  ${describePlacement(placement)}`);
      },
      stored: (replica, ack) => this.#note(`  ${replica.id} stored #${ack.seq}`),
      turned: (replica, ready) => this.#turned(cluster, replica, ready),
    };
    this.#cluster = cluster;
    if (!set.has('stopped')) this.start([]);
    this.#lines = [describeConfiguration(cluster.replica(1).bootstrap)];
  }

  #turned(cluster: Cluster, { id }: Replica, ready: Ready): void {
    const { soft, configuration, persist, messages, committed, reads, snapshotWanted } = ready;
    if (soft !== null) this.say(`  ${id} ${describeSoft(soft)}`);
    if (configuration !== null) {
      this.#note(`  ${id} configuration ${describeConfigurationEntry(configuration)}`);
    }
    if (persist !== null) this.#note(`  ${id} persist ${describePersist(persist)}`);
    for (const message of messages) {
      const parcel = cluster.parcels.find((each) => each.message === message);
      const line = parcel === undefined ? describeLost(message) : describeParcel(parcel);
      this.#note(`  send ${line}`);
    }
    if (committed !== null) this.#note(`  ${id} apply ${describeRange(committed)}`);
    for (const grant of reads) this.say(`  ${id} read ${grant.id} at ${grant.index}`);
    if (snapshotWanted !== null) this.#note(`  ${id} ${describeSnapshotWanted(snapshotWanted)}`);
  }

  /** Records on disk before the first start: the terms of its entries, maybe its own term. */
  log([id = '', ...words]: Arguments): void {
    const { records } = this.#group.replica(Number(id));
    const terms = words.filter((word) => !word.includes('=')).map((word) => term(Number(word)));
    const own = words.find((word) => word.startsWith('term='))?.slice('term='.length);
    const entries = terms.map((each, at) => ({
      term: each,
      label: `entry ${at + 1} of term ${each}`,
      configuration: null,
    }));
    records.entries.append(logIndex(1), entries);
    const newest = terms[terms.length - 1] ?? 0;
    records.hardState = { term: term(Number(own ?? newest)), vote: nodeId(0) };
    this.say(`${id}: ${describeEntries(records.entries)}`);
  }

  start(ids: Arguments): void {
    const before = this.#lines.length;
    for (const id of this.#idsOf(ids)) this.#group.start(id);
    this.#lines.length = before;
    this.state(ids);
  }

  #idsOf(words: Arguments): NodeId[] {
    return words.length === 0 ? this.#group.ids : words.map((word) => nodeId(Number(word)));
  }

  /** Time passes until the election timer of one replica runs out; the others sleep. */
  campaign([id = '']: Arguments): void {
    const cluster = this.#group;
    cluster.now = Math.max(cluster.now, cluster.raft(Number(id)).state.electionDeadline);
    cluster.tick(Number(id));
  }

  advance([time = '']: Arguments): void {
    this.#group.now += Number(time);
    this.say(`now ${this.#group.now}`);
  }

  tick(ids: Arguments): void {
    for (const id of this.#idsOf(ids)) this.#group.tick(id);
  }

  /** A healthy while: everything is delivered, stored and ticked at once. */
  pass([time = '']: Arguments): void {
    const cluster = this.#group;
    const end = cluster.now + Number(time);
    this.settle();
    while (cluster.now < end) {
      const deadlines = cluster.running.map(({ raft }) => raft.deadline);
      cluster.now = Math.min(end, Math.max(cluster.now, Math.min(...deadlines)));
      for (const { id, raft } of cluster.running) {
        if (raft.deadline <= cluster.now) cluster.tick(id);
      }
      this.settle();
    }
  }

  propose([id = '', count = '1']: Arguments): void {
    const replica = this.#group.replica(Number(id));
    const before = this.#lines.length;
    const proposed = this.#group.propose(replica.id, Number(count));
    this.#lines.splice(before, 0, `proposed ${describeProposed(proposed)}`);
  }

  read([id = '', read = '']: Arguments, byLease = false): void {
    this.#group.read(Number(id), Number(read), byLease);
  }

  /** The wall clock of a replica runs ahead of its monotonic one, all in all by that much. */
  wall([id = '', ahead = '']: Arguments): void {
    this.#group.wallAhead.set(nodeId(Number(id)), Number(ahead));
  }

  deliver(words: Arguments): void {
    for (const parcel of this.#select(words)) this.#group.deliver(parcel);
  }

  repeat(words: Arguments): void {
    for (const parcel of this.#select(words)) this.#group.deliverCopy(parcel);
  }

  drop(words: Arguments): void {
    for (const parcel of this.#select(words)) {
      this.#group.parcels = this.#group.parcels.filter((each) => each !== parcel);
      this.#note(`drop ${describeParcel(parcel)}`);
    }
  }

  /**
   * Messages under way by link (`1->3`), by kind, by receiver (`to=3`); `last` takes the newest.
   */
  #select(words: Arguments): Parcel[] {
    const only = new Set<string>(words.filter((word) => word === 'first' || word === 'last'));
    const wanted = words.filter((word) => !only.has(word));
    const fits = ({ message }: Parcel, word: string): boolean => {
      if (word.includes('->')) return word === `${message.from}->${message.to}`;
      if (word.startsWith('to=')) return word === `to=${message.to}`;
      return word === messageName(message.kind);
    };
    const found = this.#group.parcels.filter((parcel) =>
      wanted.every((word) => fits(parcel, word)),
    );
    assert.ok(found.length > 0, `nothing under way fits: ${words.join(' ')}`);
    if (only.has('last')) return found.slice(-1);
    return only.has('first') ? found.slice(0, 1) : found;
  }

  settle(): void {
    const cluster = this.#group;
    for (let round = 0; round < SETTLE_ROUNDS_MAX; round += 1) {
      const parcel = cluster.parcels[0];
      if (parcel === undefined) return;
      cluster.deliver(parcel);
    }
    assert.fail('the scenario does not settle');
  }

  hold(ids: Arguments): void {
    for (const id of this.#idsOf(ids)) this.#group.replica(id).holdsStorage = true;
  }

  release(ids: Arguments): void {
    for (const id of this.#idsOf(ids)) {
      const replica = this.#group.replica(id);
      replica.holdsStorage = false;
      while (replica.alive.pending.length > 0) this.#group.store(id);
    }
  }

  store([id = '', count = '1']: Arguments): void {
    for (let at = 0; at < Number(count); at += 1) this.#group.store(Number(id));
  }

  crash([id = '', survivors = '0']: Arguments): void {
    this.#group.crash(Number(id), Number(survivors));
    this.say(this.#disk(this.#group.replica(Number(id))));
  }

  tear([id = '', count = '1']: Arguments): void {
    this.#group.crashAndTear(Number(id), Number(count));
    this.say(`${this.#disk(this.#group.replica(Number(id)))} in doubt`);
  }

  wipe([id = '']: Arguments): void {
    this.#group.crashAndWipe(Number(id));
    this.say(this.#disk(this.#group.replica(Number(id))));
  }

  cut(links: Arguments): void {
    for (const link of links) {
      const [from, to] = link.split('->').map(Number) as [number, number];
      this.#group.cut(from, to);
    }
  }

  isolate(ids: Arguments): void {
    for (const id of this.#idsOf(ids)) this.#group.isolate(id);
  }

  heal(): void {
    this.#group.heal();
  }

  reconnect([a = '', b = '']: Arguments): void {
    this.#group.reconnect(Number(a), Number(b));
  }

  /** A snapshot of what a replica has applied is durable there. */
  snapshotTaken(ids: Arguments): void {
    for (const id of this.#idsOf(ids)) {
      const before = this.#lines.length;
      const { point } = this.#group.takeSnapshot(id);
      this.#lines.splice(before, 0, `${id} has snapshot ${describePoint(point)}`);
    }
  }

  compact([id = '', index = '']: Arguments): void {
    this.#group.compact(Number(id), logIndex(Number(index)));
  }

  /** What a replica asked for is fetched, or the snapshot of another one at an index. */
  install([id = '', from, index]: Arguments): void {
    const { wanted } = this.#group.replica(Number(id)).alive;
    const at = index === undefined ? wanted?.point.index : Number(index);
    const { images } = this.#group.replica(Number(from ?? wanted?.from)).records;
    const image = images.find(({ point }) => point.index === at);
    assert.ok(image !== undefined, `there is a snapshot at ${at}`);
    const before = this.#lines.length;
    const isTaken = this.#group.install(Number(id), image);
    const what = `${id} installs snapshot ${describePoint(image.point)}`;
    this.#lines.splice(before, 0, isTaken ? what : `${what}: it is stale`);
  }

  /** The file of an older snapshot is removed. */
  snapshotGone([id = '', index = '']: Arguments): void {
    const { records } = this.#group.replica(Number(id));
    const gone = records.images.find(({ point }) => point.index === Number(index));
    assert.ok(gone !== undefined, `there is a snapshot at ${index}`);
    records.images = records.images.filter((image) => image !== gone);
    this.#group.step(Number(id), (raft) => raft.snapshotGone(gone.point));
  }

  /** Every snapshot of a replica that is down is damaged. */
  loseSnapshots([id = '']: Arguments): void {
    const replica = this.#group.replica(Number(id));
    assert.equal(replica.life, null, 'a running replica loses nothing');
    replica.records.images = [];
    this.say(this.#disk(replica));
  }

  /** The leader is asked to hand over, to the best target or to a given one. */
  transfer([from = '', to = '0']: Arguments): void {
    const before = this.#lines.length;
    const answer = this.#group.transfer(Number(from), Number(to));
    this.#lines.splice(before, 0, describeTransferAnswer(answer));
  }

  /** A replica enters or leaves witness mode, durably: `witness 2 on`. */
  witness([id = '', mode = '']: Arguments): void {
    assert.ok(mode === 'on' || mode === 'off', `witness is on or off, not ${mode}`);
    this.#group.setWitness(Number(id), mode === 'on');
  }

  /** `change 1 voter=4 learner=5 remove=2 voter=3@elsewhere`; `dry` only asks. */
  change([id = '', ...words]: Arguments): void {
    const change = changeOf(words.filter((word) => word !== 'dry'));
    const before = this.#lines.length;
    const answer = this.#group.changeMembers(Number(id), change, words.includes('dry'));
    this.#lines.splice(before, 0, describeChangeAnswer(answer));
  }

  state(ids: Arguments): void {
    for (const id of this.#idsOf(ids)) {
      const { life } = this.#group.replica(id);
      this.say(life === null ? `${id}: down` : describeState(life.raft.state));
    }
  }

  flight(): void {
    const { parcels } = this.#group;
    for (const parcel of parcels) this.say(`under way: ${describeParcel(parcel)}`);
    if (parcels.length === 0) this.say('nothing under way');
  }

  #disk({ id, records }: Replica): string {
    const { hardState, entries, newestImage } = records;
    const runs = describeEntries(entries);
    const image = newestImage === undefined ? '' : ` snapshot=${describePoint(newestImage.point)}`;
    return `${id} has on disk: ${describeHardState(hardState)} ${runs}${image}`;
  }

  disk(ids: Arguments): void {
    for (const id of this.#idsOf(ids)) this.say(this.#disk(this.#group.replica(id)));
  }

  logs(): void {
    for (const { id, alive } of this.#group.running) {
      this.say(`${id}: ${describeEntries(alive.entries)}`);
    }
  }

  progress([id = '']: Arguments): void {
    const { progress } = this.#group.raft(Number(id)).state;
    for (const peer of progress.values()) this.say(describeProgress(peer));
  }

  /** What the leader counts: the durable entries of each voter. */
  quorum([id = '']: Arguments): void {
    const { state } = this.#group.raft(Number(id));
    const matchOf = (peer: NodeId): number =>
      peer === state.id ? state.log.durable : (state.progress.get(peer)?.match ?? 0);
    for (const line of describeQuorum(state.configuration, matchOf)) this.say(line);
  }
}

function describeLost(message: Ready['messages'][number]): string {
  const { from, to, kind } = message;
  return `${from}->${to} ${messageName(kind)} (lost)`;
}

function describeEntries({ termRuns, last, base }: EntryLog): string {
  return describeRuns(termRuns, last, base);
}

function idList(text: string | undefined): NodeId[] {
  return (text ?? '')
    .split(',')
    .filter(Boolean)
    .map((id) => nodeId(Number(id)));
}

function changeOf(words: Arguments): MembershipChange {
  const pairs = words.map((word) => word.split('=') as [string, string]);
  const put = pairs.flatMap(([as, value]) => {
    if (as !== 'voter' && as !== 'learner') return [];
    const [id = '', address = `node-${id}`] = value.split('@');
    return [{ id: nodeId(Number(id)), address, as } as const];
  });
  const remove = pairs.filter(([word]) => word === 'remove').map(([, id]) => nodeId(Number(id)));
  assert.equal(put.length + remove.length, words.length, `a change of ${words.join(' ')}`);
  return { put, remove };
}

/** `recorded`: the lives of all members are on record from the start, as after a first leader. */
function bootstrapOf(ids: readonly NodeId[], set: Map<string, string>): Configuration {
  const plain = bootstrapConfiguration(ids.map((id) => ({ id, address: `node-${id}` })));
  const learners = idList(set.get('learners'));
  const voters = set.has('voters')
    ? idList(set.get('voters'))
    : ids.filter((id) => !learners.includes(id));
  const isRecorded = (id: NodeId): boolean => set.has('recorded') && !learners.includes(id);
  const lifeOnRecord = (id: NodeId) => incarnation(isRecorded(id) ? id * 100 + 1 : 0);
  const members = plain.members.map((member) => ({
    ...member,
    incarnation: lifeOnRecord(member.id),
  }));
  return { ...plain, voters, outgoing: idList(set.get('outgoing')), learners, members };
}

function optionsOf(set: Map<string, string>): Partial<RaftOptions> {
  const numbers = {
    window: 'windowMessagesMax',
    entries: 'appendEntriesMax',
    stall: 'diskStallMax',
    lease: 'leaseDrift',
  } as const;
  const options: Record<string, number | boolean> = {};
  for (const [word, option] of Object.entries(numbers)) {
    const value = set.get(word);
    if (value !== undefined) options[option] = Number(value);
  }
  if (set.get('pre-vote') === 'off') options.preVote = false;
  return options as Partial<RaftOptions>;
}

const COMMANDS: Record<string, (interpreter: Interpreter, words: Arguments) => void> = {
  // The cluster and its disks.
  cluster: (it, words) => it.create(words),
  log: (it, words) => it.log(words),
  start: (it, words) => it.start(words),
  crash: (it, words) => it.crash(words),
  tear: (it, words) => it.tear(words),
  wipe: (it, words) => it.wipe(words),
  // Time and clients.
  campaign: (it, words) => it.campaign(words),
  advance: (it, words) => it.advance(words),
  tick: (it, words) => it.tick(words),
  pass: (it, words) => it.pass(words),
  propose: (it, words) => it.propose(words),
  read: (it, words) => it.read(words),
  'read-by-lease': (it, words) => it.read(words, true),
  wall: (it, words) => it.wall(words),
  transfer: (it, words) => it.transfer(words),
  witness: (it, words) => it.witness(words),
  change: (it, words) => it.change(words),
  // The network.
  deliver: (it, words) => it.deliver(words),
  repeat: (it, words) => it.repeat(words),
  drop: (it, words) => it.drop(words),
  settle: (it) => it.settle(),
  cut: (it, words) => it.cut(words),
  isolate: (it, words) => it.isolate(words),
  heal: (it) => it.heal(),
  reconnect: (it, words) => it.reconnect(words),
  // Storage.
  hold: (it, words) => it.hold(words),
  release: (it, words) => it.release(words),
  store: (it, words) => it.store(words),
  // Snapshots.
  'snapshot-taken': (it, words) => it.snapshotTaken(words),
  compact: (it, words) => it.compact(words),
  install: (it, words) => it.install(words),
  'snapshot-gone': (it, words) => it.snapshotGone(words),
  'lose-snapshots': (it, words) => it.loseSnapshots(words),
  // Questions.
  state: (it, words) => it.state(words),
  flight: (it) => it.flight(),
  disk: (it, words) => it.disk(words),
  logs: (it) => it.logs(),
  progress: (it, words) => it.progress(words),
  quorum: (it, words) => it.quorum(words),
};
