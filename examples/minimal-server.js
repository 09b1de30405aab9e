/**
 * The smallest server: a cluster of one node in memory that prints what it applies.
 * It proposes one command to itself and runs until Ctrl-C.
 * production-server.js is the one to start from.
 */

import { Engine } from 'ringraft';

const engine = await Engine.open({
  nodeId: 1,
  cluster: { 1: '127.0.0.1:7001' },
  groups: [
    {
      name: 'commands',
      machine: {
        apply: ({ data }) => console.log(`Applying: ${Buffer.from(data)}`),
        query: () => Buffer.alloc(0),
      },
    },
  ],
});
console.log('Node 1 listening on port 7001');
await engine.group('commands').propose(Buffer.from('SET greeting hello'));
