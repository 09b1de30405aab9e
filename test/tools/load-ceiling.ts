/**
 * How fast the load generator itself can go: it drives a server that answers `+OK` to every request
 * without looking at it. Not a test; run it by hand, after a build:
 *
 *   npm run build && node --import tsx test/tools/load-ceiling.ts [in-flight] [value-size] [conns]
 */

import { fork } from 'node:child_process';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';

const KEYS = 100_000;
const REPLIES_MAX = 1 << 16;
const SELF = fileURLToPath(import.meta.url);

/** Answers by arithmetic: so many bytes are so many requests of equal size. */
function serve(requestBytes: number): void {
  const replies = Buffer.from('+OK\r\n'.repeat(REPLIES_MAX), 'latin1');
  const server = createServer({ noDelay: true }, (socket) => {
    let pending = 0;
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk) => {
      if (chunk.length === 14) {
        socket.write('-ERR no INFO here\r\n');
        return;
      }
      pending += chunk.length;
      const count = Math.floor(pending / requestBytes);
      pending -= count * requestBytes;
      if (count > 0) socket.write(replies.subarray(0, count * 5));
    });
  });
  server.listen(0, '127.0.0.1', () => process.send?.((server.address() as { port: number }).port));
  process.once('message', () => process.exit(0));
}

async function drive(inFlight: number, valueSize: number, connections: number): Promise<void> {
  const head = `*3\r\n$3\r\nSET\r\n$12\r\nkey:00000000\r\n$${valueSize}\r\n\r\n`;
  const child = fork(SELF, ['serve', String(head.length + valueSize)]);
  const port = await new Promise<number>((resolve) => child.once('message', resolve));
  const { runLoad } = await import('../../tools/load/run-load.js');
  const { describeReport } = await import('../../tools/load/load-report.js');
  const targets = [{ host: '127.0.0.1', port }];
  const report = await runLoad({
    ...{ targets, inFlight, valueSize, connections, keys: KEYS },
    ...{ durationMs: 4000, warmupMs: 1000 },
  });
  process.stdout.write(describeReport(report));
  child.send('end');
}

const [first = '8192', second = '16', third = '4'] = process.argv.slice(2);
if (first === 'serve') serve(Number(second));
else await drive(Number(first), Number(second), Number(third));
