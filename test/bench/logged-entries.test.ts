/**
 * A state computed from a node's files, apart from it: from the log alone, and from a snapshot and
 * the entries behind it.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LoggedEntries } from '../../bench/snapshot/logged-entries.js';
import { newestFile, restoreImage } from '../../bench/snapshot/snapshot-files.js';
import { QueryType } from '../../engine/machines/kv/queries.js';
import { TestCluster } from '../engine/cluster.js';
import { keyValue, set } from '../machines/kv-harness.js';

const KEY_VALUE = new URL('../../dist/engine/machines/kv/kv-machine.js', import.meta.url);

test('the log, and a snapshot with the log behind it, give the state of the node', async () => {
  const groups = [{ name: 'kv', machine: KEY_VALUE }];
  await using cluster = await TestCluster.start({ nodes: 1, durable: true, groups });
  const group = cluster.group(1, 'kv');
  const write = async (from: number): Promise<void> => {
    const keys = Array.from({ length: 500 }, (_, at) => `key-${from + at}`);
    await group.proposeMany(keys.map((key) => set(key, `value of ${key} from ${from}`)));
  };
  await write(0);
  const taken = await group.snapshot();
  await write(250);
  const digest = Buffer.from(await group.read(Uint8Array.of(QueryType.digest))).toString();
  const directory = cluster.dataDir(1);
  const log = LoggedEntries.open(directory);
  const last = group.status().appliedIndex;

  const fromLog = keyValue();
  log.applyTo(fromLog, 1, last);
  assert.ok(digest.includes(fromLog.digest()));

  const file = newestFile({ directory });
  assert.equal(file?.point.index, taken.index);
  const image = restoreImage(file as NonNullable<typeof file>);
  log.applyTo(image.machine, image.index + 1, last);
  assert.equal(image.machine.digest(), fromLog.digest());
  assert.notEqual(image.digest, fromLog.digest());
  assert.throws(() => log.applyTo(keyValue(), last + 1, last + 1), /does not hold entry/);
});
