/**
 * The ring between two threads, with both ends in this one: claim, fill, commit, drain. What waking
 * the other thread costs is not in here.
 */

import { createRing } from '../../workers/ring/layout.js';
import {
  RECORD_TAKEN,
  RING_FULL,
  RingConsumer,
  RingProducer,
} from '../../workers/ring/spsc-ring.js';
import type { MicroTask } from './task.js';

const CAPACITY = 16 * 1024 * 1024;
const RECORDS = 256;
const KIND = 1;

function ringTask(recordBytes: number): MicroTask {
  return {
    name: `ring: claim, copy ${recordBytes} B, commit, drain`,
    unit: 'record',
    perCall: RECORDS,
    start: () => {
      const memory = createRing(CAPACITY);
      const producer = new RingProducer(memory);
      const consumer = new RingConsumer(memory);
      const source = Buffer.alloc(recordBytes, 1);
      let sum = 0;
      const take = (_kind: number, at: number, bytes: number): boolean => {
        sum += consumer.bytes[at + bytes - 1] as number;
        return RECORD_TAKEN;
      };
      return {
        call: () => {
          for (let i = 0; i < RECORDS; i += 1) {
            const at = producer.tryClaim(KIND, recordBytes);
            if (at === RING_FULL) throw new Error('the ring holds a whole call');
            source.copy(producer.bytes, at);
          }
          producer.commit();
          consumer.drain(take, RECORDS);
        },
        close: () => {
          if (sum === 0) throw new Error('nothing went through the ring');
        },
      };
    },
  };
}

export const RING_TASKS: readonly MicroTask[] = [ringTask(64), ringTask(4096)];
