/**
 * The parts of `ringraft snapshot`: which ports are asked, what replies mean, and the table. No
 * node is asked here.
 */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { newState, writeState } from '../../tools/cluster/cluster-state.js';
import { parseSnapshot } from '../../tools/snapshot/ask-snapshot.js';
import { printBytes, snapshotTable } from '../../tools/snapshot/snapshot-table.js';
import { type Target, targetsOf } from '../../tools/snapshot/targets.js';

function temporary(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'ringraft-snapshot-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

const target = (port: number, nodeId = 0, notAsked: string | null = null): Target => ({
  address: { host: '127.0.0.1', port },
  nodeId,
  notAsked,
});

test('targets are the named ports, else the cluster of the directory, else the default ports', async (t) => {
  const data = temporary(t);
  const named = await targetsOf(['5201', 'db.internal:5101'], data);
  assert.deepEqual(named, [
    target(5201),
    { address: { host: 'db.internal', port: 5101 }, nodeId: 0, notAsked: null },
  ]);
  assert.deepEqual(await targetsOf([], data), [target(5101), target(5102), target(5103)]);
  writeState(data, newState(2, 7001, []));
  assert.deepEqual(await targetsOf([], data), [
    target(7101, 1, 'not asked: new'),
    target(7102, 2, 'not asked: new'),
  ]);
  for (const word of ['node1', '70000', ':', '']) {
    await assert.rejects(targetsOf([word], data), /is no client port: it must be HOST:PORT/);
  }
});

test('a reply is three fields, and anything else is shown as it is', () => {
  const whole = parseSnapshot('size:300\nlast_index:12\nlast_term:4');
  assert.deepEqual(whole, { bytes: 300, lastIndex: 12, lastTerm: 4 });
  assert.match(String(parseSnapshot('size:300')), /it answered "size:300": is this a port of/);
});

test('the table is aligned, and says why a node has no snapshot', () => {
  const snapshot = { lastIndex: 1234, lastTerm: 5, bytes: 5 * 1024 * 1024 };
  const table = snapshotTable([
    { target: target(5101), asked: { nodeId: 1, snapshot, ms: 1500 } },
    { target: target(5102, 2), asked: { nodeId: 0, snapshot: 'ERR snapshot: why', ms: 3 } },
    { target: target(5103, 3, 'not asked: stopped'), asked: null },
  ]);
  assert.equal(
    table,
    [
      'node  last index  last term      size   took',
      '   1        1234          5  5.00 MiB  1.5 s',
      '   2           -          -         -      -  ERR snapshot: why',
      '   3           -          -         -      -  not asked: stopped',
      '',
    ].join('\n'),
  );
});

test('sizes are printed in the unit that fits', () => {
  assert.deepEqual([0, 1023, 1024, 20_000, 3 * 1024 ** 3].map(printBytes), [
    '0 B',
    '1023 B',
    '1.00 KiB',
    '19.5 KiB',
    '3.00 GiB',
  ]);
});
