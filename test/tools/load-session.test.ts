/**
 * The load generator in sessions, against nodes of one scripted answer each: what got no answer is
 * sent again with its place, before anything new, and only other errors count.
 */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import test, { type TestContext } from 'node:test';
import { RequestRing } from '../../tools/load/request-ring.js';
import { SessionConnection } from '../../tools/load/session-connection.js';
import { Tally } from '../../tools/load/tally.js';

const PLACE = /\$7\r\nSESSION\r\n\$1\r\n7\r\n\$\d\r\n(\d+)\r\n\$3\r\nSET\r\n/g;
const OPEN = '*2\r\n$7\r\nSESSION\r\n$4\r\nOPEN\r\n';
const WINDOW = 2;
const WRITES = 6;

/** Answers each place by `answer`; null: the connection breaks. */
async function node(
  t: TestContext,
  answer: (place: number) => string | null,
): Promise<{ port: number; places: number[]; opened: () => number }> {
  const places: number[] = [];
  let opened = 0;
  const reply = (socket: Socket, text: string): void => {
    if (text.startsWith(OPEN)) {
      opened += 1;
      socket.write(':7\r\n');
    }
    for (const [, digits] of text.matchAll(PLACE)) {
      const place = Number(digits);
      places.push(place);
      const line = answer(place);
      if (line === null) {
        socket.destroy();
        return;
      }
      socket.write(`${line}\r\n`);
    }
  };
  const server: Server = createServer((socket) => {
    socket.on('data', (chunk: Buffer) => reply(socket, chunk.toString('latin1')));
    socket.on('error', () => undefined);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  return { port: address.port, places, opened: () => opened };
}

/** Writes `WRITES` values through one connection, made anew whenever it closes. */
async function written(port: number): Promise<Tally> {
  const tally = new Tally(performance.now());
  const order = { kind: 'sequence', first: 0, stride: 1 } as const;
  const ring = new RequestRing({ slots: 4, valueBytes: 3, keys: WRITES, readShare: 0, order });
  await new Promise<void>((resolve) => {
    const address = { host: '127.0.0.1', port };
    const closed = (): void => {
      if (connection.finished) resolve();
      else connection.connect(address);
    };
    const connection = new SessionConnection(WINDOW, ring, tally, { closed });
    connection.connect(address);
    const watch = setInterval(() => {
      if (!connection.finished) return;
      clearInterval(watch);
      connection.leave();
    }, 1);
  });
  return tally;
}

const ascending = (places: readonly number[]): number[] => [...places].sort((a, b) => a - b);

test('what is refused for now is sent again with its place, and is no error', async (t) => {
  let refusals = 2;
  const at = await node(t, (place) => {
    if (place !== 2 || refusals === 0) return '+OK';
    refusals -= 1;
    return refusals === 1 ? '-ERR busy: try again' : '-ERR outcome unknown';
  });
  const { writes, retries, errors } = await written(at.port);
  assert.deepEqual([writes, retries], [WRITES, 2]);
  assert.deepEqual(Object.values(errors).filter(Boolean), []);
  assert.deepEqual(ascending(at.places), [1, 2, 2, 2, 3, 4, 5, 6]);
  assert.ok(at.places.lastIndexOf(2) < at.places.indexOf(5), 'nothing far behind what is repeated');
});

test('a connection that breaks loses nothing, and the session goes on in the next one', async (t) => {
  let breaks = 1;
  const at = await node(t, (place) => {
    if (place !== 3 || breaks === 0) return '+OK';
    breaks -= 1;
    return null;
  });
  const { writes, retries, errors } = await written(at.port);
  assert.equal(writes, WRITES);
  assert.ok(retries >= 1);
  assert.deepEqual(Object.values(errors).filter(Boolean), []);
  assert.equal(at.opened(), 1);
  assert.deepEqual(ascending([...new Set(at.places)]), [1, 2, 3, 4, 5, 6]);
});

test('an answer that says nothing of trying again is an error', async (t) => {
  const at = await node(t, (place) => (place === 4 ? '-ERR session forgotten' : '+OK'));
  const { writes, errors, errorSamples } = await written(at.port);
  assert.deepEqual([writes, errors.other], [WRITES - 1, 1]);
  assert.deepEqual(errorSamples, ['ERR session forgotten']);
});
