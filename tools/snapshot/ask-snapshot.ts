/**
 * Asks one node over its client port for a snapshot, and waits until it is complete.
 *
 * A node that does not answer, or refuses, is an everyday thing: it becomes a sentence, and is
 * never thrown. Which nodes are asked is targets.ts's business.
 */

import { connect } from 'node:net';
import { type Address, printAddress } from '../cli/value-rules.js';
import { ReplyStream } from '../crash/reply-stream.js';

export interface NodeSnapshot {
  readonly lastIndex: number;
  readonly lastTerm: number;
  /** Of the file. */
  readonly bytes: number;
}

/** What a node said of itself and of its snapshot. */
export interface Asked {
  /** 0 when it did not say. */
  readonly nodeId: number;
  /** A text: why there is none. */
  readonly snapshot: NodeSnapshot | string;
  readonly ms: number;
}

const REQUEST = '*1\r\n$6\r\nSTATUS\r\n*1\r\n$8\r\nSNAPSHOT\r\n';

/** The number of `name:…` in lines of fields; undefined when it is not there. */
function fieldOf(text: string, name: string): number | undefined {
  const match = new RegExp(`^${name}:(\\d+)\\r?$`, 'm').exec(text);
  return match === null ? undefined : Number(match[1]);
}

/** The three fields of the reply; a text for what is no such reply. */
export function parseSnapshot(text: string): NodeSnapshot | string {
  const bytes = fieldOf(text, 'size');
  const lastIndex = fieldOf(text, 'last_index');
  const lastTerm = fieldOf(text, 'last_term');
  if (bytes === undefined || lastIndex === undefined || lastTerm === undefined) {
    return `it answered "${text.slice(0, 80)}": is this a port of ringraft server?`;
  }
  return { bytes, lastIndex, lastTerm };
}

export function askSnapshot(
  address: Address,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Asked> {
  return new Promise((resolve) => {
    const begun = performance.now();
    const replies = new ReplyStream();
    const socket = connect({ host: address.host, port: address.port, noDelay: true });
    let nodeId: number | null = null;
    const finish = (snapshot: NodeSnapshot | string): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      socket.destroy();
      resolve({ nodeId: nodeId ?? 0, snapshot, ms: performance.now() - begun });
    };
    const where = printAddress(address);
    const late = `no answer within ${timeoutMs / 1000} s; a snapshot that was begun goes on`;
    const timer = setTimeout(finish, timeoutMs, late);
    const onAbort = (): void => finish('not waited for any longer; a snapshot begun goes on');
    signal.addEventListener('abort', onAbort, { once: true });
    socket.on('connect', () => socket.write(REQUEST));
    socket.on('error', (cause: NodeJS.ErrnoException) =>
      finish(`${where} cannot be reached (${cause.code ?? cause.message})`),
    );
    socket.on('close', () => finish(`${where} closed the connection`));
    socket.on('data', (chunk) => {
      try {
        replies.push(chunk);
        for (let reply = replies.next(); reply !== undefined; reply = replies.next()) {
          const text = reply.kind === 'bulk' ? reply.bytes.toString() : JSON.stringify(reply);
          if (nodeId === null) nodeId = fieldOf(text, 'node_id') ?? 0;
          else finish(reply.kind === 'error' ? reply.text : parseSnapshot(text));
        }
      } catch (cause) {
        finish(cause instanceof Error ? cause.message : String(cause));
      }
    });
    if (signal.aborted) onAbort();
  });
}
