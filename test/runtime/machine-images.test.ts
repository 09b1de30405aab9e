/**
 * Images of a machine in the worker: the conformance suite, and that a machine whose running image
 * keeps too much is given no further command until that was pulled.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { EntryKind, entryBytes, writeEntryHeader } from '../../codec/entry.js';
import {
  type HostEvents,
  InWorkerHost,
  type MachineHost,
} from '../../engine/runtime/machine-host.js';
import type { ApplyBatch, StateMachine } from '../../engine/state-machine.js';
import { type Imaging, imagesSuite, TextMachine } from '../conformance/images.suite.js';
import { sessionsSuite } from '../conformance/sessions.suite.js';
import { apply as applyTo, keyValue, set } from '../machines/kv-harness.js';

function apply(host: MachineHost, first: number, commands: readonly string[]): void {
  const buffer = Buffer.alloc(commands.reduce((sum, each) => sum + entryBytes(each.length), 0));
  const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
  let at = 0;
  for (const command of commands) {
    const start = writeEntryHeader(view, at, EntryKind.command, command.length, 1000);
    buffer.write(command, start, 'latin1');
    at += entryBytes(command.length);
  }
  const slab = { buffer, view, start: 0, end: at, first, term: 1 };
  host.apply(slab, first + commands.length - 1, []);
}

function make(events: HostEvents, imaging: Imaging) {
  const machine = new TextMachine();
  const applied = {
    apply(batch: ApplyBatch): void {
      while (batch.next()) machine.add(batch.data);
    },
    query: (query: Uint8Array) => query,
    snapshot: () => machine.snapshot(),
    restore: () => machine.restore(),
    ...imaging,
  };
  for (const name of ['snapshot', 'restore'] as const) {
    if (applied[name] === null) Object.assign(applied, { [name]: undefined });
  }
  const host = new InWorkerHost(applied as unknown as StateMachine);
  host.attach(events);
  return { machine, host, run: () => {} };
}

imagesSuite('in the worker', make, apply);
sessionsSuite('in the worker', make);

/** Each command leaves 3 MiB for the running image; a pull takes 4 MiB of them. */
class Backlog {
  readonly applied: number[] = [];
  readonly host: InWorkerHost;
  bytes = 0;
  given = 0;

  constructor() {
    const take = (): void => {
      this.bytes = Math.max(0, this.bytes - 4 * 1024 * 1024);
    };
    const machine = {
      apply: (batch: ApplyBatch) => {
        while (batch.next()) {
          this.given += 1;
          this.bytes += 3 * 1024 * 1024;
        }
      },
      *snapshot() {
        for (;;) {
          take();
          yield new Uint8Array(1);
        }
      },
      imageBacklogBytes: () => this.bytes,
    };
    this.host = new InWorkerHost(machine as unknown as StateMachine);
    this.host.attach({
      applied: (last: number) => this.applied.push(last),
      image: () => {},
    } as unknown as HostEvents);
  }
}

const TEN = Array.from({ length: 10 }, String);

test('a machine whose image keeps too much waits in the middle of a slab until it was pulled', () => {
  const on = new Backlog();
  on.host.beginImage();
  on.host.pullImage();
  apply(on.host, 1, TEN);
  assert.deepEqual([on.given, on.applied], [3, []]);
  assert.deepEqual([on.host.waitsForImage, on.host.canGoOn], [true, false]);
  on.host.goOn();
  assert.equal(on.given, 3, 'it waits');
  on.host.pullImage();
  assert.equal(on.host.canGoOn, true);
  on.host.goOn();
  assert.equal(on.given, 5);
  while (on.applied.length === 0) {
    on.host.pullImage();
    on.host.goOn();
    assert.ok(on.bytes <= 11 * 1024 * 1024);
  }
  assert.deepEqual([on.given, on.applied], [10, [10]]);
});

test('an image that is abandoned holds nothing back, and neither does none', () => {
  const on = new Backlog();
  on.host.beginImage();
  apply(on.host, 1, TEN);
  assert.equal(on.host.canGoOn, false);
  on.host.endImage();
  assert.equal(on.host.canGoOn, true);
  on.host.goOn();
  apply(on.host, 11, TEN);
  assert.deepEqual(on.applied, [10, 20]);
});

test('all keys overwritten in one slab: the key-value machine keeps 8 MiB of them and waits', () => {
  const machine = keyValue();
  const keys = Array.from({ length: 300 }, (_, i) => `key:${i}`);
  applyTo(machine, ...keys.map((key) => set(key, 'before'.repeat(10_000))));
  const digest = machine.digest();
  const host = new InWorkerHost(machine);
  const restored = keyValue();
  const restoration = restored.restore();
  let applied = 0;
  let isOver = false;
  host.attach({
    applied: (last: number) => {
      applied = last;
    },
    image: (chunk: Uint8Array | null) => {
      isOver = chunk === null;
      if (chunk !== null) restoration.chunk(chunk);
    },
  } as unknown as HostEvents);
  host.beginImage();
  const commands = keys.map((key) => set(key, 'after').toString('latin1'));
  apply(host, 1, commands);
  let most = 0;
  while (!isOver) {
    most = Math.max(most, machine.imageBacklogBytes());
    host.pullImage();
    if (host.canGoOn) host.goOn();
  }
  restoration.finish();
  assert.equal(applied, 300);
  assert.ok(most > 8 * 1024 * 1024 && most < 9 * 1024 * 1024, `${most} bytes were kept`);
  assert.equal(restored.digest(), digest);
  assert.notEqual(machine.digest(), digest);
});
