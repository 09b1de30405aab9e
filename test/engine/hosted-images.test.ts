/**
 * Images of a machine on the main thread: the conformance suite, over rings, through the channel
 * that serves the group's calls as well; and that a full ring only delays an answer.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { EntryKind, entryBytes, writeEntryHeader } from '../../codec/entry.js';
import { Channel } from '../../engine/channel.js';
import type { HostedMachine } from '../../engine/hosted-machine.js';
import { HostedRunner } from '../../engine/hosted-runner.js';
import { createArena } from '../../engine/runtime/arena.js';
import type { HostEvents, MachineHost } from '../../engine/runtime/machine-host.js';
import { HostedMachineHost } from '../../workers/hosted-host.js';
import { OverflowProducer } from '../../workers/ports/overflow.js';
import { readApplied, readFailed } from '../../workers/records/hosted.js';
import { IMAGE_PIECE_BYTES_MAX } from '../../workers/records/hosted-image.js';
import { InboxKind } from '../../workers/records/inbox.js';
import { Doorbell } from '../../workers/ring/doorbell.js';
import { createDoorbells, createRing } from '../../workers/ring/layout.js';
import { RECORD_TAKEN, RingConsumer, RingProducer } from '../../workers/ring/spsc-ring.js';
import { type Imaging, imagesSuite, TextMachine } from '../conformance/images.suite.js';
import { sessionsSuite } from '../conformance/sessions.suite.js';

const RING_BYTES = 1024 * 1024;
const CONTEXT = { groupName: 'g', groupId: 0, nodeId: 1, options: null };

/** Both sides of a hosted machine, joined by rings in one thread. */
class Bench {
  readonly machine = new TextMachine();
  readonly host: HostedMachineHost;
  readonly channel: Channel;
  largestRecord = 0;
  readonly #arena = createArena(RING_BYTES);
  readonly #inbox: RingConsumer;
  readonly #producer: OverflowProducer;

  constructor(events: HostEvents, imaging: Imaging) {
    const inbox = createRing(RING_BYTES);
    const completions = createRing(RING_BYTES);
    this.#inbox = new RingConsumer(inbox);
    this.#producer = new OverflowProducer(new RingProducer(completions));
    const hosted = {
      apply: ({ data }: { data: Uint8Array }) => this.machine.add(data),
      query: (query: Uint8Array) => query,
      snapshot: () => this.machine.snapshot(),
      restore: () => this.machine.restore(),
      ...imaging,
    };
    for (const name of ['snapshot', 'restore'] as const) {
      if (hosted[name] === null) Object.assign(hosted, { [name]: undefined });
    }
    this.channel = new Channel({
      inbox: new RingProducer(inbox),
      completions: new RingConsumer(completions),
      bell: new Doorbell(createDoorbells(1), 0),
      entryBytesMax: RING_BYTES / 16,
      flushSoon: () => {},
      flushLater: () => {},
      hosted: new HostedRunner(hosted as unknown as HostedMachine, CONTEXT, this.#arena, () => {}),
      onEvent: () => {},
    });
    this.host = new HostedMachineHost(this.#arena, this.#producer);
    this.host.attach(events);
  }

  /** The worker's turn; returns the records that came in. */
  work(): number {
    const { bytes, view } = this.#inbox;
    const taken = this.#inbox.drain((kind, at, length) => {
      this.largestRecord = Math.max(this.largestRecord, length);
      if (kind === InboxKind.applied) {
        this.host.onApplied(readApplied(view, at));
      } else if (kind === InboxKind.failed) {
        const { index, text } = readFailed(bytes, view, at, length);
        this.host.onFailed(index, text);
      } else if (kind === InboxKind.image) this.host.images.onImage(bytes, view, at, length);
      else if (kind === InboxKind.restore) this.host.images.onRestore(bytes, view, at, length);
      return RECORD_TAKEN;
    }, 1000);
    this.publish();
    return taken;
  }

  publish(): void {
    this.#producer.publish();
  }

  readonly run = (): void => {
    this.publish();
    while (this.channel.drain() + this.work() > 0);
  };
}

function apply(host: MachineHost, first: number, commands: readonly string[]): void {
  const buffer = Buffer.alloc(commands.reduce((sum, each) => sum + entryBytes(each.length), 0));
  const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
  let at = 0;
  for (const command of commands) {
    buffer.write(command, writeEntryHeader(view, at, EntryKind.command, command.length, 1000));
    at += entryBytes(command.length);
  }
  const slab = { buffer, view, start: 0, end: at, first, term: 1 };
  host.apply(slab, first + commands.length - 1, []);
}

const make = (events: HostEvents, imaging: Imaging): Bench => new Bench(events, imaging);
imagesSuite('on the main thread', make, apply);
sessionsSuite('on the main thread', make);

/** What the runtime sees of images. */
class Seen {
  readonly chunks: Buffer[] = [];
  ended = 0;
  applied = 0;
  readonly events = {
    image: (chunk: Uint8Array | null) => {
      if (chunk === null) this.ended += 1;
      else this.chunks.push(Buffer.from(chunk));
    },
    applied: (last: number) => {
      this.applied = last;
    },
  } as unknown as HostEvents;
}

const READS = { deadline: 1e9, mayForward: true, consistency: 0, behindWrites: false } as const;
/** Less than a piece: where no such read fits any more, no piece does. */
const READ_BYTES = IMAGE_PIECE_BYTES_MAX - 1024;
const NOBODY = { result: () => {}, refused: () => {} };

/** Fills the inbox ring with reads that the worker does not take. */
function flood(bench: Bench): void {
  while (bench.channel.claimRead(READ_BYTES, READS, NOBODY, 0) >= 0);
}

test('a pull brings a piece that every ring has room for; small chunks are gathered', () => {
  const seen = new Seen();
  const bench = new Bench(seen.events, {
    *snapshot() {
      for (let i = 0; i < 100; i += 1) yield Buffer.from('small');
      yield Buffer.alloc(500_000);
    },
  });
  bench.host.beginImage();
  while (seen.ended === 0) {
    bench.host.pullImage();
    bench.run();
  }
  assert.equal(Buffer.concat(seen.chunks).length, 500_500);
  assert.ok(seen.chunks.length < 60, `${seen.chunks.length} pieces`);
  assert.ok(bench.largestRecord <= IMAGE_PIECE_BYTES_MAX + 8, `${bench.largestRecord} bytes`);
});

test('while the inbox is full an answer waits on the main thread, and nothing is lost or doubled', () => {
  const seen = new Seen();
  const image = Buffer.alloc(200_000, 'abcdefg');
  const bench = new Bench(seen.events, { snapshot: () => [image] });
  bench.host.beginImage();
  let waited = 0;
  for (let answers = 0; seen.ended === 0; answers += 1) {
    flood(bench);
    bench.host.pullImage();
    bench.publish();
    bench.channel.drain();
    bench.work();
    if (seen.chunks.length + seen.ended === answers) waited += 1;
    bench.channel.flush();
    bench.run();
    assert.equal(seen.chunks.length + seen.ended, answers + 1);
  }
  assert.ok(Buffer.concat(seen.chunks).equals(image));
  assert.ok(waited >= 3, `${waited} answers waited`);
});

test('an answer that waits for room is dropped with the image that it belonged to', () => {
  const seen = new Seen();
  let made = 0;
  const snapshot = (): Buffer[] => [Buffer.from(`image ${++made}`)];
  const bench = new Bench(seen.events, { snapshot });
  bench.host.beginImage();
  bench.run();
  bench.host.pullImage();
  flood(bench);
  apply(bench.host, 1, ['a']);
  bench.host.images.end();
  bench.host.images.begin();
  bench.host.pullImage();
  bench.run();
  bench.channel.flush();
  bench.run();
  assert.deepEqual([seen.chunks.map(String), seen.applied], [['image 2'], 1]);
});
