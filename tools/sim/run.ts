/**
 * One run: a seed and a size in, what happened out.
 *
 *   faults and clients together  →  calm, until at rest  →  last reads  →  digests, linearizability
 *
 * Equal seeds give equal runs. A failure is a value here, not an exception; whoever wants its trace
 * runs the seed again.
 */

import { Prng } from '../../engine/raft/prng.js';
import { checkInvocations } from '../check/linearizability.js';
import { BrokenInstalls } from './broken-installs.js';
import { BrokenReadmissions } from './broken-readmissions.js';
import { SimClients } from './clients.js';
import { ClockFaults } from './clock-faults.js';
import { ReadTermsDrawn } from './clock-plan.js';
import { SimCluster } from './cluster.js';
import { addCounts, type Counts, noCounts } from './counts.js';
import { Damages } from './damages.js';
import { FAULT_FAMILIES, type FaultFamily } from './fault-families.js';
import { History } from './history.js';
import { FaultInjector } from './inject.js';
import type { Operation } from './operation.js';
import { Pipelines } from './pipelines.js';
import { drawPlan, type RunPlan, Stream, streamSeed } from './plan.js';
import { SessionClients } from './session-clients.js';
import { SimFailure } from './sim-failure.js';
import { withStaleness } from './stale-reads.js';
import { OUTSIDE, Trace, type TraceOptions } from './trace.js';
import { Workload } from './workload.js';
import { World } from './world.js';

export interface RunResult {
  readonly seed: number;
  readonly nodes: number;
  readonly families: readonly FaultFamily[];
  /** Null: nothing was wrong. */
  readonly failure: string | null;
  readonly counts: Counts;
  readonly faultKinds: number;
  readonly virtualMs: number;
  readonly digest: string;
  readonly lines: readonly string[];
}

export interface RunOptions {
  /** Every message is traced. */
  readonly isDetailed?: boolean;
  /** Which faults the run may draw; all by default. */
  readonly families?: readonly FaultFamily[];
  readonly trace?: TraceOptions;
}

const SECOND_US = 1_000_000;
/** How long clients may take for the operations that every run must have. */
const BUSY_MAX_US = 60 * SECOND_US;
const REST_MAX_US = 30 * SECOND_US;
const LOOK_US = 10_000;
/** Clients that turn to deposed leaders, and that read everything at the end. */
const FIRST_VISITOR = 5_000;
const FIRST_LAST_READER = 10_000;
const VISITS_OF_DEPOSED = 30;
/** They come in a turn or two, and a machine answers a few at a time. */
const VISITS_OF_STOPPED = 10;
/** When a replica that may not be wiped yet is thought of again. */
const WIPE_AGAIN_US = 150_000;
const LAST_READS_MAX_US = 10 * SECOND_US;

export function runSeed(seed: number, nodes: number, options: RunOptions = {}): RunResult {
  const families = options.families ?? FAULT_FAMILIES;
  const plan = drawPlan(seed, nodes, families);
  const trace = new Trace(options.trace);
  const world = new World(plan, trace, options.isDetailed ?? false);
  const run = new Run(world);
  let failure: string | null = null;
  try {
    run.go();
  } catch (cause) {
    failure = describeCause(cause);
    world.event(OUTSIDE, `FAILED: ${failure}`);
  }
  return {
    seed,
    nodes,
    families,
    failure,
    counts: run.counts(),
    faultKinds: run.faultKinds,
    virtualMs: Math.floor(world.scheduler.nowUs / 1_000),
    digest: trace.digest(),
    lines: trace.lines(),
  };
}

/** The keys of a kind as the workload names them: r0, r1, … */
function numbered(letter: string, count: number): string[] {
  return Array.from({ length: count }, (_, at) => `${letter}${at}`);
}

function describeCause(cause: unknown): string {
  if (cause instanceof SimFailure) return cause.message;
  return cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
}

class Run {
  readonly #world: World;
  readonly #plan: RunPlan;
  readonly #cluster: SimCluster;
  readonly #history = new History();
  readonly #clients: SimClients;
  readonly #pipelines: Pipelines;
  readonly #sessions: SessionClients;
  readonly #injector: FaultInjector;
  readonly #damages: Damages;
  readonly #keys: readonly string[];
  readonly #terms: ReadTermsDrawn;
  #visitors = 0;

  constructor(world: World) {
    const { plan, scheduler } = world;
    const { seed, nodes, timeoutUs, thinkUs } = plan;
    this.#world = world;
    this.#plan = plan;
    this.#cluster = new SimCluster(world);
    const clientsSeed = streamSeed(seed, Stream.clients);
    const registers = 2 + plan.groups;
    const counters = 1 + Math.floor(plan.groups / 2);
    this.#keys = [...numbered('r', registers), ...numbered('c', counters)];
    this.#terms = new ReadTermsDrawn(plan.clocks, streamSeed(seed, Stream.readTerms));
    const workload = new Workload({
      seed: clientsSeed,
      clients: plan.clients,
      nodes,
      registers,
      counters,
      thinkUsMax: thinkUs,
      listLengthMax: 30,
      terms: (operation) => this.#terms.draw(operation),
    });
    const clients = { seed: clientsSeed, nodes, timeoutUs };
    this.#clients = new SimClients(scheduler, this.#cluster, workload, this.#history, clients);
    this.#pipelines = new Pipelines({
      scheduler,
      service: this.#cluster,
      history: this.#history,
      prng: new Prng(streamSeed(seed, Stream.pipelines)),
      counts: world.counts,
      nodes,
      timeoutUs,
      thinkUs,
    });
    this.#sessions = new SessionClients({
      scheduler,
      service: this.#cluster,
      history: this.#history,
      prng: new Prng(streamSeed(seed, Stream.sessionClients)),
      counts: world.counts,
      nodes,
      timeoutUs,
      thinkUs,
      ttlMs: plan.sessionTtlMs,
    });
    this.#damages = new Damages(world, this.#cluster);
    this.#injector = new FaultInjector(scheduler, world.network, this.#cluster, world.trace);
  }

  go(): void {
    this.#cluster.start();
    this.#clients.start();
    this.#pipelines.start(this.#plan.pipelines);
    this.#sessions.start(this.#plan.sessionClients);
    this.#injector.schedule(this.#plan.faults);
    this.#damages.schedule(this.#plan.damages);
    this.#scheduleExtras();
    this.#stayBusy();
    this.#comeToRest();
    if (!this.#noteStranded()) {
      this.#readEverything();
      // A command whose client gave up may have come late: equal machines need equal logs.
      this.#comeToRest();
    }
    this.#cluster.checkDigests();
    this.#checkHistory();
  }

  /** Faults beyond those of the schedule: wipes, full disks, transfers, isolated leaders. */
  #scheduleExtras(): void {
    const { wipes, fullDisks, transfers, isolations, nodes, groups, faultsEndUs } = this.#plan;
    const { machineFailures, memberChanges } = this.#plan;
    const { scheduler } = this.#world;
    const prng = new Prng(streamSeed(this.#plan.seed, Stream.identities));
    const at = (act: () => void): void => {
      scheduler.at(prng.between(faultsEndUs / 4, faultsEndUs - 1), act);
    };
    for (let each = 0; each < wipes; each += 1) at(() => this.#wipe(prng.between(1, nodes)));
    for (let each = 0; each < transfers; each += 1) {
      at(() => this.#cluster.transfer(prng.below(groups), prng.between(0, nodes)));
    }
    for (let each = 0; each < isolations; each += 1) {
      at(() => this.#isolate(prng, prng.between(400_000, 800_000)));
    }
    for (let each = 0; each < fullDisks; each += 1) {
      scheduler.at(prng.between(faultsEndUs / 8, faultsEndUs / 2), () => this.#fillDisk(prng));
    }
    const failing = new Prng(streamSeed(this.#plan.seed, Stream.machines));
    for (let each = 0; each < machineFailures; each += 1) {
      scheduler.at(failing.between(faultsEndUs / 8, faultsEndUs - 1), () => {
        const node = failing.chance(0.4) ? this.#cluster.leader() : failing.between(1, nodes);
        this.#cluster.failMachine(failing.below(groups), Math.max(1, node));
      });
    }
    this.#scheduleWitnessModes();
    const operator = new Prng(streamSeed(this.#plan.seed, Stream.memberChanges));
    for (let each = 0; each < memberChanges; each += 1) {
      scheduler.at(operator.between(faultsEndUs / 8, faultsEndUs - 1), () => {
        this.#cluster.changeMembers(operator.below(groups), operator);
      });
    }
    new ClockFaults(this.#world, this.#cluster, (node, lastsUs) =>
      this.#visit(node, prng, lastsUs, VISITS_OF_STOPPED),
    ).schedule();
    new BrokenReadmissions(this.#world, this.#cluster).watch();
    new BrokenInstalls(this.#world, this.#cluster).watch();
    scheduler.at(faultsEndUs, () => this.#cluster.freeDisks());
  }

  #scheduleWitnessModes(): void {
    const { seed, witnessModes, nodes, groups, faultsEndUs } = this.#plan;
    const { scheduler } = this.#world;
    const prng = new Prng(streamSeed(seed, Stream.witnessModes));
    for (let each = 0; each < witnessModes; each += 1) {
      scheduler.at(prng.between(faultsEndUs / 8, faultsEndUs - 1), () => {
        const node = prng.chance(0.4) ? this.#cluster.leader() : prng.between(1, nodes);
        if (node > 0) this.#cluster.toggleWitnessMode(prng.below(groups), node);
      });
    }
    scheduler.at(faultsEndUs, () => this.#cluster.endWitnessModes());
  }

  /** With much in flight on a slow disk, some of it meets the end of the room. */
  #fillDisk(prng: Prng): void {
    const leader = this.#cluster.leader();
    const isLeader = leader > 0 && prng.chance(0.6);
    const node = isLeader ? leader : prng.between(1, this.#plan.nodes);
    this.#world.event(node, 'the disk is full');
    this.#cluster.fillDisk(node, prng.chance(0.5) ? prng.between(50_000, 400_000) : null);
  }

  /** A leader that does not know yet that it is deposed gets visitors. */
  #isolate(prng: Prng, lastsUs: number): void {
    this.#visit(this.#cluster.isolateLeader(lastsUs), prng, lastsUs, VISITS_OF_DEPOSED);
  }

  /** Clients turn to a node that may not know what happened meanwhile; 0: to none. */
  #visit(node: number, prng: Prng, lastsUs: number, visits: number): void {
    const { scheduler } = this.#world;
    for (let each = 0; each < visits && node > 0; each += 1) {
      this.#visitors += 1;
      const client = FIRST_VISITOR + this.#visitors;
      const key = prng.pick(this.#keys);
      // Writes that can only be replaced: the longer its log, the more a new leader has to undo.
      const isWrite = key.startsWith('r') && prng.chance(0.3);
      const value = `v${this.#visitors}`;
      const drawn: Operation = isWrite ? { op: 'set', key, value } : { op: 'get', key };
      const operation = this.#terms.draw(drawn);
      scheduler.after(prng.between(Math.floor(lastsUs / 4), lastsUs), () => {
        this.#pipelines.invoke(client, node, operation);
      });
    }
  }

  /**
   * A replica is told from its former life once the group has recorded whose data may vote, and a
   * majority of intact ones must be left: else it waits.
   */
  #wipe(node: number): void {
    const { scheduler } = this.#world;
    // From then on nothing is lost any more: the cluster comes to rest.
    if (scheduler.nowUs >= this.#plan.faultsEndUs) return;
    if (this.#cluster.mayLose(node)) this.#cluster.wipe(node);
    else scheduler.after(WIPE_AGAIN_US, () => this.#wipe(node));
  }

  #stayBusy(): void {
    const { scheduler } = this.#world;
    const { faultsEndUs, operationsMin } = this.#plan;
    const isDone = (): boolean => {
      const { invoked } = this.#clients.counts;
      return scheduler.nowUs > faultsEndUs && invoked + this.#pipelines.invoked >= operationsMin;
    };
    if (!scheduler.runWhile(() => !isDone(), BUSY_MAX_US)) {
      throw new SimFailure(`clients began ${this.#clients.counts.invoked} operations only`);
    }
    this.#clients.stop();
    this.#pipelines.stop();
    this.#sessions.stop();
    this.#world.event(OUTSIDE, 'clients stop');
  }

  /** Nothing fails any more: a leader must emerge and all logs and machines become equal. */
  #comeToRest(): void {
    const { scheduler } = this.#world;
    const limitUs = scheduler.nowUs + this.#plan.timeoutUs + REST_MAX_US;
    for (let text = this.#unrest(); text !== null; text = this.#unrest()) {
      if (scheduler.nowUs >= limitUs) throw new SimFailure(`no rest: ${text}`);
      // A disk that was to tear its next write may strike only now.
      for (const { id } of this.#cluster.members) this.#cluster.restart(id);
      scheduler.runUntil(scheduler.nowUs + LOOK_US);
    }
    this.#world.event(OUTSIDE, 'at rest');
  }

  /** Of a group that waits for lost data nothing can be read; what it answered must be right. */
  #noteStranded(): boolean {
    const groups = Array.from({ length: this.#plan.groups }, (_, group) => group);
    const stranded = groups.filter((group) => this.#cluster.isStranded(group));
    for (const group of stranded) this.#world.event(OUTSIDE, `g${group} waits for intact data`);
    this.#world.counts.stranded += stranded.length;
    return stranded.length > 0;
  }

  #unrest(): string | null {
    return this.#history.pending > 0 ? 'clients wait' : this.#cluster.unrest();
  }

  /** Every key is read once more at every node: what was acknowledged must be there. */
  #readEverything(): void {
    const { scheduler } = this.#world;
    const keys = new Set(this.#history.invocations().map(({ operation }) => operation.key));
    let left = 0;
    let client = FIRST_LAST_READER;
    for (const key of keys) {
      client += 1;
      const { membersOfAll } = this.#cluster;
      const node = membersOfAll[client % membersOfAll.length];
      const nodes = key.startsWith('p') ? membersOfAll.filter((id) => id === node) : membersOfAll;
      for (const at of nodes) {
        left += 1;
        this.#lastRead(client * 10 + at, at, { op: 'get', key }, () => {
          left -= 1;
        });
      }
    }
    const limitUs = scheduler.nowUs + LAST_READS_MAX_US;
    if (!scheduler.runWhile(() => left > 0, limitUs)) throw new SimFailure('last reads hang');
  }

  #lastRead(client: number, node: number, operation: Operation, done: () => void): void {
    const { scheduler } = this.#world;
    const id = this.#history.invoke(client, node, operation, scheduler.nowUs);
    this.#cluster.submit(node, operation, (reply) => {
      if (reply.kind !== 'ok') throw new SimFailure(`a read at rest failed: ${reply.why}`);
      this.#history.ok(id, reply.result, scheduler.nowUs);
      done();
    });
  }

  #checkHistory(): void {
    const { rateMin } = this.#plan.clocks;
    const { finding, text } = checkInvocations(withStaleness(this.#history, rateMin));
    if (finding !== 'explained') throw new SimFailure(text);
  }

  get faultKinds(): number {
    const { counts } = this.#injector;
    const drawn = Object.values(counts).filter((count) => count > 0).length;
    const { suspensions, stalls, wallJumps } = this.#world.counts;
    const ofClocks = [suspensions, stalls, wallJumps].filter((count) => count > 0).length;
    return drawn + this.#damages.kinds.size + ofClocks;
  }

  /** Everything that was counted anywhere. */
  counts(): Counts {
    const { counts, network } = this.#world;
    for (const member of this.#cluster.members) member.countDisks();
    const all = noCounts();
    addCounts(all, counts);
    for (const { operation, outcome } of this.#history.invocations()) {
      all.operations += 1;
      if (outcome.kind === 'fail') all.refused += 1;
      else if (outcome.kind === 'unknown') all.unknown += 1;
      else if (operation.op !== 'get') all.writesOk += 1;
    }
    const { lost, duplicated, reordered, delayed, partitions, oneWays, cuts } = network.counts;
    Object.assign(all, { lost, duplicated, reordered, delayed, partitions, oneWays });
    all.resets = cuts;
    all.pauses = this.#injector.counts.pause;
    all.slowDisks = this.#injector.counts.slowDisk;
    all.clockSkews = this.#injector.counts.clockSkew;
    return all;
  }
}
