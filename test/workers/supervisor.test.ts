/**
 * The end of a node's threads: stage after stage, each told only when the one before is gone, each
 * in a time box of its own, and what had to be forced is named.
 */

import assert from 'node:assert/strict';
import test, { beforeEach } from 'node:test';
import { Supervisor } from '../../workers/supervisor.js';
import type { IoThreadData } from '../../workers/thread-data.js';
import { createNodeMemory, StopStage } from '../../workers/topology.js';
import { behave, KINDS, type Kind, takeDeeds } from './stand-in-threads.js';

const CONSENSUS_THREADS = 2;
/** Long enough for an obedient thread on a busy machine; a deaf one takes all of it. */
const PATIENT_MS = 30_000;
const BRIEF_MS = 1500;
const STAGE_OF = { consensus: 1, io: 2, bulk: 2, transport: 3 } as const;

interface Node {
  readonly supervisor: Supervisor;
  readonly stop: Int32Array;
  readonly deaths: string[];
  start(kind: Kind): Promise<unknown>;
}

function makeNode(stageMsMax: number): Node {
  const group = { entryBytesMax: 64, arenaBytesMin: 1024 * 1024 };
  const memory = createNodeMemory([group], CONSENSUS_THREADS, 64 * 1024);
  const deaths: string[] = [];
  const events = { died: (text: string) => deaths.push(text), peer: () => {} };
  const supervisor = new Supervisor(memory, CONSENSUS_THREADS, events, stageMsMax);
  const start = (kind: Kind): Promise<unknown> =>
    supervisor.start({ kind, memory, threadOfGroup: [0] } as unknown as IoThreadData);
  return { supervisor, stop: new Int32Array(memory.stop), deaths, start };
}

async function startAll(stageMsMax: number): Promise<Node> {
  const node = makeNode(stageMsMax);
  for (const kind of ['io', 'bulk', 'consensus', 'consensus', 'transport'] as const) {
    await node.start(kind);
  }
  assert.deepEqual(takeDeeds(), [
    'started io',
    'started bulk',
    'started consensus',
    'started consensus',
    'started transport',
  ]);
  return node;
}

beforeEach(() => {
  for (const kind of KINDS) behave(kind, 'obedient');
  takeDeeds();
});

test('consensus ends first, then io and bulk, then the transport, none before the last is gone', async () => {
  const { supervisor, stop, deaths } = await startAll(PATIENT_MS);
  assert.deepEqual(await supervisor.stop(), []);
  const deeds = takeDeeds();
  const stageOf = (at: number, count: number, ...kinds: Kind[]): void => {
    const stage = deeds.slice(at, at + count);
    const expected = ['told', 'ended'].flatMap((deed) => kinds.map((kind) => `${deed} ${kind}`));
    assert.deepEqual(stage.sort(), expected.sort(), String(deeds));
  };
  stageOf(0, 4, 'consensus', 'consensus');
  stageOf(4, 4, 'io', 'bulk');
  stageOf(8, 2, 'transport');
  assert.equal(deeds.length, 10);
  assert.equal(stop[0], StopStage.transport);
  assert.deepEqual(deaths, [], 'an end that was asked for is no death');
});

for (const deaf of KINDS) {
  test(`a ${deaf} thread that does not listen is forced and named, and the others end in order`, async () => {
    behave(deaf, 'deaf');
    const { supervisor } = await startAll(BRIEF_MS);
    const forced = await supervisor.stop();
    assert.deepEqual(forced, deaf === 'consensus' ? [deaf, deaf] : [deaf]);
    const ended = takeDeeds().filter((deed) => deed.startsWith('ended'));
    const stages = ended.map((deed) => STAGE_OF[deed.slice('ended '.length) as Kind]);
    assert.deepEqual(stages, [...stages].sort(), String(ended));
    assert.equal(ended.length, 5 - forced.length);
    assert.ok(!ended.includes(`ended ${deaf}`));
  });
}

test('when no thread listens, every stage is forced and named in its order', async () => {
  for (const kind of KINDS) behave(kind, 'deaf');
  const { supervisor } = await startAll(50);
  assert.deepEqual(await supervisor.stop(), ['consensus', 'consensus', 'io', 'bulk', 'transport']);
});

test('a thread that never said its first word is ended at once and not waited for', async () => {
  behave('bulk', 'mute');
  const node = makeNode(PATIENT_MS);
  await node.start('io');
  const starting = assert.rejects(node.start('bulk'), /given up/);
  node.supervisor.abandonStart(new Error('given up'));
  await starting;
  await assert.rejects(node.start('consensus'), /given up/, 'none follows');
  assert.deepEqual(await node.supervisor.stop(), []);
  assert.deepEqual(node.deaths, []);
});
