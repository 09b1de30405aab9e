/**
 * The witness of client sessions sees what it is for: a command at two places of the log, and
 * tables that differ at the same entry.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { encodeWrite } from '../../tools/sim/kv-wire.js';
import type { Operation } from '../../tools/sim/operation.js';
import { SessionWitness } from '../../tools/sim/session-witness.js';

const ENTRY_HEADER = 16;

function command(operation: Operation): Buffer {
  const value = 'value' in operation ? operation.value : '';
  const entry = encodeWrite(operation, 0);
  return entry.subarray(ENTRY_HEADER, ENTRY_HEADER + entry.indexOf(value) + value.length - 16);
}

test('a command of a session at two places of the log is told, by any replica of any life', () => {
  const witness = new SessionWitness();
  const first = command({ op: 'append', key: 't1', value: '2000-1;' });
  const second = command({ op: 'append', key: 't1', value: '2000-2;' });
  assert.equal(witness.applies(1, 7, first), null);
  assert.equal(witness.applies(1, 8, second), null);
  assert.equal(witness.applies(2, 7, first), null, 'the same place, on another replica');
  assert.equal(
    witness.applies(2, 9, second),
    'node 2 applies 2000-2; of a session at 9, it was applied at 8',
  );
  const elsewhere = command({ op: 'append', key: 'l0', value: 'x' });
  assert.equal(witness.applies(1, 10, elsewhere), null);
  assert.equal(witness.applies(1, 11, elsewhere), null, 'not of a session');
});

test('tables that differ at the same entry are told', () => {
  const witness = new SessionWitness();
  assert.equal(witness.table(1, 7, '1:aa'), null);
  assert.equal(witness.table(2, 7, '1:aa'), null);
  assert.equal(witness.table(2, 8, '1:bb'), null);
  assert.match(witness.table(1, 8, '1:cc') ?? '', /node 1 has other sessions at 8 \(1:cc\)/);
});
