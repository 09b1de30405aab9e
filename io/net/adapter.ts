/**
 * What ringraft asks of a network: byte streams between named places, timers and a clock. The names
 * follow the seeds' adapter. TCP and in-memory implement it; TLS, Unix sockets and a mock are to
 * come. The simulator is an adapter like any other.
 *
 * No callback is ever called from inside the call that registered or caused it. An adapter must
 * never throw for what the other side did, and never keep bytes beyond a write's completion.
 */

import type { Millis } from '../../engine/raft/types.js';

/** One byte stream. Opaque: an adapter takes only those it made. */
export interface Connection {
  /** The other side's address, for people. */
  readonly remote: string;
}

/** `success` is false when the stream ended before the transport had taken all bytes. */
export type WriteCallback = (success: boolean) => void;
/** The bytes are valid during the callback only. */
export type ReadCallback = (bytes: Uint8Array) => void;
/** The stream is over and none of its callbacks follows; `code` is a stable system code. */
export type CloseCallback = (code: string) => void;
/** Null when connected, else why not (`ECONNREFUSED`, …); then no other callback follows. */
export type ConnectCallback = (failure: string | null) => void;

export interface ListenCallbacks {
  /** Accepted: read and close callbacks are to be set at once. */
  onConnection(connection: Connection): void;
  /** Bound: the address with the port that was really taken. */
  onListening(address: string): void;
  onListenFailed(code: string): void;
}

export interface Listener {
  close(): void;
}

/** Opaque handle of a timer. */
export interface Timer {
  readonly timer: true;
}

/** `flush`: what was written still leaves, within a bound; `abort`: at once. */
export type CloseMode = 'flush' | 'abort';

export interface Adapter {
  listen(address: string, callbacks: ListenCallbacks): Listener;
  connect(address: string, onConnect: ConnectCallback): Connection;
  /**
   * Sends the pieces in order, as one batch. They must stay unchanged until `onComplete`, which is
   * called exactly once: after the transport took the bytes, or after the stream's memory is free.
   */
  write(connection: Connection, pieces: readonly Uint8Array[], onComplete: WriteCallback): void;
  setReadCallback(connection: Connection, onData: ReadCallback): void;
  setCloseCallback(connection: Connection, onClose: CloseCallback): void;
  /** Nothing is read any more; writes complete, then the close callback follows. Idempotent. */
  close(connection: Connection, mode: CloseMode): void;
  timerCreate(onTimer: () => void): Timer;
  timerStart(timer: Timer, timeoutMs: number, repeat: boolean): void;
  timerStop(timer: Timer): void;
  timerDestroy(timer: Timer): void;
  /** Milliseconds of a monotonic clock. */
  now(): Millis;
  /** Closes every listener, stream and timer, for good: no timer starts afterwards. */
  destroy(): void;
}

/** An adapter whose streams can be told to wait: bulk connections need that, and nothing else. */
export interface PausingAdapter extends Adapter {
  /**
   * While `reading` is false the bytes stay with the transport, which makes the other side wait:
   * neither the read callback nor one that tells of the stream's end need come. Streams begin
   * with true.
   */
  setReading(connection: Connection, reading: boolean): void;
}
