/**
 * Entry of a consensus worker: loads the state machines of its groups, says READY, then runs its
 * groups in turn. Wiring only: the duty cycle of a group is consensus-loop.ts.
 */

import { parentPort, workerData } from 'node:worker_threads';
import { ErrorNumber } from '../engine/errors.js';
import { InWorkerHost } from '../engine/runtime/machine-host.js';
import type { StateMachine, StateMachineFactory } from '../engine/state-machine.js';
import { GroupAgent } from './consensus-loop.js';
import { FatalWord } from './fatal.js';
import { runParked } from './park-loop.js';
import { Doorbell } from './ring/doorbell.js';
import { StatusPage } from './status-page.js';
import type { ConsensusThreadData, GroupThreadData, ThreadReady } from './thread-data.js';
import { Death, die } from './thread-death.js';
import { Bell, type GroupMemory, StopStage } from './topology.js';

const data = workerData as ConsensusThreadData;
const { memory } = data;

async function loadMachine(group: GroupThreadData): Promise<StateMachine> {
  const module = (await import(group.machineUrl as string)) as { default?: StateMachineFactory };
  if (typeof module.default !== 'function') {
    throw new TypeError(`${group.machineUrl} has no default export that makes a state machine`);
  }
  return module.default({
    groupName: group.name,
    groupId: group.group,
    nodeId: data.nodeId,
    options: group.machineOptions,
  });
}

async function makeAgent(group: GroupThreadData): Promise<GroupAgent> {
  const bell = (number: number): Doorbell => new Doorbell(memory.doorbells, number);
  const groupMemory = memory.groups[group.group] as GroupMemory;
  const bells = {
    main: bell(Bell.main),
    io: bell(Bell.io),
    bulk: bell(data.memoryMode ? Bell.io : Bell.bulk),
    transport: bell(Bell.transport),
  };
  const host = new InWorkerHost(await loadMachine(group));
  const { raft, recovered, locations, entryBytesMax } = group;
  const arenaMemory = groupMemory.arena;
  const options = { raft, recovered, locations, arenaMemory, entryBytesMax, host };
  return new GroupAgent(group.group, groupMemory, options, bells, new StatusPage(group.status));
}

function say(message: ThreadReady): void {
  parentPort?.postMessage(message);
}

function runAgents(agents: readonly GroupAgent[]): void {
  const end = runParked(memory, Bell.consensus + data.thread, StopStage.consensus, {
    doWork: (now) => {
      for (const agent of agents) agent.doWork(now);
    },
    hasWork: () => agents.some((agent) => agent.hasWork()),
    get deadline() {
      return Math.min(...agents.map((agent) => agent.deadline));
    },
  });
  const reason = new FatalWord(memory.fatal).message();
  for (const agent of agents) {
    if (end === 'fatal') agent.fail(ErrorNumber.storage, reason);
    else agent.close();
  }
}

async function run(): Promise<void> {
  const agents: GroupAgent[] = [];
  for (const group of data.groups) agents.push(await makeAgent(group));
  say({ kind: 'ready' });
  // The message leaves this thread before it stops returning to its event loop.
  setImmediate(() => {
    try {
      runAgents(agents);
    } catch (cause) {
      dieHere(cause);
    }
  });
}

function dieHere(cause: unknown): void {
  die(memory, Math.max(...data.threadOfGroup) + 1, Death.consensus, cause);
}

run().catch((cause: unknown) => {
  const text = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
  say({ kind: 'refused', code: 'ERR_STATE_MACHINE', text });
  dieHere(cause);
});
