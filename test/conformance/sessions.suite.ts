/**
 * What every host must do alike with client sessions: the one in the worker and the one on the main
 * thread, each seen from the runtime. A command is applied once; image and table are of one entry.
 *
 * This file must never ask which host it drives.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SnapshotSection } from '../../codec/snapshot-section.js';
import type { HostEvents } from '../../engine/runtime/machine-host.js';
import { closing, inSession, opening, plain, slabOf } from '../runtime/session-entries.js';
import type { HostUnderTest, MakeHost } from './images.suite.js';

interface Chunk {
  readonly section: SnapshotSection;
  readonly bytes: Buffer;
}

class Bench {
  readonly under: HostUnderTest;
  readonly chunks: Chunk[] = [];
  last = 0;
  #isOver = false;

  constructor(make: MakeHost) {
    const events = {
      applied: (last: number) => {
        this.last = last;
      },
      failed: (_: number, cause: unknown) => assert.fail(String(cause)),
      image: (chunk: Uint8Array | null, section: SnapshotSection) => {
        this.#isOver = chunk === null;
        if (chunk !== null) this.chunks.push({ section, bytes: Buffer.from(chunk) });
      },
      imageFailed: (cause: unknown) => assert.fail(String(cause)),
      restoredChunk: () => {},
      restored: (last: number) => {
        this.last = last;
      },
    };
    this.under = make(events as unknown as HostEvents, {});
  }

  get texts(): readonly string[] {
    return this.under.machine.texts;
  }

  apply(...entries: Buffer[]): void {
    const last = this.last + entries.length;
    this.under.host.apply(slabOf(this.last + 1, entries), last, []);
    this.under.run();
    assert.equal(this.last, last);
  }

  takeImage(between: () => void = () => {}): void {
    const { host, run } = this.under;
    host.beginImage();
    run();
    while (!this.#isOver) {
      between();
      host.pullImage();
      run();
    }
  }

  restore(chunks: readonly Chunk[], last: number): void {
    const { host, run } = this.under;
    host.beginRestore();
    for (const { section, bytes } of chunks) {
      host.restoreChunk(bytes, section);
      run();
    }
    host.finishRestore(last, 1);
    run();
  }
}

/** Registers the whole suite for one kind of host. */
export function sessionsSuite(kind: string, make: MakeHost): void {
  test(`${kind}: a command that comes twice is applied once, whoever waits for it`, () => {
    const bench = new Bench(make);
    bench.apply(plain('before'), opening(), inSession(2, 1, 'one'), inSession(2, 1, 'one'));
    bench.apply(inSession(2, 2, 'two'), inSession(2, 1, 'one'), inSession(9, 1, 'nobody'));
    assert.deepEqual(bench.texts, ['before', 'one', 'two']);
    assert.equal(bench.under.host.sessions, 1);
    bench.apply(closing(2), inSession(2, 3, 'too late'), plain('after'));
    assert.deepEqual(bench.texts, ['before', 'one', 'two', 'after']);
    assert.equal(bench.under.host.sessions, 0);
  });

  test(`${kind}: an image begins with the sessions, as of the entry that it covers`, () => {
    const bench = new Bench(make);
    bench.apply(opening(), inSession(1, 1, 'one'), opening());
    bench.takeImage(() => bench.apply(inSession(1, bench.last, `later ${bench.last}`)));
    const sections = bench.chunks.map(({ section }) => section);
    assert.deepEqual(sections, [...sections].sort().reverse(), 'the sessions come first');
    assert.ok(sections.includes(SnapshotSection.sessions));
    assert.ok(sections.includes(SnapshotSection.machine));
    const other = new Bench(make);
    other.apply(opening(), inSession(1, 7, 'of another past'));
    other.restore(bench.chunks, 3);
    assert.equal(other.under.host.sessions, 2);
    other.apply(inSession(1, 1, 'one'), inSession(1, 3, 'later 3'), inSession(3, 1, 'new'));
    assert.deepEqual(other.texts, ['one', 'later 3', 'new']);
  });

  test(`${kind}: without sessions an image is the machine's alone, and restoring it ends them`, () => {
    const bench = new Bench(make);
    bench.apply(plain('one'));
    bench.takeImage();
    assert.ok(bench.chunks.every(({ section }) => section === SnapshotSection.machine));
    const other = new Bench(make);
    other.apply(opening());
    other.restore(bench.chunks, 1);
    assert.equal(other.under.host.sessions, 0);
    other.apply(inSession(1, 1, 'nobody'));
    assert.deepEqual(other.texts, ['one']);
  });
}
