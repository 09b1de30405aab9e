/**
 * One node of a cluster as a service: `node production-server.js <node_id> <port> <data_dir>`.
 * CLUSTER names the members' peer addresses, ids are positions; a line `SET key value` or
 * `DEL key` on the standard input of any node is replicated, and every node prints what it applies.
 * It ends by SIGINT or SIGTERM, what is under way first, and starts again by the same command.
 */

import { createInterface } from 'node:readline';
import { Engine, Reject } from 'ringraft';

const ADDRESSES = process.env.CLUSTER ?? '127.0.0.1:7001,127.0.0.1:7002,127.0.0.1:7003';

/** The state machine: callbacks on this thread. The same entries give the same state everywhere. */
const store = new Map();
const machine = {
  apply({ index, data }) {
    const text = Buffer.from(data).toString();
    const [, verb, key, value] = /^(SET|DEL) (\S+)(?: (.*))?$/.exec(text) ?? [];
    if (key === undefined || (verb === 'SET') !== (value !== undefined)) {
      throw new Reject(`"${text}" is neither SET key value nor DEL key`);
    }
    if (verb === 'SET') store.set(key, value);
    else store.delete(key);
    console.log(`APPLY [${index}]: ${text}`);
    return Buffer.from('OK');
  },
  query: (key) => Buffer.from(store.get(Buffer.from(key).toString()) ?? ''),
};

/** Asked to end: the node is closed in order, also when it is still starting. */
const stopping = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    console.log(`Received ${signal}, shutting down...`);
    stopping.abort();
  });
}

function openNode(nodeId, port, dataDir) {
  const addresses = ADDRESSES.split(',');
  const host = addresses[nodeId - 1]?.replace(/:\d+$/, '') ?? '127.0.0.1';
  const options = {
    nodeId,
    clusterId: 0xcafe,
    cluster: Object.fromEntries(addresses.map((address, at) => [at + 1, address])),
    listen: `${host}:${port}`,
    dataDir, // recovered when it holds this node's data, begun when it is empty
    groups: [{ name: 'store', machine }],
  };
  return Engine.open(options, { signal: stopping.signal });
}

/** Resolves to an exit code when the node is asked to end, or cannot go on. */
function ended(engine) {
  return new Promise((resolve) => {
    stopping.signal.addEventListener('abort', () => resolve(0));
    if (stopping.signal.aborted) resolve(0);
    engine.on('error', (error) => {
      console.error(`The node cannot go on: ${error.message}`);
      resolve(1);
    });
  });
}

async function main([id, port, dataDir, ...rest]) {
  if (!(/^\d+$/.test(id) && /^\d+$/.test(port)) || dataDir === undefined || rest.length > 0) {
    console.error('Usage: production-server.js <node_id> <port> <data_dir>');
    return 1;
  }
  const engine = await openNode(Number(id), Number(port), dataDir);
  const group = engine.group('store');
  group.on('role', ({ role, term }) => console.log(`State: ${role} in term ${term}`));
  const lines = createInterface({ input: process.stdin });
  lines.on('line', (line) => {
    group.propose(Buffer.from(line)).then(
      (reply) => console.log(String(reply)),
      (error) => console.error(`${error.code}: ${error.message}`),
    );
  });
  console.log(`Node ${id} ready on port ${port}`);
  const code = await ended(engine);
  lines.close();
  await engine.close();
  console.log('Shutdown complete');
  return code;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(`The node cannot start: ${error.message}`);
  process.exitCode = stopping.signal.aborted ? 0 : 1;
}
