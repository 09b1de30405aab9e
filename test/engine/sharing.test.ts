/**
 * What the groups of a node share when each has a worker of its own: one log, one io thread, one
 * connection per pair of nodes, and the frames of their heartbeats.
 */

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import type { NetNumbers } from '../../io/net/net-counters.js';
import { bytes, pause, TestCluster } from './cluster.js';
import { LEDGER } from './compiled.js';
import { startedKinds } from './record-workers.js';

const NAMES = ['north', 'east', 'south', 'west'];
const NODES = 3;

let cluster: TestCluster;

before(async () => {
  const groups = NAMES.map((name) => ({ name, machine: LEDGER, machineOptions: { name } }));
  cluster = await TestCluster.start({ nodes: NODES, durable: true, groups });
  for (const name of NAMES) await cluster.group(1, name).propose(bytes('add 1'));
});
after(() => cluster.dispose());

const netOf = (id: number): NetNumbers => cluster.engine(id).status().net;

test('four groups have four workers, and one thread for each other duty', () => {
  const kinds = startedKinds();
  const countOf = (kind: string): number => kinds.filter((each) => each === kind).length;
  assert.equal(countOf('consensus'), NODES * NAMES.length);
  for (const kind of ['io', 'bulk', 'transport']) assert.equal(countOf(kind), NODES, kind);
});

test('the log of all groups is one directory of segments', () => {
  for (const id of cluster.ids) {
    const data = cluster.dataDir(id);
    const directories = readdirSync(data, { withFileTypes: true, recursive: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name);
    assert.equal(directories.filter((name) => name === 'wal').length, 1);
    const files = readdirSync(data, { recursive: true }).map(String);
    const segments = files.filter((name) => name.endsWith('.wal'));
    assert.ok(segments.length > 0);
    for (const name of segments) assert.equal(join('wal', name.slice(4)), name);
    for (const name of NAMES) assert.ok(!files.some((file) => file.includes(name)));
  }
});

test('one handshake per pair of nodes serves all groups', () => {
  for (const id of cluster.ids) {
    const { handshakes, reboots, droppedClosed } = netOf(id);
    assert.deepEqual(
      { handshakes, reboots, droppedClosed },
      { handshakes: 2, reboots: 0, droppedClosed: 0 },
    );
  }
});

/** The node that leads most groups, and how many: with four groups on three nodes at least two. */
function busiest(): { id: number; groups: number } {
  const leaders = NAMES.map((name) => cluster.group(1, name).status().leader);
  const led = cluster.ids.map((id) => ({
    id,
    groups: leaders.filter((each) => each === id).length,
  }));
  return led.sort((a, b) => b.groups - a.groups)[0]!;
}

test('at rest the heartbeats of all groups that a node leads are one frame per peer and interval', async () => {
  const intervals = 20;
  const { heartbeatInterval } = cluster.engine(1).options;
  const share = async (): Promise<boolean> => {
    const { id, groups } = busiest();
    const first = netOf(id);
    await pause(intervals * heartbeatInterval);
    const last = netOf(id);
    const sent = last.heartbeatsSent - first.heartbeatsSent;
    const frames = last.heartbeatFramesSent - first.heartbeatFramesSent;
    assert.ok(sent > 0 && frames > 0, 'a leader sends heartbeats');
    assert.ok(groups >= 2 && frames * groups >= sent, 'a frame holds one heartbeat of a group');
    // One frame for all would be `sent / groups`; a busy machine may now and then make two of it.
    return frames <= (1.3 * sent) / groups;
  };
  let isShared = false;
  for (let window = 0; window < 10 && !isShared; window += 1) isShared = await share();
  assert.ok(isShared, 'in one of ten windows nearly all heartbeats shared their frame');
});

test('answers to heartbeats are gathered as well', async () => {
  const { id: leader } = busiest();
  const id = cluster.ids.find((each) => each !== leader) as number;
  const first = netOf(id);
  await pause(20 * cluster.engine(1).options.heartbeatInterval);
  const last = netOf(id);
  const sent = last.heartbeatRepliesSent - first.heartbeatRepliesSent;
  const frames = last.heartbeatReplyFramesSent - first.heartbeatReplyFramesSent;
  assert.ok(sent > 0 && frames < sent, `${frames} frames hold ${sent} answers`);
});
