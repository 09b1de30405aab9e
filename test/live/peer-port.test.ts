/**
 * Foreign bytes on the port for peers: a cluster under such fire elects, commits and serves as
 * before.
 */

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import test, { after } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { leaderOf, startCluster } from './processes.js';
import { array, exchange } from './raw-client.js';

const nodes = await startCluster({ after }, 3);

const SHOTS: readonly (readonly [string, Buffer])[] = [
  ['HTTP', Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')],
  ['TLS', Buffer.concat([Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]), randomBytes(500)])],
  ['RESP', array('SET', 'a', '1')],
  ['text', Buffer.from('PING\r\n')],
  ['noise', randomBytes(4000)],
  ['nothing', Buffer.alloc(0)],
  ['zeros', Buffer.alloc(10_000)],
];

test('HTTP, TLS, RESP and noise on the peer port change nothing', async () => {
  const leader = await leaderOf(nodes);
  const term = (await leader.status()).get('term');
  for (const node of nodes) {
    for (const [, bytes] of SHOTS) {
      const socket = connect(node.peerPort, '127.0.0.1');
      socket.on('error', () => undefined);
      socket.end(bytes);
    }
  }
  await sleep(500);
  for (const node of nodes) {
    assert.deepEqual(await exchange(node.clientPort, array('SET', 'a', '1'), 1), ['+OK\r\n']);
    for (const [protocol] of SHOTS.slice(0, 3)) {
      const words = `${protocol} bytes: this is the port for peers; clients use --client`;
      assert.match(node.run.output, new RegExp(`\\[PEER\\] \\S+: badFrame: ${words}`));
    }
    assert.match(
      node.run.output,
      /\[PEER\] \S+: disconnected: END, text bytes: .*clients use --client/,
    );
  }
  assert.equal((await leader.status()).get('term'), term);
});
