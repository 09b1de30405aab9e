/**
 * Entry of a consensus worker: loads the state machines of its groups, says READY, then runs its
 * groups in turn. Wiring only: the duty cycle of a group is consensus-loop.ts.
 */

import { parentPort } from 'node:worker_threads';
import { ErrorNumber } from '../engine/errors.js';
import type { MachineContext, StateMachine, StateMachineFactory } from '../engine/state-machine.js';
import { GroupAgent } from './consensus-loop.js';
import { runParked } from './park-loop.js';
import { Doorbell } from './ring/doorbell.js';
import { SnapshotSlab } from './snapshot-slab.js';
import { RoomWords } from './spare-words.js';
import { StatusPage } from './status-page.js';
import type { ConsensusThreadData, GroupThreadData, ThreadReady } from './thread-data.js';
import { Death, deathText, die } from './thread-death.js';
import { receiveData } from './thread-start.js';
import { Bell, type GroupMemory, StopStage } from './topology.js';

const data = await receiveData<ConsensusThreadData>();
const { memory } = data;

const OPERATIONS = ['apply', 'query', 'snapshot', 'restore'] as const;

interface MadeMachine {
  readonly machine: StateMachine;
  readonly context: MachineContext;
}

/** Loads and makes the machine of a group; null when it is hosted on the main thread. */
async function loadMachine(group: GroupThreadData): Promise<MadeMachine | null> {
  if (group.machineUrl === null) return null;
  const { machineUrl, name } = group;
  try {
    const module = (await import(machineUrl)) as { default?: StateMachineFactory };
    if (typeof module.default !== 'function') {
      throw new TypeError('it has no default export that makes a state machine');
    }
    const context = machineContext(group);
    const machine = module.default(context);
    for (const operation of OPERATIONS) {
      if (typeof machine?.[operation] === 'function') continue;
      throw new TypeError(`what its default export makes has no ${operation}()`);
    }
    return { machine, context };
  } catch (cause) {
    const reason = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
    throw new Error(`the machine of group "${name}", ${machineUrl}, does not load: ${reason}`);
  }
}

function machineContext(group: GroupThreadData): MachineContext {
  return {
    groupName: group.name,
    groupId: group.group,
    nodeId: data.nodeId,
    options: group.machineOptions,
  };
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
  const machine = await loadMachine(group);
  const { raft, recovered, locations, entryBytesMax } = group;
  const arenaMemory = groupMemory.arena;
  const { snapshots, foundSnapshots } = group;
  const log = { raft, recovered, locations, arenaMemory, entryBytesMax };
  const options = { ...log, snapshots, foundSnapshots };
  const page = new StatusPage(group.status);
  const room = new RoomWords(data.spares);
  const slab = new SnapshotSlab(memory.snapshots.slab);
  const images = { slab, chunkBytes: data.snapshotChunkBytes };
  return new GroupAgent(group.group, groupMemory, options, machine, bells, page, room, images);
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
  const reason = deathText(memory) ?? '';
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
  const text = cause instanceof Error ? cause.message : String(cause);
  say({ kind: 'refused', code: 'ERR_STATE_MACHINE', text });
  dieHere(cause);
});
