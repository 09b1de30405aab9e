/**
 * A network inside one process: streams between named nodes on virtual time.
 *
 * It keeps what TCP promises (bytes in order, or a closed stream) and lets a test do what networks
 * do: delay, split the stream anywhere, cut two nodes off without a word, kill a node.
 * Written pieces are read when they are delivered, not before, so that memory given back too early
 * shows as damaged frames; delivered chunks are overwritten after the callback for the same reason.
 * It must never use the real clock or real randomness.
 */

import { assert } from '../../engine/raft/types.js';
import type {
  CloseCallback,
  CloseMode,
  ConnectCallback,
  Connection,
  ListenCallbacks,
  Listener,
  ReadCallback,
  WriteCallback,
} from './adapter.js';
import type { VirtualTime } from './manual-clock.js';

export interface MemoryNetworkOptions {
  /** One-way delay; 0 when left out. */
  readonly latencyMs?: (from: string, to: string) => number;
  /** The stream is handed over in chunks of at most this; asked for each chunk. */
  readonly chunkBytesMax?: () => number;
}

/** Bytes on their way, or the end of the stream. */
interface Parcel {
  readonly pieces: readonly Uint8Array[];
  /** Null: the stream ends here. */
  readonly onComplete: WriteCallback | null;
  arrived: boolean;
  /** Bytes handed over before the reader was told to wait. */
  handedOver: number;
}

/** How long a flushing close may wait for a cut to heal. */
const LINGER_MS = 1000;
const POISON = 0xdb;

export class MemoryConnection implements Connection {
  readonly remote: string;
  readonly owner: string;
  peer: MemoryConnection | null = null;
  onConnect: ConnectCallback | null = null;
  onData: ReadCallback | null = null;
  onClose: CloseCallback | null = null;
  /** Closed by its owner or over: nothing more is read or written. */
  closing = false;
  /** Its owner reads; else what arrives waits in the other side's outbox. */
  reading = true;
  /** Over: the close callback is on its way or was called. */
  closed = false;
  /** Its node was killed: no callback is called any more. */
  dead = false;
  /** Sent and not delivered yet, in order. */
  outbox: Parcel[] = [];
  arrivesAtMs = 0;

  constructor(owner: string, remote: string) {
    this.owner = owner;
    this.remote = remote;
  }
}

export class MemoryNetwork {
  readonly time: VirtualTime;
  readonly #options: MemoryNetworkOptions;
  readonly #listeners = new Map<string, { owner: string; callbacks: ListenCallbacks }>();
  /** Streams that are open, or still have something to deliver. */
  readonly #connections = new Set<MemoryConnection>();
  readonly #cuts = new Set<string>();

  constructor(time: VirtualTime, options: MemoryNetworkOptions = {}) {
    this.time = time;
    this.#options = options;
  }

  /** Silence from one node to another: bytes wait, as TCP would keep sending them again. */
  cut(from: string, to: string): void {
    this.#cuts.add(`${from}>${to}`);
  }

  /** Ends a cut; what waited is delivered. */
  heal(from: string, to: string): void {
    this.#cuts.delete(`${from}>${to}`);
    for (const connection of [...this.#connections]) this.#deliverArrived(connection);
  }

  /** The node is gone: no listener, its streams are reset; when dead, no callback of it runs. */
  leave(node: string, dead: boolean): void {
    for (const [address, { owner }] of [...this.#listeners]) {
      if (owner === node) this.#listeners.delete(address);
    }
    for (const connection of [...this.#connections]) {
      if (connection.owner !== node) continue;
      if (dead) connection.dead = true;
      this.close(connection, 'abort');
    }
  }

  /** Stream ends that are not over yet, of all nodes or of one. */
  connectionCount(node?: string): number {
    const open = [...this.#connections].filter((each) => !each.closed);
    return open.filter((each) => node === undefined || each.owner === node).length;
  }

  listen(node: string, address: string, callbacks: ListenCallbacks): Listener {
    const taken = this.#listeners.has(address);
    const entry = { owner: node, callbacks };
    if (!taken) this.#listeners.set(address, entry);
    this.time.schedule(0, () => {
      if (taken) callbacks.onListenFailed('EADDRINUSE');
      else if (this.#listeners.get(address) === entry) callbacks.onListening(address);
    });
    return {
      close: () => {
        if (this.#listeners.get(address) === entry) this.#listeners.delete(address);
      },
    };
  }

  connect(node: string, address: string, onConnect: ConnectCallback): MemoryConnection {
    const connection = new MemoryConnection(node, address);
    connection.onConnect = onConnect;
    this.#connections.add(connection);
    const to = this.#listeners.get(address)?.owner ?? node;
    this.time.schedule(this.#latencyMs(node, to), () => {
      if (connection.closing || this.#isCut(node, to)) return;
      this.#accept(connection, address);
    });
    return connection;
  }

  #accept(connection: MemoryConnection, address: string): void {
    const listener = this.#listeners.get(address);
    if (listener === undefined) {
      this.#end(connection, 'ECONNREFUSED');
      return;
    }
    const accepted = new MemoryConnection(listener.owner, connection.owner);
    this.#connections.add(accepted);
    accepted.peer = connection;
    connection.peer = accepted;
    listener.callbacks.onConnection(accepted);
    this.time.schedule(this.#latencyMs(listener.owner, connection.owner), () => {
      const onConnect = connection.onConnect;
      if (connection.closing || onConnect === null) return;
      connection.onConnect = null;
      onConnect(null);
    });
  }

  write(
    connection: MemoryConnection,
    pieces: readonly Uint8Array[],
    onComplete: WriteCallback,
  ): void {
    assert(pieces.length > 0, 'a write has at least one piece');
    const parcel = { pieces, onComplete, arrived: false, handedOver: 0 };
    if (connection.closing || connection.peer === null) this.#complete(connection, parcel, false);
    else this.#dispatch(connection, parcel);
  }

  setReading(connection: MemoryConnection, reading: boolean): void {
    if (connection.reading === reading) return;
    connection.reading = reading;
    const from = connection.peer;
    if (!reading || from === null) return;
    this.time.schedule(0, () => {
      if (!connection.closed) this.#deliverArrived(from);
    });
  }

  close(connection: MemoryConnection, mode: CloseMode): void {
    if (connection.closing) return;
    connection.closing = true;
    const abort = mode === 'abort' || connection.peer === null;
    if (abort) this.#failOutbox(connection);
    if (connection.peer !== null) {
      const end = { pieces: [], onComplete: null, arrived: false, handedOver: 0 };
      this.#dispatch(connection, end);
    }
    const code = abort ? 'ECONNABORTED' : 'ETIMEDOUT';
    this.time.schedule(abort ? 0 : LINGER_MS, () => this.#end(connection, code));
  }

  #latencyMs(from: string, to: string): number {
    return this.#options.latencyMs?.(from, to) ?? 0;
  }

  #isCut(from: string, to: string): boolean {
    return this.#cuts.has(`${from}>${to}`);
  }

  /** Sends a parcel off; it arrives after the ones before it. */
  #dispatch(connection: MemoryConnection, parcel: Parcel): void {
    const latency = this.#latencyMs(connection.owner, connection.peer!.owner);
    const now = this.time.now();
    connection.outbox.push(parcel);
    connection.arrivesAtMs = Math.max(now + latency, connection.arrivesAtMs);
    this.time.schedule(connection.arrivesAtMs - now, () => {
      parcel.arrived = true;
      this.#deliverArrived(connection);
    });
  }

  #deliverArrived(from: MemoryConnection): void {
    const to = from.peer;
    if (to === null || this.#isCut(from.owner, to.owner)) return;
    while (from.outbox[0]?.arrived === true && (to.reading || to.closing)) {
      const parcel = from.outbox[0]!;
      if (parcel.onComplete === null) {
        from.outbox.shift();
        this.#end(to, 'ECONNRESET');
        this.#end(from, 'END');
      } else {
        if (!to.closing && !this.#handOver(to, parcel)) break;
        from.outbox.shift();
        this.#complete(from, parcel, true);
      }
    }
    if (from.closed && from.outbox.length === 0) this.#connections.delete(from);
  }

  /** False: the reader was told to wait before it had all. */
  #handOver(to: MemoryConnection, parcel: Parcel): boolean {
    const bytes = Buffer.concat(parcel.pieces);
    while (parcel.handedOver < bytes.length && !to.closing) {
      if (!to.reading) return false;
      const at = parcel.handedOver;
      const size = Math.max(1, this.#options.chunkBytesMax?.() ?? bytes.length);
      const handed = bytes.subarray(at, at + size);
      parcel.handedOver += handed.length;
      to.onData?.(handed);
      handed.fill(POISON);
    }
    return true;
  }

  #complete(connection: MemoryConnection, parcel: Parcel, success: boolean): void {
    this.time.schedule(0, () => {
      if (!connection.dead) parcel.onComplete?.(success);
    });
  }

  /** Bytes that have not been delivered never will be; an end that is on its way still arrives. */
  #failOutbox(connection: MemoryConnection): void {
    for (const parcel of connection.outbox) this.#complete(connection, parcel, false);
    connection.outbox = connection.outbox.filter((parcel) => parcel.onComplete === null);
  }

  /** The stream is over on this side: writes fail, then one last callback says why. */
  #end(connection: MemoryConnection, code: string): void {
    if (connection.closed) return;
    connection.closed = true;
    connection.closing = true;
    this.#failOutbox(connection);
    if (connection.outbox.length === 0) this.#connections.delete(connection);
    this.time.schedule(0, () => {
      if (connection.dead) return;
      if (connection.onConnect !== null) connection.onConnect(code);
      else connection.onClose?.(code);
    });
  }
}
