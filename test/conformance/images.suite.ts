/**
 * What every host must do alike with the images of a machine: the one in the worker and the one on
 * the main thread, each seen from the runtime.
 *
 * The machine is a list of texts. This file must never ask which host it drives.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HostEvents, MachineHost } from '../../engine/runtime/machine-host.js';
import type { Restoration } from '../../engine/state-machine.js';

/** What a test puts in place of the machine's own. */
export interface Imaging {
  snapshot?: unknown;
  restore?: unknown;
}

/** Each command adds its text; one that is `throw` throws. */
export class TextMachine {
  texts: string[] = [];

  add(data: Uint8Array): void {
    const text = Buffer.from(data).toString();
    if (text === 'throw') throw new Error('told to throw');
    this.texts.push(text);
  }

  /** A generator: its copy is made by the first `next`. */
  *snapshot(): Generator<Uint8Array> {
    for (const text of [...this.texts]) yield Buffer.from(`${text.length}:${text}`);
  }

  restore(): Restoration {
    this.texts = [];
    let image = '';
    return {
      chunk: (bytes) => {
        image += Buffer.from(bytes).toString('latin1');
        if (image.includes('BAD')) throw new Error('this cannot be right');
      },
      finish: () => {
        while (image.length > 0) {
          const colon = image.indexOf(':');
          const end = colon + 1 + Number(image.slice(0, colon));
          if (colon < 0 || end > image.length) throw new Error('the image ends early');
          this.texts.push(image.slice(colon + 1, end));
          image = image.slice(end);
        }
      },
    };
  }
}

export interface HostUnderTest {
  readonly machine: TextMachine;
  readonly host: MachineHost;
  /** Lets both sides do what there is to do. */
  run(): void;
}

/** Makes a host that is attached to `events`, with `imaging` in place of the machine's methods. */
export type MakeHost = (events: HostEvents, imaging: Imaging) => HostUnderTest;

export type Apply = (host: MachineHost, first: number, commands: readonly string[]) => void;

class Bench {
  readonly seen: string[] = [];
  readonly machine: TextMachine;
  readonly host: MachineHost;
  readonly #under: HostUnderTest;
  readonly #apply: Apply;
  #last = 0;
  #arrived: Buffer[] = [];
  #isOver = false;

  constructor(make: MakeHost, apply: Apply, imaging: Imaging = {}) {
    this.#apply = apply;
    this.#under = make(
      {
        applied: (last) => {
          this.#last = last;
        },
        partRefused: () => assert.fail('nobody waits'),
        partDone: () => assert.fail('nobody waits'),
        queried: () => assert.fail('nobody asks'),
        queryFailed: () => assert.fail('nobody asks'),
        failed: (index, cause, during) => this.seen.push(`failed ${index} ${during}: ${cause}`),
        image: (chunk) => {
          this.#isOver = chunk === null;
          if (chunk !== null) this.#arrived.push(Buffer.from(chunk));
        },
        imageFailed: (cause) => {
          this.#isOver = true;
          this.seen.push(`image failed: ${cause}`);
        },
        restoredChunk: () => this.seen.push('chunk'),
        restored: (last) => {
          this.#last = last;
          this.seen.push(`restored ${last}`);
        },
      },
      imaging,
    );
    this.machine = this.#under.machine;
    this.host = this.#under.host;
  }

  run(): void {
    this.#under.run();
  }

  apply(...commands: string[]): void {
    const last = this.#last + commands.length;
    this.#apply(this.host, this.#last + 1, commands);
    this.run();
    if (this.seen.length === 0) assert.equal(this.#last, last);
  }

  begin(): void {
    this.host.beginImage();
    this.#arrived = [];
    this.#isOver = false;
    this.run();
  }

  pull(): void {
    this.host.pullImage();
    this.run();
  }

  /** Pulls to the end; `between` runs before each pull. */
  image(between: () => void = () => {}): Buffer {
    for (let pulls = 0; !this.#isOver; pulls += 1) {
      between();
      this.pull();
      assert.ok(pulls < 10_000, 'an image ends');
    }
    return Buffer.concat(this.#arrived);
  }

  restore(image: Buffer, cut: number, last: number): void {
    this.host.beginRestore();
    for (let at = 0; at < image.length; at += cut) {
      this.host.restoreChunk(image.subarray(at, at + cut));
      this.run();
    }
    this.host.finishRestore(last, 5000);
    this.run();
  }
}

const TEXTS = Array.from({ length: 30 }, (_, i) => `text ${i}`);
const imageOf = (texts: readonly string[]): Buffer =>
  Buffer.from(texts.map((text) => `${text.length}:${text}`).join(''));

/** Registers the whole suite for one kind of host. */
export function imagesSuite(kind: string, make: MakeHost, apply: Apply): void {
  const check = (name: string, body: (bench: Bench) => void, imaging: Imaging = {}): void => {
    test(`${kind}: ${name}`, () => body(new Bench(make, apply, imaging)));
  };

  takingTests(check);
  badMachineTests(check);
  restoringTests(check);
}

type Check = (name: string, body: (bench: Bench) => void, imaging?: Imaging) => void;

function takingTests(check: Check): void {
  check('an image pulled while writes go on shows the state at its beginning', (bench) => {
    bench.apply(...TEXTS);
    bench.begin();
    bench.apply('before the first pull');
    let writes = 0;
    const image = bench.image(() => bench.apply(`meanwhile ${writes++}`));
    assert.equal(image.toString(), imageOf(TEXTS).toString());
    assert.equal(bench.machine.texts.length, TEXTS.length + 1 + writes);
  });

  check('large chunks arrive whole and in order', (bench) => {
    const large = ['a'.repeat(300_000), 'b', 'c'.repeat(65_536)];
    bench.machine.texts.push(...large);
    bench.begin();
    assert.ok(bench.image().equals(imageOf(large)));
  });

  check('an image that is abandoned is released and never answered; another can begin', (bench) => {
    bench.apply(...TEXTS);
    bench.begin();
    bench.pull();
    bench.host.pullImage();
    bench.host.endImage();
    bench.host.endImage();
    bench.apply('more');
    bench.begin();
    assert.equal(bench.image().toString(), imageOf([...TEXTS, 'more']).toString());
    assert.deepEqual(bench.seen, []);
  });

  const released: string[] = [];
  check(
    'the iterator of an abandoned image is ended, and what that throws concerns nobody',
    (bench) => {
      bench.begin();
      bench.host.endImage();
      bench.run();
      assert.deepEqual(released, ['released']);
      bench.apply('goes on');
      assert.deepEqual(bench.seen, []);
    },
    {
      *snapshot() {
        try {
          for (;;) yield Buffer.alloc(100_000);
        } finally {
          released.push('released');
          // biome-ignore lint/correctness/noUnsafeFinally: what a machine might do
          throw new Error('at the end');
        }
      },
    },
  );
}

function badMachineTests(check: Check): void {
  check(
    'a machine that throws in the middle fails its image and nothing else',
    (bench) => {
      bench.apply('one');
      bench.begin();
      bench.image();
      bench.apply('two');
      assert.equal(bench.seen.length, 1);
      assert.match(String(bench.seen[0]), /^image failed: Error: in the middle/);
      assert.deepEqual(bench.machine.texts, ['one', 'two']);
    },
    {
      *snapshot() {
        yield Buffer.alloc(100_000);
        throw new Error('in the middle');
      },
    },
  );

  const rules: [string, unknown, RegExp][] = [
    ['throws', () => assert.fail('at once'), /^image failed: AssertionError.*at once/],
    ['is async', async () => [], /snapshot returned a Promise: it must return the chunks as/],
    ['yields texts', () => ['text'], /snapshot yielded "text": it must return bytes/],
    ['is missing', null, /this state machine has no snapshot\(\): give it one/],
  ];
  for (const [what, snapshot, message] of rules) {
    check(
      `a snapshot() that ${what} fails the image by name, at the first pull`,
      (bench) => {
        bench.begin();
        assert.deepEqual(bench.seen, []);
        bench.image();
        assert.match(String(bench.seen[0]), message);
        bench.apply('goes on');
        assert.equal(bench.seen.length, 1);
      },
      { snapshot },
    );
  }

  check(
    'a machine without restore() says that it cannot take a state',
    (bench) => {
      bench.host.beginRestore();
      bench.run();
      assert.match(String(bench.seen[0]), /^failed 0 restore: .*has no restore\(\): give it one/s);
    },
    { restore: null },
  );
}

function restoringTests(check: Check): void {
  check('an image cut anywhere is restored, and the log goes on behind it', (bench) => {
    const image = imageOf(TEXTS);
    for (const cut of [1, 7, image.length]) {
      bench.seen.length = 0;
      bench.apply('goes');
      bench.seen.length = 0;
      bench.restore(image, cut, 100 * cut);
      assert.deepEqual(bench.machine.texts, TEXTS);
      const chunks = new Array<string>(Math.ceil(image.length / cut)).fill('chunk');
      assert.deepEqual(bench.seen, [...chunks, `restored ${100 * cut}`]);
      assert.equal(bench.host.timeMs, 5000);
    }
    bench.seen.length = 0;
    bench.apply('behind');
    assert.deepEqual(bench.machine.texts, [...TEXTS, 'behind']);
    assert.equal(bench.host.timeMs, 5000, 'the clock goes on from that of the snapshot');
  });

  check('a chunk larger than any record is answered once, when all of it is taken', (bench) => {
    const large = ['x'.repeat(400_000), 'y'];
    bench.restore(imageOf(large), 1_000_000, 9);
    assert.deepEqual(bench.machine.texts, large);
    assert.deepEqual(bench.seen, ['chunk', 'restored 9']);
  });

  check('beginning again abandons the half, and an image that runs', (bench) => {
    bench.apply('old');
    bench.begin();
    bench.host.beginRestore();
    bench.host.restoreChunk(Buffer.from('100:half'));
    bench.run();
    bench.restore(imageOf(['new']), 100, 7);
    assert.deepEqual(bench.machine.texts, ['new']);
    assert.deepEqual(bench.seen, ['chunk', 'chunk', 'restored 7']);
  });

  check('an image refused half-way fails as restoring', (bench) => {
    bench.host.beginRestore();
    bench.host.restoreChunk(Buffer.from('5:ab'));
    bench.run();
    bench.host.restoreChunk(Buffer.from('BAD'));
    bench.run();
    assert.equal(bench.seen[0], 'chunk');
    assert.match(String(bench.seen[1]), /^failed 0 restore: Error: this cannot be right/);
    assert.equal(bench.seen.length, 2);
  });

  check('an image that ends early fails as restoring, with the index it was for', (bench) => {
    bench.restore(Buffer.from('5:ab'), 100, 12);
    assert.match(String(bench.seen[1]), /^failed 12 restore: Error: the image ends early/);
  });

  check('while it restores, nothing is applied, asked or imaged', (bench) => {
    bench.host.beginRestore();
    bench.run();
    assert.throws(() => bench.apply('too early'), /nothing is applied to half a state/);
    const batch = { id: 1, count: 0, queries: Buffer.alloc(0), deadline: 0 };
    assert.throws(() => bench.host.query(batch), /half a state answers no reads/);
    assert.throws(() => bench.host.beginImage(), /has no state to show/);
  });
}
