/**
 * Whether a port is free, and if not, whose it is: a node that could not listen would only say so
 * in its log.
 *
 * The answer is a courtesy and must never be relied on: another process may take the port a moment
 * later, and then the node's own error stands.
 */

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { CommandError, ExitCode } from '../cli/exit-codes.js';

const LISTENING = '0A';

/** Resolves to the error code that listening would give; undefined when the port is free. */
export function whyNotFree(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}

/** Inodes of the sockets that listen on `port`, by the text of /proc/net/tcp or tcp6. */
export function listenersOn(table: string, port: number): string[] {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0');
  return table.split('\n').flatMap((line) => {
    const fields = line.trim().split(/\s+/);
    const inode = fields[9];
    const listens = fields[3] === LISTENING && fields[1]?.endsWith(`:${wanted}`) === true;
    return listens && inode !== undefined ? [inode] : [];
  });
}

/** The process that listens on `port`, where the system tells us; undefined elsewhere. */
export function portOwner(port: number): number | undefined {
  const inodes = ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((path) =>
    listenersOn(
      orElse('', () => readFileSync(path, 'utf8')),
      port,
    ),
  );
  if (inodes.length === 0) return undefined;
  const links = new Set(inodes.map((inode) => `socket:[${inode}]`));
  const pids = orElse([], () => readdirSync('/proc')).filter((name) => /^\d+$/.test(name));
  const owner = pids.find((pid) =>
    orElse([], () => readdirSync(`/proc/${pid}/fd`)).some((fd) =>
      links.has(orElse('', () => readlinkSync(`/proc/${pid}/fd/${fd}`))),
    ),
  );
  return owner === undefined ? undefined : Number(owner);
}

/** Other users' processes and those that end meanwhile cannot be read, which is no failure here. */
function orElse<T>(fallback: T, read: () => T): T {
  try {
    return read();
  } catch {
    return fallback;
  }
}

export interface WantedPort {
  readonly port: number;
  /** `the client port of node 2`. */
  readonly purpose: string;
}

/** Throws a CommandError that names every port which is taken, and by whom. */
export async function requireFree(host: string, wanted: readonly WantedPort[]): Promise<void> {
  const problems: string[] = [];
  for (const { port, purpose } of wanted) {
    const code = await whyNotFree(host, port);
    if (code === undefined) continue;
    const owner = code === 'EADDRINUSE' ? portOwner(port) : undefined;
    const by = owner === undefined ? '' : ` by process ${owner}`;
    const what = code === 'EADDRINUSE' ? `is in use${by}` : `cannot be used (${code})`;
    problems.push(`port ${port}, ${purpose}, ${what}`);
  }
  if (problems.length === 0) return;
  const remedy = 'End that process, or choose other ports with --base-port.';
  throw new CommandError(ExitCode.failed, `${problems.join('\n')}\n${remedy}`);
}
