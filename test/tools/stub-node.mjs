/**
 * Stands for `ringraft server` in tests of what starts, signals and asks nodes: takes its flags,
 * listens on both ports and answers PING and INFO. Node 1 leads, always.
 *
 * It must never be clever. `STUB_DIES=2` makes node 2 complain and exit, `STUB_DEAF=1` makes node 1
 * ignore SIGTERM. Plain JavaScript, so that starting it takes no time.
 */

import { createServer } from 'node:net';
import { parseArgs } from 'node:util';

const text = { type: 'string' };
const { values } = parseArgs({
  args: process.argv.slice(3),
  strict: false,
  options: { listen: text, node: text, cluster: text, data: text, client: text },
});
const id = values.node;
process.stdout.write(`stub node ${id}: ${process.argv.slice(2).join(' ')}\n`);

if (process.env.STUB_DIES === id) {
  process.stderr.write('stub: the disk is on fire\n');
  process.exit(3);
}

const role = id === '1' ? 'leader' : 'follower';
const info = [
  ...[`node_id:${id}`, `role:${role}`, 'term:7', 'leader_id:1'],
  ...['commit_index:41', 'last_applied:40', ''],
].join('\r\n');

const peers = createServer();
const clients = createServer((socket) => {
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk) => {
    const asked = chunk.toString('latin1');
    socket.write(asked.includes('INFO') ? `$${info.length}\r\n${info}\r\n` : '+PONG\r\n');
  });
});

process.on('SIGTERM', () => {
  process.stdout.write(`stub node ${id} was asked to end\n`);
  if (process.env.STUB_DEAF !== id) process.exit(0);
});

peers.listen(Number(values.listen.split(':').at(-1)), '127.0.0.1');
clients.listen(Number(values.client), '127.0.0.1');
