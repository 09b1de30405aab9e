/**
 * The adapter of one node of a `MemoryNetwork`: deterministic, on virtual time, for tests and the
 * simulator. `kill` is what kill -9 does: not one callback of this adapter runs afterwards.
 */

import { assert, type Millis } from '../../engine/raft/types.js';
import type {
  CloseCallback,
  CloseMode,
  ConnectCallback,
  Connection,
  ListenCallbacks,
  Listener,
  PausingAdapter,
  ReadCallback,
  Timer,
  WriteCallback,
} from './adapter.js';
import type { VirtualTime } from './manual-clock.js';
import { MemoryConnection, type MemoryNetwork } from './memory-network.js';

class MemoryTimer implements Timer {
  readonly timer = true;
  readonly #time: VirtualTime;
  readonly #onTimer: () => void;
  #cancel: (() => void) | null = null;

  constructor(time: VirtualTime, onTimer: () => void) {
    this.#time = time;
    this.#onTimer = onTimer;
  }

  start(timeoutMs: number, repeat: boolean): void {
    this.stop();
    this.#cancel = this.#time.schedule(timeoutMs, () => {
      this.#cancel = null;
      if (repeat) this.start(timeoutMs, repeat);
      this.#onTimer();
    });
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = null;
  }
}

export class MemoryAdapter implements PausingAdapter {
  readonly node: string;
  readonly #network: MemoryNetwork;
  readonly #timers = new Set<MemoryTimer>();
  #over = false;

  constructor(network: MemoryNetwork, node: string) {
    this.#network = network;
    this.node = node;
  }

  listen(address: string, callbacks: ListenCallbacks): Listener {
    return this.#network.listen(this.node, address, callbacks);
  }

  connect(address: string, onConnect: ConnectCallback): Connection {
    return this.#network.connect(this.node, address, onConnect);
  }

  write(connection: Connection, pieces: readonly Uint8Array[], onComplete: WriteCallback): void {
    this.#network.write(own(connection), pieces, onComplete);
  }

  setReadCallback(connection: Connection, onData: ReadCallback): void {
    own(connection).onData = onData;
  }

  setCloseCallback(connection: Connection, onClose: CloseCallback): void {
    own(connection).onClose = onClose;
  }

  close(connection: Connection, mode: CloseMode): void {
    this.#network.close(own(connection), mode);
  }

  setReading(connection: Connection, reading: boolean): void {
    this.#network.setReading(own(connection), reading);
  }

  timerCreate(onTimer: () => void): Timer {
    const timer = new MemoryTimer(this.#network.time, onTimer);
    this.#timers.add(timer);
    return timer;
  }

  timerStart(timer: Timer, timeoutMs: number, repeat: boolean): void {
    if (!this.#over) ownTimer(timer).start(timeoutMs, repeat);
  }

  timerStop(timer: Timer): void {
    ownTimer(timer).stop();
  }

  timerDestroy(timer: Timer): void {
    this.#timers.delete(ownTimer(timer));
    ownTimer(timer).stop();
  }

  now(): Millis {
    return this.#network.time.now();
  }

  destroy(): void {
    this.#leave(false);
  }

  /** The process dies: as `destroy`, but nobody here is told anything any more. */
  kill(): void {
    this.#leave(true);
  }

  #leave(dead: boolean): void {
    this.#over = true;
    for (const timer of this.#timers) timer.stop();
    this.#network.leave(this.node, dead);
  }
}

function own(connection: Connection): MemoryConnection {
  assert(connection instanceof MemoryConnection, 'the connection belongs to this adapter');
  return connection;
}

function ownTimer(timer: Timer): MemoryTimer {
  assert(timer instanceof MemoryTimer, 'the timer belongs to this adapter');
  return timer;
}
