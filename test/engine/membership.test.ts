/**
 * Restarts with other members than the log names, on real nodes: the log counts, the node rejoins,
 * and addresses come from the own list first, then from the log.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { encodeConfiguration } from '../../codec/configuration.js';
import { EntryKind } from '../../codec/entry.js';
import { bootstrapConfiguration } from '../../engine/raft/membership.js';
import { nodeId } from '../../engine/raft/types.js';
import { dataPaths } from '../../io/data-paths.js';
import { readMeta } from '../../io/data-refusals.js';
import { NodeDisk } from '../../io/disk/node-disk.js';
import { InlineSegmentSupply } from '../../io/wal/segment-supply.js';
import { Wal } from '../../io/wal/wal.js';
import { entryOf } from '../regressions/runtime-follower.js';
import { bytes, pause, TestCluster } from './cluster.js';

test('a node restarted with no list, a shorter or a longer one rejoins, follows and serves', async () => {
  await using cluster = await TestCluster.start({ durable: true });
  await cluster.group(1).propose(bytes('add 1'));
  const { members } = cluster;
  const own = (id: number): string => members[id] as string;
  const port = Number(own(3).split(':')[1]);
  const starts: readonly (readonly [number, Record<number, string>, RegExp | null])[] = [
    [
      2,
      { 2: own(2) },
      /names the members 1=.* 2=.* 3=.*, this start names 2=\S+: the data counts\./,
    ],
    [3, { 3: own(3) }, /this start names 3=\S+: the data counts\./],
    [3, { 1: own(1), 3: own(3) }, /this start names 1=\S+ 3=\S+: the data counts\./],
    [1, { ...members, 4: '127.0.0.1:9' }, /4=127.0.0.1:9: the data counts, and 4 is not dialled/],
    [3, { ...members, 3: `localhost:${port}` }, null],
  ];
  let total = 1;
  for (const [id, list, warning] of starts) {
    await cluster.close(id);
    const engine = await cluster.open(id, { cluster: list, listen: own(id) });
    await cluster.leader();
    const said = engine.status().membershipWarning;
    if (warning === null) assert.equal(said, null);
    else assert.match(said ?? '', warning);
    assert.deepEqual(
      engine.options.members.map((member) => member.id),
      [1, 2, 3],
    );
    total += 1;
    assert.equal(Number(await cluster.group(id).propose(bytes('add 1'))), total);
    assert.equal(Number(await cluster.group(id).read(bytes('total'))), total);
    assert.equal(cluster.group(id).status().standing, 'full');
  }
});

test('peers dial a member by their own list, and by the address in the log where it is not there', async () => {
  await using cluster = await TestCluster.plan({ durable: true });
  const { members } = cluster;
  const address = (id: number): string => members[id] as string;
  const called = (id: number): string => address(id).replace('127.0.0.1', 'localhost');
  const start = (id: number) =>
    cluster.open(id, { cluster: { ...members, [id]: called(id) }, listen: address(id) });
  await Promise.all(cluster.ids.map(start));
  await cluster.leader();
  await cluster.group(3).propose(bytes('add 1'));
  // Who leads first puts its list on record, and with it the address by which it calls itself.
  const recorded = cluster
    .group(3)
    .status()
    .members.map((member) => member.address);
  const byList = (first: number): string[] =>
    cluster.ids.map((id) => (id === first ? called(id) : address(id)));
  assert.ok(
    cluster.ids.some((id) => String(byList(id)) === String(recorded)),
    String(recorded),
  );
  const dialled = (): string[] => cluster.engine(3).options.members.map((each) => each.address);
  assert.deepEqual(dialled(), [address(1), address(2), called(3)], 'by its own list');
  await cluster.close(3);
  await cluster.open(3, { cluster: { 3: address(3) } });
  assert.deepEqual(dialled(), [recorded[0], recorded[1], address(3)], 'by the log');
  await cluster.leader();
  assert.equal(Number(await cluster.group(3).propose(bytes('add 1'))), 2);
});

test('a node that holds no entry yet is not elected alone by a start without its peers', async () => {
  await using cluster = await TestCluster.plan({ durable: true });
  await cluster.open(3);
  await cluster.close(3);
  const engine = await cluster.open(3, { cluster: { 3: cluster.members[3] as string } });
  assert.match(
    engine.status().membershipWarning ?? '',
    /names the members 1=.*this start names 3=/,
  );
  await pause(2500);
  assert.equal(cluster.group(3).status().leader, 0);
  await Promise.all([cluster.open(1), cluster.open(2)]);
  await cluster.leader();
  assert.equal(Number(await cluster.group(3).propose(bytes('add 1'))), 1);
});

test('a log with a configuration of an unknown version is refused by version, group and index', async () => {
  await using cluster = await TestCluster.start({ nodes: 1, durable: true });
  await cluster.group(1).propose(bytes('add 1'));
  await cluster.close(1);
  appendConfiguration(cluster.dataDir(1), 5);
  await assert.rejects(cluster.open(1), {
    code: 'ERR_STORAGE',
    message: /^entry \d+ of group "ledger" in the log .*: configuration of format version 5, this/,
  });
});

/** Puts a configuration of this version behind the log of a closed node. */
function appendConfiguration(dataDir: string, version: number): void {
  const disk = new NodeDisk();
  const paths = dataPaths(dataDir);
  const meta = readMeta(disk, paths, paths.meta);
  assert.ok(meta !== undefined);
  const segmentBytes = 8 * 1024 * 1024;
  const { wal, groups } = Wal.open({
    disk,
    directory: paths.wal,
    clusterId: meta.clusterId,
    nodeId: meta.nodeId,
    logId: meta.logId,
    mustExist: true,
    segmentBytes,
    sync: { mode: 'always', intervalMs: 10 },
    supply: new InlineSegmentSupply(disk, paths.wal, segmentBytes),
  });
  const [group] = groups;
  assert.ok(group !== undefined);
  const payload = encodeConfiguration(
    bootstrapConfiguration([{ id: nodeId(1), address: 'later:1' }]),
  );
  payload.writeUInt16LE(version, 0);
  const { term, generation, last } = group;
  const slab = entryOf(EntryKind.configuration, payload);
  const runs = [{ term, first: last + 1, count: 1, bytes: slab }];
  assert.ok(wal.stage({ group: 0, seq: 1, generation, term, runs }));
  wal.commit(0);
  wal.close();
}
