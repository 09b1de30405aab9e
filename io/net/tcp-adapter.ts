/**
 * The adapter over node:net: TCP with `TCP_NODELAY`, one `writev` per batch, and one reused read
 * buffer per dialled connection (Node offers none for accepted ones).
 *
 * Addresses are `host:port`, IPv6 as `[host]:port`. This file knows no frames and no Raft; it must
 * never throw for what the other side did, nor complete a write whose memory a socket still holds.
 */

import net from 'node:net';
import { performance } from 'node:perf_hooks';
import { assert, type Millis, millis } from '../../engine/raft/types.js';
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

export interface TcpOptions {
  /** Accepted connections at a time; one more is closed at once. */
  readonly maxConnections: number;
  readonly readBufferBytes: number;
  readonly keepAliveDelayMs: number;
  /** How long a closing connection may take to send what was written. */
  readonly lingerMs: number;
}

export const TCP_DEFAULTS: TcpOptions = {
  maxConnections: 1000,
  readBufferBytes: 256 * 1024,
  keepAliveDelayMs: 60_000,
  lingerMs: 1000,
};

/** Splits `host:port`; null when it is not an address. */
export function parseAddress(address: string): { host: string; port: number } | null {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(address);
  if (match === null) return null;
  const port = Number(match[3]);
  return port > 65_535 ? null : { host: match[1] ?? match[2] ?? '', port };
}

function formatAddress(host: string | undefined, port: number | undefined): string {
  if (host === undefined || port === undefined) return 'unknown';
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function codeOf(error: Error): string {
  return (error as NodeJS.ErrnoException).code ?? error.name;
}

class TcpConnection implements Connection {
  readonly remote: string;
  readonly socket: net.Socket;
  readonly #lingerMs: number;
  readonly #pending: WriteCallback[] = [];
  #onConnect: ConnectCallback | null = null;
  #onData: ReadCallback | null = null;
  #onClose: CloseCallback | null = null;
  #code = 'END';
  #closing = false;

  constructor(socket: net.Socket, remote: string, lingerMs: number) {
    this.socket = socket;
    this.remote = remote;
    this.#lingerMs = lingerMs;
    socket.on('error', (error) => {
      this.#code = codeOf(error);
    });
    socket.on('close', () => this.#closed());
  }

  setCallbacks(onData: ReadCallback | null, onClose: CloseCallback | null): void {
    if (onData !== null) this.#onData = onData;
    if (onClose !== null) this.#onClose = onClose;
  }

  /** The connection is being dialled: a failure is told to `onConnect` alone. */
  expectConnect(onConnect: ConnectCallback): void {
    this.#onConnect = onConnect;
    this.socket.once('connect', () => this.#answerConnect(null));
  }

  #answerConnect(failure: string | null): void {
    const onConnect = this.#onConnect;
    this.#onConnect = null;
    onConnect?.(failure);
  }

  received(bytes: Uint8Array): void {
    if (!this.#closing) this.#onData?.(bytes);
  }

  write(pieces: readonly Uint8Array[], onComplete: WriteCallback): void {
    assert(pieces.length > 0, 'a write has at least one piece');
    if (this.socket.closed) {
      process.nextTick(onComplete, false);
      return;
    }
    this.#pending.push(onComplete);
    const last = pieces.length - 1;
    if (last > 0) this.socket.cork();
    for (let i = 0; i < last; i += 1) this.socket.write(pieces[i]!);
    this.socket.write(pieces[last]!, (error) => this.#written(error));
    if (last > 0) this.socket.uncork();
  }

  /**
   * A write's memory is free only when it was taken or the socket is closed; until then `#closed`
   * completes it. Node reports a write that was cut short by `destroy` without an error.
   */
  #written(error: Error | null | undefined): void {
    if (error) this.socket.destroy();
    if (!this.socket.destroyed) this.#pending.shift()?.(true);
  }

  setReading(reading: boolean): void {
    if (this.#closing || this.socket.destroyed) return;
    if (reading) this.socket.resume();
    else this.socket.pause();
  }

  close(mode: CloseMode): void {
    this.#closing = true;
    if (mode === 'abort' || this.socket.connecting) {
      this.socket.destroy();
      return;
    }
    this.socket.end();
    this.socket.resume();
    const linger = setTimeout(() => this.socket.destroy(), this.#lingerMs);
    this.socket.once('close', () => clearTimeout(linger));
  }

  #closed(): void {
    for (const onComplete of this.#pending.splice(0)) onComplete(false);
    if (this.#onConnect === null) this.#onClose?.(this.#code);
    else this.#answerConnect(this.#code);
  }
}

class TcpTimer implements Timer {
  readonly timer = true;
  readonly #onTimer: () => void;
  #handle: NodeJS.Timeout | null = null;

  constructor(onTimer: () => void) {
    this.#onTimer = onTimer;
  }

  start(timeoutMs: number, repeat: boolean): void {
    this.stop();
    const start = repeat ? setInterval : setTimeout;
    this.#handle = start(this.#onTimer, timeoutMs);
  }

  stop(): void {
    if (this.#handle !== null) clearTimeout(this.#handle);
    this.#handle = null;
  }
}

export class TcpAdapter implements PausingAdapter {
  readonly #options: TcpOptions;
  readonly #servers = new Set<net.Server>();
  readonly #connections = new Set<TcpConnection>();
  readonly #timers = new Set<TcpTimer>();
  #over = false;

  constructor(options: Partial<TcpOptions> = {}) {
    this.#options = { ...TCP_DEFAULTS, ...options };
  }

  listen(address: string, callbacks: ListenCallbacks): Listener {
    const server = net.createServer((socket) => {
      const remote = formatAddress(socket.remoteAddress, socket.remotePort);
      const connection = this.#adopt(socket, remote);
      socket.on('data', (bytes: Buffer) => connection.received(bytes));
      callbacks.onConnection(connection);
    });
    server.maxConnections = this.#options.maxConnections;
    server.on('error', (error) => callbacks.onListenFailed(codeOf(error)));
    server.on('listening', () => {
      const bound = server.address() as net.AddressInfo;
      callbacks.onListening(formatAddress(bound.address, bound.port));
    });
    this.#servers.add(server);
    const parsed = parseAddress(address);
    if (parsed === null) process.nextTick(() => callbacks.onListenFailed('EINVAL'));
    else if (parsed.host === '') server.listen(parsed.port);
    else server.listen(parsed.port, parsed.host);
    return { close: () => this.#closeServer(server) };
  }

  #closeServer(server: net.Server): void {
    this.#servers.delete(server);
    server.close(() => {});
  }

  connect(address: string, onConnect: ConnectCallback): Connection {
    const parsed = parseAddress(address);
    const buffer = new Uint8Array(this.#options.readBufferBytes);
    let connection: TcpConnection | null = null;
    const received = (bytes: number): boolean => {
      connection?.received(buffer.subarray(0, bytes));
      return true;
    };
    const socket = this.#open(parsed, { buffer, callback: received });
    connection = this.#adopt(socket, address);
    connection.expectConnect(onConnect);
    if (parsed === null) socket.destroy(Object.assign(new Error(address), { code: 'EINVAL' }));
    return connection;
  }

  #open(address: { host: string; port: number } | null, onread: net.OnReadOpts): net.Socket {
    if (address === null) return new net.Socket();
    return net.connect({ port: address.port, host: address.host || 'localhost', onread });
  }

  #adopt(socket: net.Socket, remote: string): TcpConnection {
    socket.setNoDelay(true);
    socket.setKeepAlive(true, this.#options.keepAliveDelayMs);
    const connection = new TcpConnection(socket, remote, this.#options.lingerMs);
    this.#connections.add(connection);
    socket.once('close', () => this.#connections.delete(connection));
    return connection;
  }

  write(connection: Connection, pieces: readonly Uint8Array[], onComplete: WriteCallback): void {
    own(connection).write(pieces, onComplete);
  }

  setReadCallback(connection: Connection, onData: ReadCallback): void {
    own(connection).setCallbacks(onData, null);
  }

  setCloseCallback(connection: Connection, onClose: CloseCallback): void {
    own(connection).setCallbacks(null, onClose);
  }

  close(connection: Connection, mode: CloseMode): void {
    own(connection).close(mode);
  }

  setReading(connection: Connection, reading: boolean): void {
    own(connection).setReading(reading);
  }

  timerCreate(onTimer: () => void): Timer {
    const timer = new TcpTimer(onTimer);
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
    return millis(performance.now());
  }

  destroy(): void {
    this.#over = true;
    for (const server of [...this.#servers]) this.#closeServer(server);
    for (const connection of this.#connections) connection.close('abort');
    for (const timer of [...this.#timers]) this.timerDestroy(timer);
  }
}

function own(connection: Connection): TcpConnection {
  assert(connection instanceof TcpConnection, 'the connection belongs to this adapter');
  return connection;
}

function ownTimer(timer: Timer): TcpTimer {
  assert(timer instanceof TcpTimer, 'the timer belongs to this adapter');
  return timer;
}
