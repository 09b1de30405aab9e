/**
 * The core and the state machine: what a batch of proposals costs in decisions, and what applying
 * it costs in the key-value store.
 */

import createKvMachine from '../../engine/machines/kv/kv-machine.js';
import { ApplyCursor } from '../../engine/runtime/apply-cursor.js';
import { slabOfSets } from './entries.js';
import type { MicroTask } from './task.js';
import { ThreeCores } from './three-cores.js';

const BATCH = 1000;
const ENTRY_BYTES = 56;
const KEYS = 100_000;
const BATCH_ID = 1;

function coreTask(count: number): MicroTask {
  return {
    name: `core, ${count === 1 ? '1 proposal' : `${count} proposals`} through 3 replicas`,
    unit: 'batch',
    perCall: 1,
    start: () => {
      const cores = new ThreeCores();
      return {
        call: () => {
          const before = cores.leader.commitIndex;
          if (cores.commit(count, count * ENTRY_BYTES) < before + count) {
            throw new Error('the batch is committed');
          }
        },
      };
    },
  };
}

function applyTask(valueBytes: number): MicroTask {
  return {
    name: `KV apply, SET of ${valueBytes} B with results`,
    unit: 'command',
    perCall: BATCH,
    start: () => {
      const context = { groupName: 'kv', groupId: 0, nodeId: 1, options: null };
      const machine = createKvMachine(context);
      let answered = 0;
      const cursor = new ApplyCursor((_batch, _offset, count) => {
        answered += count;
      });
      const slabs = Array.from({ length: KEYS / BATCH }, (_, n) =>
        slabOfSets(BATCH, valueBytes, KEYS, n * BATCH),
      );
      let call = 0;
      return {
        call: () => {
          const { buffer, view } = slabs[call % slabs.length] as (typeof slabs)[number];
          const first = call * BATCH + 1;
          call += 1;
          const part = { batch: BATCH_ID, offset: 0, first, last: first + BATCH - 1 };
          const slab = { buffer, view, start: 0, end: buffer.length, first, term: 1 };
          cursor.begin(slab, [part as Parameters<ApplyCursor['begin']>[1][number]]);
          machine.apply(cursor);
          cursor.finish();
        },
        close: () => {
          if (answered !== call * BATCH) throw new Error('every command has its result');
        },
      };
    },
  };
}

export const CORE_TASKS: readonly MicroTask[] = [
  coreTask(1),
  coreTask(BATCH),
  applyTask(16),
  applyTask(256),
];
