/**
 * All connections of a run, kept at the leader: finds it, connects, and when a node goes away, says
 * that it does not lead or stops answering, finds the leader anew and goes on there.
 *
 * It must never end a run because of a failure: between `start` and `stop` it tries for ever, and
 * the errors and the gap without a success tell the story.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { CommandError, ExitCode } from '../cli/exit-codes.js';
import { type Address, printAddress } from '../cli/value-rules.js';
import type { ConnectionEvents, DrivenConnection } from './driven-connection.js';
import { askAll, chooseLeader, findLeader } from './leader-finder.js';
import { LoadConnection } from './load-connection.js';
import type { LoadOptions } from './load-options.js';
import type { NodeStatus } from './node-status.js';
import { Pace } from './pace.js';
import { type RequestOrder, RequestRing } from './request-ring.js';
import { SessionConnection } from './session-connection.js';
import type { Tally } from './tally.js';

const WATCH_MS = 1000;
const STALL_CHECK_MS = 100;
const RETRY_MS = 25;
const PACE_MS = 1;
/** A ring repeats its reads and writes; one this long has any ratio to a percent. */
const RING_SLOTS_MIN = 100;
const VALUES_MAX = 4096;
const VALUE_BYTES_MAX = 4 * 1024 * 1024;

/** A node that was found to lead, and when, on `performance.now`'s clock. */
export interface LeaderSighting {
  readonly at: number;
  readonly leader: NodeStatus;
}

export type DriverOptions = Pick<
  LoadOptions,
  | 'targets'
  | 'connections'
  | 'inFlight'
  | 'rate'
  | 'valueSize'
  | 'keys'
  | 'readShare'
  | 'timeoutMs'
  | 'sessions'
> & { readonly spread: boolean; readonly order: 'uniform' | 'fill' };

export class Driver {
  readonly sightings: LeaderSighting[] = [];
  reconnects = 0;
  readonly #options: DriverOptions;
  readonly #tally: Tally;
  readonly #connections: DrivenConnection[];
  readonly #timers: NodeJS.Timeout[] = [];
  #leader: Address | undefined;
  #searching = false;
  #stopping = false;

  constructor(options: DriverOptions, tally: Tally) {
    this.#options = options;
    this.#tally = tally;
    const events: ConnectionEvents = { closed: () => this.#onClosed() };
    const Connection = options.sessions ? SessionConnection : LoadConnection;
    this.#connections = shares(options).map(
      (window, at) => new Connection(window, ringFor(options, window, at), tally, events),
    );
  }

  get outstanding(): number {
    return this.#connections.reduce((sum, one) => sum + one.outstanding, 0);
  }

  /** Commands whose time has come and that are not sent; 0 without a rate. */
  behind(now: number): number {
    return this.#connections.reduce((sum, one) => sum + one.behind(now), 0);
  }

  /** Everything that was to be sent once has been sent and answered. */
  get finished(): boolean {
    return this.#connections.every((one) => one.finished);
  }

  /** Resolves when a leader is found and connections to it are being made. */
  async start(signal?: AbortSignal): Promise<void> {
    const { targets, timeoutMs, spread } = this.#options;
    if (spread) await this.#requireAnswers();
    else this.#see(await findLeader(targets, timeoutMs, signal));
    this.#keepPace();
    this.#connectAll();
    this.#timers.push(setInterval(() => this.#checkStalls(), STALL_CHECK_MS));
    if (!spread) this.#timers.push(setInterval(() => void this.#watch(), WATCH_MS));
  }

  /** Sends no more, waits for replies on their way, closes. */
  async stop(): Promise<void> {
    const deadline = performance.now() + this.#options.timeoutMs;
    for (const connection of this.#connections) connection.drain();
    // What is to be sent again may need another leader first.
    while (this.outstanding > 0 && performance.now() < deadline) await sleep(1);
    this.#stopping = true;
    for (const connection of this.#connections) connection.leave();
    while (this.#connections.some((one) => !one.closed)) {
      if (performance.now() >= deadline) {
        for (const connection of this.#connections) connection.abandon('timeout');
      }
      await sleep(1);
    }
    if (this.outstanding > 0) this.#tally.fail('timeout', this.outstanding);
    for (const timer of this.#timers) clearInterval(timer);
  }

  /** Connections send by turns, so that all of them together keep an even pace. */
  #keepPace(): void {
    const { rate } = this.#options;
    if (rate === 0) return;
    const share = rate / this.#connections.length;
    const now = performance.now();
    this.#connections.forEach((connection, at) => {
      connection.keepPace(new Pace(share, now + (1000 / rate) * at));
    });
    const goOn = (): void => {
      for (const connection of this.#connections) connection.goOn();
    };
    this.#timers.push(setInterval(goOn, PACE_MS));
  }

  async #requireAnswers(): Promise<void> {
    const answers = await askAll(this.#options.targets);
    const silent = this.#options.targets.filter((_, at) => answers[at] === undefined);
    if (silent.length === 0) return;
    const list = silent.map(printAddress).join(', ');
    throw new CommandError(
      ExitCode.cannotConnect,
      `${list} does not answer: start it or leave it out of --targets`,
    );
  }

  #see(leader: NodeStatus): void {
    this.#leader = leader.address;
    const last = this.sightings.at(-1)?.leader;
    if (last !== undefined && sameAddress(last.address, leader.address)) return;
    this.sightings.push({ at: performance.now(), leader });
  }

  #connectAll(): void {
    const { targets, spread } = this.#options;
    this.#connections.forEach((connection, at) => {
      const address = spread ? targets[at % targets.length] : this.#leader;
      if (connection.closed && address !== undefined) connection.connect(address);
    });
  }

  #onClosed(): void {
    if (this.#stopping) return;
    this.reconnects += 1;
    void this.#search();
  }

  /** Finds the leader and brings every closed connection there; one search at a time. */
  async #search(): Promise<void> {
    if (this.#searching) return;
    this.#searching = true;
    while (!this.#stopping && this.#connections.some((one) => one.closed)) {
      const { targets, spread } = this.#options;
      const leader = spread ? undefined : chooseLeader(await askAll(targets));
      if (this.#stopping) break;
      if (leader !== undefined) this.#see(leader);
      if (leader !== undefined || spread) this.#connectAll();
      await sleep(RETRY_MS);
    }
    this.#searching = false;
  }

  /** A leader that hands over forwards what it is sent; going to the new one saves the detour. */
  async #watch(): Promise<void> {
    if (this.#searching || this.#stopping) return;
    const leader = chooseLeader(await askAll(this.#options.targets));
    if (leader === undefined || this.#leader === undefined || this.#stopping) return;
    if (sameAddress(leader.address, this.#leader)) return;
    this.#see(leader);
    for (const connection of this.#connections) connection.leave();
  }

  #checkStalls(): void {
    const patience = performance.now() - this.#options.timeoutMs;
    for (const connection of this.#connections) {
      if (connection.waitingSince < patience) connection.abandon('timeout');
    }
  }
}

function sameAddress(a: Address, b: Address): boolean {
  return a.host === b.host && a.port === b.port;
}

/** How many commands each connection keeps in flight; connections without any are not made. */
function shares({ connections, inFlight }: DriverOptions): number[] {
  const count = Math.min(connections, inFlight);
  return Array.from({ length: count }, (_, at) => Math.floor((inFlight + at) / count));
}

function ringFor(options: DriverOptions, window: number, at: number): RequestRing {
  const { valueSize, keys, readShare } = options;
  const mixed = readShare > 0 && readShare < 1;
  const order: RequestOrder =
    options.order === 'uniform'
      ? { kind: 'uniform', seed: at + 1 }
      : { kind: 'sequence', first: at, stride: Math.min(options.connections, options.inFlight) };
  // Values repeat after this many: far more than fit into what LZ4 looks back upon.
  const values = Math.min(VALUES_MAX, Math.floor(VALUE_BYTES_MAX / Math.max(1, valueSize)));
  const slots = Math.max(window, values, mixed ? RING_SLOTS_MIN : 1);
  return new RequestRing({ slots, valueBytes: valueSize, keys, readShare, order });
}
