/**
 * A replicated counter in twenty lines: opens a node, counts, reads linearizably, closes.
 * README shows this file; a test runs it. With three members, run it on three machines.
 * The state machine is counter-machine.js.
 */

import { Engine } from 'ringraft';

const engine = await Engine.open({
  nodeId: 1,
  cluster: { 1: '127.0.0.1:7001' }, // or { 1: …, 2: …, 3: … }, the same on every node
  dataDir: './data/1',
  groups: [{ name: 'counters', machine: new URL('./counter-machine.js', import.meta.url) }],
});
const counters = engine.group('counters');
await counters.waitForLeader();
await counters.propose(Buffer.from('visits')); // durable on a majority; on any node
const visits = await counters.read(Buffer.from('visits')); // linearizable; on any node
console.log(`visits: ${Buffer.from(visits)}`);
const recent = { consistency: 'bounded', maxStalenessMs: 500 }; // or 'lease', 'local'
const { value, index, servedBy } = await counters.readResult(Buffer.from('visits'), recent);
console.log(`visits: ${value}, as of entry ${index}, by node ${servedBy}`);
await engine.close();
