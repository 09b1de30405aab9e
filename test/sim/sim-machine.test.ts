/**
 * The simulator's machines give images that writes do not disturb, and take them cut anywhere; its
 * deferred host keeps the order of what it is asked and answers no image that is over.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { type HostEvents, InWorkerHost } from '../../engine/runtime/machine-host.js';
import { DeferredHost, SimMachine } from '../../tools/sim/sim-machine.js';
import { apply, set } from '../machines/kv-harness.js';

const KINDS = [
  ['the map', false],
  ['the machine that ships', true],
] as const;

const machineOf = (isShipped: boolean): SimMachine => new SimMachine(() => {}, isShipped);

function filled(isShipped: boolean): SimMachine {
  const machine = machineOf(isShipped);
  for (let i = 0; i < 60; i += 1) apply(machine, set(`key:${i}`, `value ${i}`.repeat(4)));
  return machine;
}

for (const [name, isShipped] of KINDS) {
  test(`${name}: an image shows the state at its beginning and is restored from any cutting`, () => {
    const machine = filled(isShipped);
    const digest = machine.digest();
    const chunks: Buffer[] = [];
    let writes = 0;
    for (const chunk of machine.snapshot()) {
      chunks.push(Buffer.from(chunk));
      apply(machine, set(`key:${writes % 80}`, `changed ${writes++}`));
    }
    assert.ok(chunks.length > 3, `${chunks.length} chunks`);
    assert.notEqual(machine.digest(), digest);
    const image = Buffer.concat(chunks);
    for (const cut of [1, 100, image.length]) {
      const restored = machineOf(isShipped);
      apply(restored, set('before', 'gone'));
      const restoration = restored.restore();
      for (let at = 0; at < image.length; at += cut) {
        restoration.chunk(image.subarray(at, at + cut));
      }
      restoration.finish();
      assert.equal(restored.digest(), digest);
    }
    const half = machineOf(isShipped).restore();
    half.chunk(image.subarray(0, 50));
    assert.throws(() => half.finish());
  });
}

test('a deferred host answers later and in order, and never a pull of an image that is over', () => {
  const machine = filled(false);
  const actions: (() => void)[] = [];
  const seen: string[] = [];
  const host = new DeferredHost(new InWorkerHost(machine), (action) => actions.push(action));
  const run = (): void => {
    for (let action = actions.shift(); action !== undefined; action = actions.shift()) action();
  };
  const images: Buffer[] = [];
  host.attach({
    image: (chunk: Uint8Array | null) => {
      seen.push(chunk === null ? 'complete' : 'chunk');
      if (chunk !== null) images.push(Buffer.from(chunk));
    },
    restoredChunk: () => seen.push('taken'),
    restored: (last: number) => seen.push(`restored ${last}`),
  } as unknown as HostEvents);
  host.beginImage();
  host.pullImage();
  host.endImage();
  host.beginImage();
  run();
  assert.deepEqual(seen, []);
  while (seen.at(-1) !== 'complete') {
    host.pullImage();
    run();
  }
  const digest = machine.digest();
  apply(machine, set('other', 'x'));
  host.beginRestore();
  host.restoreChunk(Buffer.concat(images));
  host.finishRestore(9, 77);
  run();
  assert.deepEqual(seen.slice(-3), ['complete', 'taken', 'restored 9']);
  assert.equal(machine.digest(), digest);
  assert.equal(host.timeMs, 77);
});
