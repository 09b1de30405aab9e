/**
 * Queries on the machine that lives in the worker: answered in order, in bounded portions, and only
 * while whoever takes the answers has room.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { ResultReader } from '../../codec/results.js';
import { type HostEvents, InWorkerHost } from '../../engine/runtime/machine-host.js';
import type { ReadBatch } from '../../engine/runtime/pending-reads.js';
import type { StateMachine } from '../../engine/state-machine.js';

function batchOf(id: number, queries: readonly string[]): ReadBatch {
  const parts = queries.flatMap((query) => {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(query.length);
    return [length, Buffer.from(query)];
  });
  return { id, count: queries.length, queries: Buffer.concat(parts), deadline: 0 };
}

/** A machine that answers a query by that many bytes. */
class Asked {
  readonly answers: string[] = [];
  portionBytesMax = 0;
  room = Number.POSITIVE_INFINITY;
  asked = 0;
  readonly host: InWorkerHost;

  constructor() {
    const machine = {
      query: (query: Uint8Array) => {
        this.asked += 1;
        const size = Number(Buffer.from(query).toString());
        if (Number.isNaN(size)) throw new Error('not a number');
        return Buffer.alloc(size, 'x');
      },
    } as unknown as StateMachine;
    this.host = new InWorkerHost(machine, () => this.room > 0);
    this.host.attach({
      queried: (batch: ReadBatch, offset: number, count: number, results: Uint8Array) => {
        this.room -= 1;
        this.portionBytesMax = Math.max(this.portionBytesMax, results.length);
        const buffer = Buffer.from(results);
        const reader = new ResultReader(buffer, 0, buffer.length);
        for (let i = offset; reader.next(); i += 1) {
          const mark = reader.rejected ? '!' : '';
          this.answers.push(`${batch.id}.${i}:${reader.end - reader.start}${mark}`);
        }
        assert.equal(this.answers.at(-1)?.split(':')[0], `${batch.id}.${offset + count - 1}`);
      },
    } as unknown as HostEvents);
  }
}

test('batches are answered in order, each query by its own answer', () => {
  const on = new Asked();
  on.host.query(batchOf(1, ['3', 'oops', '0']));
  on.host.query(batchOf(2, ['7']));
  assert.deepEqual(on.answers, ['1.0:3', '1.1:12!', '1.2:0', '2.0:7']);
  assert.equal(on.host.isWaiting, false);
});

test('large answers leave in portions of bounded size', () => {
  const on = new Asked();
  on.host.query(batchOf(1, new Array<string>(100).fill('10000')));
  assert.equal(on.answers.length, 100);
  assert.ok(on.portionBytesMax <= 64 * 1024);
});

test('without room nothing more is asked of the machine, and later it goes on where it was', () => {
  const on = new Asked();
  on.room = 2;
  on.host.query(batchOf(1, new Array<string>(50).fill('30000')));
  on.host.query(batchOf(2, ['1']));
  assert.ok(on.answers.length < 8, `${on.answers.length} answers went into no room`);
  assert.equal(on.asked, on.answers.length, 'no answer is kept back');
  assert.equal(on.host.isWaiting, true);
  on.host.goOn();
  assert.equal(on.asked, on.answers.length);
  while (on.host.isWaiting) {
    on.room = 1;
    on.host.goOn();
  }
  const expected = Array.from({ length: 50 }, (_, i) => `1.${i}:30000`);
  assert.deepEqual(on.answers, [...expected, '2.0:1']);
});
