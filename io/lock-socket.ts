/**
 * The Unix socket that proves a lock: it accepts as long as its process exists, even stopped or
 * busy, because the kernel accepts for it; and it refuses from the moment the process is gone.
 *
 * It must never keep a process alive or a caller waiting. Nothing is said over the connection.
 */

import { createHash } from 'node:crypto';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** `sun_path` holds 108 bytes on Linux and 104 on macOS, the final zero included. */
export const SOCKET_PATH_BYTES_MAX = 103;

/** `missing`: there is no such file. `refuses`: there is one, and nobody listens. */
export type SocketAnswer = 'accepts' | 'refuses' | 'missing';

/**
 * Where the socket of a starter lies: a name inside the data directory or, when that path is too
 * long for a socket, an absolute path in the system's directory for temporary files.
 */
export function lockSocketFor(dataPath: string, nonce: string): string {
  const name = `LOCK.${nonce}.sock`;
  if (fits(join(dataPath, name))) return name;
  const hash = createHash('sha256').update(dataPath).digest('hex').slice(0, 16);
  return join(tmpdir(), `ringraft-${hash}.${nonce}.sock`);
}

/** True for names that `lockSocketFor` gives: nothing else named in a lock file is ever removed. */
export function isLockSocketName(name: string): boolean {
  return /^(LOCK|ringraft-[0-9a-f]{16})\.[0-9a-f]{16}\.sock$/.test(name);
}

/** Listens without keeping the process alive. */
export function listenOn(path: string): Promise<Server> {
  // To have been accepted is the answer: there is nothing to read or to write.
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.destroy();
  });
  return new Promise((settle, fail) => {
    if (!fits(path)) throw Object.assign(new Error(path), { code: 'ENAMETOOLONG' });
    server.once('error', fail);
    // Exclusive: under node:cluster the primary would listen, and outlive this process.
    server.listen({ path, exclusive: true }, () => {
      server.off('error', fail);
      // A connection that could not be accepted is the asker's to repeat.
      server.on('error', () => undefined);
      server.unref();
      settle(server);
    });
  });
}

/** Asks once. Whatever does not prove that nobody listens counts as `accepts`. */
export function ask(path: string): Promise<SocketAnswer> {
  return new Promise((settle) => {
    if (!fits(path)) {
      settle('accepts');
      return;
    }
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      settle('accepts');
    });
    socket.once('error', (error: NodeJS.ErrnoException) => settle(answerOf(error.code)));
  });
}

/** Stops listening, which also removes the socket's file. */
export function stopListening(server: Server): Promise<void> {
  return new Promise((settle) => {
    server.close(() => settle());
  });
}

function answerOf(code: string | undefined): SocketAnswer {
  if (code === 'ECONNREFUSED' || code === 'ENOTSOCK') return 'refuses';
  return code === 'ENOENT' || code === 'ENOTDIR' ? 'missing' : 'accepts';
}

function fits(path: string): boolean {
  return Buffer.byteLength(path) <= SOCKET_PATH_BYTES_MAX;
}
