/**
 * A snapshot on its way from the files of one node to those of another: two servers, and between
 * them a test that carries what they say.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readWholeFile } from '../../io/disk/whole-file.js';
import { carry, imageOf, laterConfiguration, pointAt, ServerBench } from './snapshot-bench.js';

const LEADER = 2;
const FOLLOWER = 1;
const NODES: [number, number] = [LEADER, FOLLOWER];

function pair() {
  const [leader, follower] = [new ServerBench(), new ServerBench()];
  /** Both work, and what they say arrives, until nothing is said any more. */
  const settle = (): void => {
    for (let round = 0; round < 40; round += 1) {
      carry(follower, leader, [FOLLOWER, LEADER]);
      leader.sleepAndWork();
      carry(leader, follower, NODES);
      follower.sleepAndWork();
    }
  };
  return { leader, follower, settle };
}

const bytesOf = (bench: ServerBench, path: string): Uint8Array =>
  readWholeFile(bench.disk, path, 1 << 20);

for (const chunks of [0, 1, 5]) {
  test(`a file of ${chunks} chunks arrives as the same bytes`, () => {
    const { leader, follower, settle } = pair();
    const path = leader.hold(7, imageOf(chunks));
    follower.fetches(7);
    settle();
    const said = follower.takeAnswers();
    assert.equal(said.length, Math.max(chunks, 1));
    const last = said.at(-1);
    assert.ok(last?.kind === 'fetched');
    assert.deepEqual([last.stored.point, last.stored.chunks], [pointAt(7), chunks]);
    assert.deepEqual(bytesOf(follower, path), bytesOf(leader, path));
    follower.server.onOrder(0, { kind: 'read', point: pointAt(7), chunk: 0 });
    follower.work();
    const read = follower.takeAnswers()[0];
    assert.ok(read?.kind === 'read' && read.isLast === chunks <= 1, read?.kind);
  });
}

test('chunks of client sessions stay what they are, in the file of the other node as well', () => {
  const { leader, follower, settle } = pair();
  const path = leader.holdSessions(7, imageOf(3), 2);
  follower.fetches(7);
  settle();
  assert.equal(follower.takeAnswers().at(-1)?.kind, 'fetched');
  assert.deepEqual(bytesOf(follower, path), bytesOf(leader, path));
  const sections = [0, 1, 2].map((chunk) => {
    follower.server.onOrder(0, { kind: 'read', point: pointAt(7), chunk });
    follower.work();
    const read = follower.takeAnswers()[0];
    assert.ok(read?.kind === 'read');
    follower.slab.give(read.slot);
    return read.section;
  });
  assert.deepEqual(sections, [2, 2, 1]);
});

test('a connection that broke is told to whoever fetches by it, and what has come stays', () => {
  const { leader, follower, settle } = pair();
  leader.hold(7, imageOf(5));
  follower.fetches(7, 0, 2);
  settle();
  follower.takeAnswers();
  follower.server.onTransport({ kind: 'down', peer: 3 });
  follower.server.onTransport({ kind: 'left', peer: LEADER });
  assert.deepEqual(follower.takeAnswers(), [], 'another connection is another matter');
  follower.server.onTransport({ kind: 'down', peer: LEADER });
  assert.deepEqual(follower.takeAnswers(), [{ kind: 'cutOff', point: pointAt(7) }]);
  follower.fetches(7, 2);
  settle();
  assert.deepEqual(
    follower.takeAnswers().map(({ kind }) => kind),
    ['fetching', 'fetching', 'fetched'],
  );
  follower.server.onTransport({ kind: 'down', peer: LEADER });
  assert.deepEqual(follower.takeAnswers(), [], 'nothing is fetched any more');
});

test('a file that was damaged while it is sent is refused, and what has come of it goes', () => {
  const { leader, follower, settle } = pair();
  const path = leader.hold(7, imageOf(5));
  follower.fetches(7, 0, 2);
  settle();
  follower.takeAnswers();
  leader.damage(path, -60);
  follower.fetches(7, 2);
  settle();
  const said = follower.takeAnswers();
  assert.deepEqual(
    said.map(({ kind }) => kind),
    ['fetching', 'fetching', 'refused'],
  );
  assert.deepEqual(follower.disk.list('/data/snapshots'), []);
});

test('a snapshot whose configuration is of an unknown version is refused before a byte is kept', () => {
  const { leader, follower, settle } = pair();
  leader.holdWith(7, imageOf(2), laterConfiguration());
  follower.fetches(7);
  settle();
  const said = follower.takeAnswers();
  assert.deepEqual(
    said.map(({ kind }) => kind),
    ['refused'],
  );
  assert.ok(said[0]?.kind === 'refused');
  assert.match(said[0].text, /the snapshot from the leader: configuration of format version 3/);
  assert.deepEqual(follower.disk.list('/data/snapshots'), []);
});
