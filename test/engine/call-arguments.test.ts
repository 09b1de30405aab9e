/**
 * What a group is called with: whatever is no command, query, time, index or consistency is refused
 * by name before anything is taken, so that a call that is refused executes nothing.
 */

import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import { bytes, TestCluster } from './cluster.js';
import type { Group } from './compiled.js';

let cluster: TestCluster;
let group: Group;

before(async () => {
  cluster = await TestCluster.start({ nodes: 1 });
  group = cluster.group(1);
});
after(() => cluster.dispose());

/** What callers without types do. */
const call = (name: keyof Group, ...given: unknown[]): Promise<unknown> =>
  (group[name] as (...given: unknown[]) => Promise<unknown>).apply(group, given);

const refusedWith = (message: RegExp) => ({ code: 'ERR_INVALID_OPTIONS', message });

const NO_BYTES: readonly (readonly [unknown, string])[] = [
  ['abc', '"abc"'],
  ['x'.repeat(1000), `"${'x'.repeat(40)}…"`],
  [[1, 2], 'an Array'],
  [new Uint16Array([256]), 'a Uint16Array'],
  [new ArrayBuffer(2), 'an ArrayBuffer'],
  [{}, 'an? Object'],
  [undefined, 'undefined'],
  [null, 'null'],
  [7, '7'],
];

test('a command or query that is no Uint8Array is refused with its value, rule and remedy', async () => {
  for (const [value, text] of NO_BYTES) {
    const rule = `is ${text}, must be a Uint8Array such as a Buffer; Buffer\\.from\\(text\\)`;
    await assert.rejects(call('propose', value), refusedWith(new RegExp(`command ${rule}`)));
    await assert.rejects(call('read', value), refusedWith(new RegExp(`query ${rule}`)));
  }
  await assert.rejects(call('propose'), refusedWith(/command is undefined/));
});

test('a batch with one command that is none executes nothing of it', async () => {
  const count = async (): Promise<number> => Number(await group.read(bytes('count')));
  const before = await count();
  for (const [value] of NO_BYTES) {
    const batch = [bytes('add 1'), value, bytes('add 1')];
    await assert.rejects(call('proposeMany', batch), refusedWith(/commands\[1\] is /));
  }
  await assert.rejects(call('proposeMany', bytes('add 1')), refusedWith(/must be an array/));
  await assert.rejects(call('proposeMany'), refusedWith(/commands is undefined/));
  assert.equal(await count(), before);
  assert.equal(group.status().inflight, 0);
});

test('a consistency that the engine does not know is refused with those it knows', async () => {
  for (const consistency of ['leases', 'toString', '', 0]) {
    const reading = call('read', bytes('total'), { consistency });
    await assert.rejects(
      reading,
      refusedWith(/must be one of linearizable, local, lease, bounded/),
    );
  }
});

test('times, indexes, signals and options of another type are refused by every call', async () => {
  for (const options of [
    ...['5', Number.NaN, -1, 0, null, 5n, Number.POSITIVE_INFINITY].map((timeoutMs) => ({
      timeoutMs,
    })),
    { signal: {} },
    { signal: 'abort' },
    null,
    5,
    'fast',
  ]) {
    for (const [name, first] of [
      ['propose', [bytes('add 1')]],
      ['proposeMany', [[bytes('add 1')]]],
      ['read', [bytes('total')]],
      ['waitForLeader', []],
      ['waitForApplied', [0]],
    ] as const) {
      await assert.rejects(
        call(name, ...first, options),
        refusedWith(/(timeoutMs|signal|options) is/),
      );
    }
  }
  const proposing = call('propose', bytes('add 1'), { forward: 'no' });
  await assert.rejects(proposing, refusedWith(/forward is "no", must be true or false/));
  for (const index of [undefined, '5', Number.NaN, -1, 1.5, Number.POSITIVE_INFINITY, null]) {
    await assert.rejects(call('waitForApplied', index), refusedWith(/index is .*commitIndex/));
  }
});
