/**
 * The simulated network: order, faults, partitions, broken connections, lives of nodes.
 *
 * Virtual time only: a test here must never wait.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Prng } from '../../engine/raft/prng.js';
import { type NetworkOptions, SimNetwork } from '../../tools/sim/network.js';
import { Scheduler } from '../../tools/sim/scheduler.js';

class Cluster {
  readonly scheduler = new Scheduler();
  readonly network: SimNetwork;
  /** What each node heard, in order: `up 2`, `2:7` (frame 7 of node 2), `reset 2`. */
  readonly heard = new Map<number, string[]>();

  constructor(nodes: number, options: Partial<NetworkOptions> = {}, seed = 1) {
    this.network = new SimNetwork(this.scheduler, new Prng(seed), options);
    for (let node = 1; node <= nodes; node += 1) this.attach(node);
    this.pass();
  }

  attach(node: number): void {
    const heard: string[] = [];
    this.heard.set(node, heard);
    this.network.attach(node, {
      connected: (peer) => heard.push(`up ${peer}`),
      frame: (peer, bytes) => heard.push(`${peer}:${bytes[0]}`),
      reset: (peer) => heard.push(`reset ${peer}`),
    });
  }

  pass(us = 200_000): void {
    this.scheduler.runUntil(this.scheduler.nowUs + us);
  }

  /** Hands out what a node heard since the last time. */
  take(node: number): string[] {
    return this.heard.get(node)?.splice(0) ?? [];
  }

  send(from: number, to: number, count: number): void {
    for (let frame = 0; frame < count; frame += 1) {
      this.network.send(from, to, Uint8Array.of(frame));
    }
  }
}

test('every pair is connected and told so', () => {
  const cluster = new Cluster(3);
  assert.deepEqual(cluster.take(1).sort(), ['up 2', 'up 3']);
  assert.deepEqual(cluster.take(2).sort(), ['up 1', 'up 3']);
  assert.deepEqual(cluster.take(3).sort(), ['up 1', 'up 2']);
});

test('frames arrive in order, later, with the bytes they had when sent', () => {
  const cluster = new Cluster(2);
  cluster.take(2);
  const bytes = Buffer.from([0]);
  for (let frame = 0; frame < 100; frame += 1) {
    bytes[0] = frame;
    assert.equal(cluster.network.send(1, 2, bytes), true);
    cluster.pass(frame % 7);
  }
  assert.deepEqual(cluster.take(2), []);
  cluster.pass();
  assert.deepEqual(
    cluster.take(2),
    Array.from({ length: 100 }, (_, frame) => `1:${frame}`),
  );
  assert.equal(cluster.network.counts.delivered, 100);
  assert.equal(cluster.network.counts.reordered, 0);
});

test('loss, duplication, reordering and delay happen, and are counted', () => {
  const cluster = new Cluster(2);
  const { network } = cluster;
  network.setConditions({ loss: 0.2, duplication: 0.2, reordering: 0.2, delayUs: 1_000 });
  cluster.take(2);
  cluster.send(1, 2, 200);
  cluster.pass();
  const heard = cluster.take(2);
  const { counts } = network;
  assert.ok(counts.lost > 10 && counts.duplicated > 10 && counts.reordered > 5);
  assert.ok(counts.delayed > 100);
  assert.equal(heard.length, 200 - counts.lost + counts.duplicated);
  assert.equal(counts.delivered, heard.length);
  network.setConditions({ loss: 0, duplication: 0, reordering: 0, delayUs: 0 });
  cluster.send(1, 2, 50);
  cluster.pass();
  assert.equal(cluster.take(2).length, 50);
});

test('conditions may be those of one direction', () => {
  const cluster = new Cluster(2);
  cluster.network.setConditions({ loss: 1 }, [[1, 2]]);
  cluster.take(1);
  cluster.take(2);
  cluster.send(1, 2, 5);
  cluster.send(2, 1, 5);
  cluster.pass();
  assert.equal(cluster.take(1).length, 5);
  assert.equal(cluster.take(2).length, 0);
});

test('a partition swallows frames both ways, also those in flight, until it heals', () => {
  const cluster = new Cluster(3);
  for (const node of [1, 2, 3]) cluster.take(node);
  cluster.send(1, 2, 1);
  cluster.network.partition([1], [2, 3]);
  cluster.send(1, 3, 1);
  cluster.send(2, 1, 1);
  cluster.send(2, 3, 1);
  cluster.pass();
  assert.deepEqual(
    [1, 2, 3].map((node) => cluster.take(node)),
    [[], [], ['2:0']],
  );
  assert.equal(cluster.network.counts.blocked, 3);
  cluster.network.heal();
  cluster.send(1, 2, 1);
  cluster.pass();
  assert.deepEqual(cluster.take(2), ['1:0']);
});

test('a one-way partition leaves the way back open', () => {
  const cluster = new Cluster(2);
  cluster.network.oneWay([1], [2]);
  cluster.take(1);
  cluster.take(2);
  cluster.send(1, 2, 3);
  cluster.send(2, 1, 3);
  cluster.pass();
  assert.equal(cluster.take(1).length, 3);
  assert.equal(cluster.take(2).length, 0);
});

test('a cut drops what is in flight, tells both ends, and is dialled again', () => {
  const cluster = new Cluster(2);
  cluster.take(1);
  cluster.take(2);
  cluster.send(1, 2, 4);
  cluster.send(2, 1, 4);
  cluster.network.cut(2, 1);
  assert.equal(cluster.network.isUp(1, 2), false);
  assert.equal(cluster.network.send(1, 2, Uint8Array.of(9)), false);
  assert.deepEqual(cluster.take(1), []);
  cluster.pass();
  assert.deepEqual(cluster.take(1), ['reset 2', 'up 2']);
  assert.deepEqual(cluster.take(2), ['reset 1', 'up 1']);
  assert.equal(cluster.network.counts.dropped, 8);
  assert.equal(cluster.network.counts.refused, 1);
  cluster.send(1, 2, 1);
  cluster.pass();
  assert.deepEqual(cluster.take(2), ['1:0']);
});

test('a cut link is not dialled through a partition', () => {
  const cluster = new Cluster(2);
  cluster.network.oneWay([1], [2]);
  cluster.network.cut(1, 2);
  cluster.pass();
  assert.equal(cluster.network.isUp(1, 2), false);
  cluster.network.heal();
  cluster.pass();
  assert.equal(cluster.network.isUp(1, 2), true);
});

test('a flapping link breaks again and again', () => {
  const cluster = new Cluster(2);
  cluster.take(1);
  cluster.network.flap(1, 2, 3, 50_000);
  cluster.pass();
  assert.deepEqual(cluster.take(1), ['reset 2', 'up 2', 'reset 2', 'up 2', 'reset 2', 'up 2']);
  assert.equal(cluster.network.counts.flaps, 1);
  assert.equal(cluster.network.counts.cuts, 3);
});

test('a node that is gone resets its peers; its next life hears nothing of the old one', () => {
  const cluster = new Cluster(2);
  const oldLife = cluster.heard.get(2);
  cluster.take(1);
  cluster.take(2);
  cluster.send(1, 2, 3);
  cluster.network.detach(2);
  cluster.attach(2);
  cluster.pass();
  assert.deepEqual(cluster.take(1), ['reset 2', 'up 2']);
  assert.deepEqual(cluster.take(2), ['up 1']);
  assert.deepEqual(oldLife, []);
  cluster.network.detach(2);
  cluster.pass();
  assert.equal(cluster.network.send(1, 2, Uint8Array.of(1)), false);
});

test('a direction holds a bounded number of bytes', () => {
  const cluster = new Cluster(2, { inFlightBytesMax: 1_000 });
  const frame = new Uint8Array(400);
  assert.deepEqual(
    [1, 2, 3].map(() => cluster.network.send(1, 2, frame)),
    [true, true, false],
  );
  cluster.pass();
  assert.equal(cluster.network.send(1, 2, frame), true);
});

test('the same seed gives the same deliveries', () => {
  const run = (seed: number) => {
    const cluster = new Cluster(3, {}, seed);
    cluster.network.setConditions({ loss: 0.1, duplication: 0.1, reordering: 0.3 });
    for (let round = 0; round < 20; round += 1) {
      cluster.send(1, 2, 5);
      cluster.send(3, 2, 5);
      cluster.pass(3_000);
    }
    cluster.network.flap(1, 2, 2, 10_000);
    cluster.pass();
    return JSON.stringify([...cluster.heard]);
  };
  assert.equal(run(5), run(5));
  assert.notEqual(run(5), run(6));
});

/** A cluster whose nodes link to those that `members` names, by node. */
class Followers {
  readonly scheduler = new Scheduler();
  readonly network = new SimNetwork(this.scheduler, new Prng(1));
  readonly members = new Map<number, readonly number[]>();
  readonly waiting = new Set<number>();

  attach(node: number, members: readonly number[]): void {
    this.members.set(node, members);
    const { waiting } = this;
    this.network.attach(node, {
      connected() {},
      frame() {},
      reset() {},
      links: (peer) => this.members.get(node)?.includes(peer) === true,
      get isWaiting(): boolean {
        return waiting.has(node);
      },
    });
  }

  change(node: number, members: readonly number[]): void {
    this.members.set(node, members);
    this.network.followMembers(node);
  }

  pass(): void {
    this.scheduler.runUntil(this.scheduler.nowUs + 100_000);
  }
}

test('connections follow the members: made when one side dials and the other lets it in', () => {
  const cluster = new Followers();
  cluster.attach(1, [2]);
  cluster.attach(2, [1]);
  cluster.attach(3, []);
  cluster.pass();
  const { network } = cluster;
  assert.deepEqual(
    [network.isUp(1, 2), network.isUp(1, 3), network.isUp(2, 3)],
    [true, false, false],
  );
  cluster.change(1, [2, 3]);
  cluster.pass();
  assert.ok(!network.isUp(1, 3), 'node 3 does not know node 1 and does not wait');
  cluster.waiting.add(3);
  cluster.change(1, [2, 3]);
  cluster.pass();
  assert.deepEqual([network.isUp(1, 3), network.isUp(2, 3)], [true, false]);
});

test('who is no member any more keeps its connection for a while', () => {
  const cluster = new Followers();
  for (const node of [1, 2]) cluster.attach(node, [3 - node]);
  cluster.pass();
  const { network } = cluster;
  cluster.change(1, []);
  cluster.pass();
  assert.ok(network.isUp(1, 2));
  cluster.change(1, [2]);
  for (let each = 0; each < 5; each += 1) cluster.pass();
  assert.ok(network.isUp(1, 2), 'it was a member again in time');
  cluster.change(1, []);
  for (let each = 0; each < 5; each += 1) cluster.pass();
  assert.ok(!network.isUp(1, 2));
  cluster.change(1, [2]);
  cluster.pass();
  assert.ok(network.isUp(1, 2));
});
