/**
 * The port for clients: accepts connections on the main thread, lends them what they share, and
 * sends what a round of results brought, one write per connection.
 *
 * It knows sockets, limits and the group's channel; what a command means is the command table's
 * business, and nothing of Raft is known here.
 */

import { createServer, type Server, type Socket } from 'node:net';
import { type ReadTermsGiven, resolveReads } from '../../engine/config-reads.js';
import type { Engine } from '../../engine/engine.js';
import type { Group } from '../../engine/group.js';
import { monotonicMs } from '../../io/clock.js';
import { type Address, printAddress } from '../cli/value-rules.js';
import { BatchTerms } from './batch-terms.js';
import { ByteBudget } from './byte-budget.js';
import { ClientConnection, type ConnectionHost } from './client-connection.js';
import type { ClientLimits } from './client-limits.js';
import { Plan } from './commands/plan.js';
import { openSession, type Session } from './commands/session.js';
import type { NodeView } from './node-view.js';
import { ReadFence } from './read-fence.js';
import { idleRequest, StatusReplies } from './status-replies.js';

/**
 * What becomes of a write on a node that does not lead. `auto`: inline commands are answered by
 * REDIRECT, arrays are forwarded, since no Redis client knows REDIRECT.
 */
export const ON_FOLLOWER = ['auto', 'redirect', 'forward'] as const;
export type OnFollower = (typeof ON_FOLLOWER)[number];

export interface ClientPortOptions {
  readonly address: Address;
  readonly limits: ClientLimits;
  readonly onFollower: OnFollower;
  readonly reads: ReadTermsGiven;
}

const SWEEP_MS = 250;
const POLL_MS = 5;
/** Clients have this long to take their last replies and close. */
const CLOSE_MS = 250;
const KEEP_ALIVE_MS = 60_000;
const BACKLOG = 511;
const TOO_MANY = '-ERR max number of clients reached\r\n';

export class ClientPort {
  readonly #host: Host;
  readonly #server: Server;
  readonly #sweep: NodeJS.Timeout;
  readonly #address: string;

  /** Listens at `options.address`. Rejects with the system's error when it cannot. */
  static async open(
    engine: Engine,
    group: Group,
    view: NodeView,
    options: ClientPortOptions,
  ): Promise<ClientPort> {
    const host = new Host(engine, group, view, options);
    const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) =>
      host.accept(socket),
    );
    const { host: name, port } = options.address;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host: name, port, backlog: BACKLOG }, () => {
        server.off('error', reject);
        resolve();
      });
    });
    return new ClientPort(host, server, name);
  }

  private constructor(host: Host, server: Server, name: string) {
    this.#host = host;
    this.#server = server;
    // Running out of file descriptors must not end the node: whoever waits is accepted later.
    server.on('error', () => undefined);
    const bound = server.address();
    const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
    this.#address = printAddress({ host: name, port });
    this.#sweep = setInterval(() => host.sweep(), SWEEP_MS);
  }

  /** Where clients reach it, as bound. */
  get address(): string {
    return this.#address;
  }

  get connections(): number {
    return this.#host.connections.size;
  }

  /** Accepts nobody more and reads no more requests; resolves when replies are sent, or in time. */
  async stopAdmitting(timeoutMs: number): Promise<void> {
    this.#server.close();
    for (const connection of this.#host.connections) connection.finish();
    await this.#until(() => !this.#host.isBusy, timeoutMs);
  }

  /** Ends every connection; what the engine answered last is sent first. */
  async close(): Promise<void> {
    this.#server.close();
    this.#host.endRound();
    for (const connection of this.#host.connections) connection.finish();
    await this.#until(() => this.#host.connections.size === 0, CLOSE_MS);
    clearInterval(this.#sweep);
    for (const connection of this.#host.connections) connection.destroy();
  }

  async #until(done: () => boolean, timeoutMs: number): Promise<void> {
    const deadline = monotonicMs() + timeoutMs;
    while (!done() && monotonicMs() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }
}

class Host implements ConnectionHost {
  readonly connections = new Set<ClientConnection>();
  readonly channel;
  readonly limits: ClientLimits;
  readonly plan: Plan;
  readonly terms: BatchTerms;
  readonly fence = new ReadFence();
  readonly statusReplies: StatusReplies;
  readonly entryBytesMax: number;
  readonly budget: ByteBudget;
  now = monotonicMs();
  readonly group: Group;
  readonly #view: NodeView;
  readonly #onFollower: OnFollower;
  readonly #endRound = (): void => this.endRound();
  readonly #endTurn = (): void => {
    this.#inTurn = false;
    this.terms.turnOver();
  };
  #touched: ClientConnection[] = [];
  /** Connections whose request found no room in the engine. */
  #waiting = new Set<ClientConnection>();
  #inTurn = false;
  #relieving = false;
  #nextSession = 1;

  constructor(engine: Engine, group: Group, view: NodeView, options: ClientPortOptions) {
    this.group = group;
    this.channel = group.writes(group.replication);
    this.limits = options.limits;
    this.budget = new ByteBudget(options.limits.budgetBytes);
    const reads = resolveReads(options.reads);
    this.terms = new BatchTerms(options.limits.timeoutMs, reads, () => this.group.isWitness);
    this.entryBytesMax = engine.options.groups[group.id]?.entryBytesMax as number;
    this.statusReplies = new StatusReplies(view);
    this.plan = new Plan(view, idleRequest(), openSession(0, '', 0));
    this.#view = view;
    this.#onFollower = options.onFollower;
    view.sessionSource = () => this.#sessions();
  }

  get isBusy(): boolean {
    for (const connection of this.connections) if (connection.isBusy) return true;
    return false;
  }

  get outputBytesMax(): number {
    return this.budget.outputShare(this.limits.outputBytesMax, this.connections.size);
  }

  *#sessions(): Iterable<Session> {
    for (const connection of this.connections) yield connection.session;
  }

  accept(socket: Socket): void {
    if (this.connections.size >= this.limits.connectionsMax) {
      socket.on('error', () => undefined);
      socket.end(TOO_MANY, () => socket.destroy());
      return;
    }
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    const remote = `${socket.remoteAddress ?? ''}:${socket.remotePort ?? 0}`;
    const session = openSession(this.#nextSession, remote, Date.now());
    this.#nextSession += 1;
    this.#view.counters.connectionsAccepted += 1;
    this.connections.add(new ClientConnection(this, socket, session));
  }

  /** A write that waits for all goes to the leader itself, which alone knows. */
  forwards(inline: boolean): boolean {
    if (this.group.replication === 'all') return false;
    return this.#onFollower === 'auto' ? !inline : this.#onFollower === 'forward';
  }

  turn(): number {
    if (this.#inTurn) return this.now;
    // The engine's own records leave in the same phase of the event loop.
    this.#inTurn = true;
    setImmediate(this.#endTurn);
    this.now = monotonicMs();
    this.terms.tick(this.now);
    return this.now;
  }

  counted(commands: number): void {
    this.#view.counters.commandsProcessed += commands;
  }

  touched(connection: ClientConnection): void {
    if (this.#touched.length === 0) queueMicrotask(this.#endRound);
    this.#touched.push(connection);
  }

  refusedByEngine(connection: ClientConnection): void {
    this.#waiting.add(connection);
  }

  ended(connection: ClientConnection): void {
    this.connections.delete(connection);
  }

  /** A moment later, before more arrives: the connection that noticed is in the middle of it. */
  overdrawn(): void {
    if (this.#relieving) return;
    this.#relieving = true;
    queueMicrotask(() => {
      this.#relieve();
      this.#relieving = false;
    });
  }

  /** Whoever holds most gives it up, until the budget is kept. */
  #relieve(): void {
    if (this.budget.isOver) for (const connection of this.connections) connection.trim();
    while (this.budget.isOver) {
      let hungriest: ClientConnection | null = null;
      let most = 0;
      for (const connection of this.connections) {
        const bytes = connection.forfeitBytes;
        if (bytes <= most) continue;
        hungriest = connection;
        most = bytes;
      }
      if (hungriest === null) return;
      hungriest.giveUp();
    }
  }

  /** Results were handed out: one write per connection, and room for those who wait for it. */
  endRound(): void {
    const touched = this.#touched;
    this.#touched = [];
    for (const connection of touched) connection.onRoundEnd();
    this.#retryWaiting();
  }

  #retryWaiting(): void {
    if (this.#waiting.size === 0) return;
    const waiting = this.#waiting;
    this.#waiting = new Set();
    for (const connection of waiting) connection.goOn();
  }

  sweep(): void {
    const now = this.turn();
    for (const connection of this.connections) connection.sweep(now);
    this.#retryWaiting();
  }
}
