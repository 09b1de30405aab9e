/**
 * The table of layers: imports that point down pass, the forbidden ones are named.
 *
 * One case for each sentence about imports in the house rules.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { LAYERS, layerOf } from '../../tools/house/layer-table.js';
import { importsOf, readSource } from '../../tools/house/source-text.js';
import { checkLayers } from '../../tools/layers.js';

const PACKAGES = { name: 'ringraft', dependencies: { msgpackr: '1' } };

function messages(path: string, ...specifiers: string[]): string[] {
  const text = specifiers.map((one) => `import { x } from '${one}';\n`).join('');
  return checkLayers(path, text, PACKAGES).map(({ message }) => message);
}

function allowed(path: string, specifier: string): boolean {
  return messages(path, specifier).length === 0;
}

test('imports that point down are allowed', () => {
  assert.ok(allowed('engine/raft/leader.ts', './types.js'));
  assert.ok(allowed('codec/frames/peer.ts', '../../engine/raft/types.js'));
  assert.ok(allowed('io/wal/wal.ts', '../../codec/checksum.js'));
  assert.ok(allowed('io/snapshots/snapshot-store.ts', '../disk/disk.js'));
  assert.ok(allowed('io/net/peer-links.ts', '../../engine/raft/message.js'));
  assert.ok(allowed('engine/runtime/group-runtime.ts', '../raft/raft.js'));
  assert.ok(allowed('engine/machines/kv.ts', '../state-machine.js'));
  assert.ok(allowed('workers/consensus-worker.ts', '../engine/runtime/group-runtime.js'));
  assert.ok(allowed('engine/engine.ts', '../workers/supervisor.js'));
  assert.ok(allowed('tools/server/server.ts', '../../engine/index.js'));
  assert.ok(allowed('test/io/wal.test.ts', '../../io/wal/wal.js'));
});

test('imports that point up or sideways are refused', () => {
  for (const [path, specifier] of [
    ['engine/raft/leader.ts', '../errors.js'],
    ['engine/raft/leader.ts', '../../codec/u64.js'],
    ['engine/raft/leader.ts', 'node:assert'],
    ['engine/raft/leader.ts', 'msgpackr'],
    ['codec/entry.ts', '../io/disk/disk.js'],
    ['io/wal/wal.ts', '../../engine/runtime/arena.js'],
    ['io/wal/wal.ts', '../../engine/raft/types.js'],
    ['io/net/peer-links.ts', '../../engine/raft/raft.js'],
    ['io/net/peer-links.ts', '../wal/wal.js'],
    ['io/wal/wal.ts', '../../workers/ring/spsc-ring.js'],
    ['io/snapshots/snapshot-store.ts', '../wal/wal-types.js'],
    ['io/snapshots/snapshot-store.ts', '../../engine/raft/types.js'],
    ['io/disk/disk.ts', '../wal/wal.js'],
    ['engine/runtime/apply.ts', '../../io/wal/wal.js'],
    ['engine/runtime/apply.ts', '../../workers/topology.js'],
    ['engine/machines/kv.ts', '../runtime/apply.js'],
    ['engine/errors.ts', './engine.js'],
    ['workers/io-worker.ts', '../engine/engine.js'],
    ['engine/engine.ts', '../tools/ringraft.js'],
    ['tools/server/server.ts', '../../bench/cluster.js'],
    ['tools/server/server.ts', '../../test/x.js'],
  ] as const) {
    assert.equal(messages(path, specifier).length, 1, `${path} → ${specifier}`);
  }
  const [message] = messages('io/wal/wal.ts', '../../engine/raft/types.js');
  assert.equal(
    message,
    'io must not import vocabulary ("../../engine/raft/types.js"); it may: codec, disk',
  );
});

test('what the simulator replaces is kept out of what it runs', () => {
  for (const builtin of ['node:fs', 'fs', 'node:net', 'node:worker_threads', 'node:timers']) {
    assert.ok(!allowed('engine/runtime/apply.ts', builtin), builtin);
  }
  assert.ok(allowed('io/disk/node-disk.ts', 'node:fs'));
  assert.ok(!allowed('io/wal/wal.ts', 'node:worker_threads'));
  assert.ok(allowed('workers/supervisor.ts', 'node:worker_threads'));
});

test('published layers import only packages that users install', () => {
  assert.ok(allowed('codec/protocols/msgpack.ts', 'msgpackr'));
  assert.ok(allowed('codec/protocols/msgpack.ts', 'msgpackr/pack'));
  assert.ok(!allowed('tools/server/server.ts', 'ioredis'));
  assert.ok(!allowed('io/snapshots/store.ts', '@scope/other/file.js'));
  assert.ok(allowed('test/live/ioredis.test.ts', 'ioredis'));
  assert.ok(allowed('examples/embed.ts', 'ringraft'));
});

test('every form of import is seen, with its line, and prose is not', () => {
  const text = [
    "import a from './a.js';",
    "export * from './b.js';",
    "import './c.js';",
    "const d = await import('./d.js');",
    "new Worker(new URL('./e.js', import.meta.url));",
    'import {',
    '  f,',
    "} from './f.js';",
    "import g from './g.json' with { type: 'json' };",
    "// import x from './comment.js';",
    'const text = "import y from \'./string.js\'";',
  ].join('\n');
  assert.deepEqual(
    importsOf(readSource('x.ts', text)).map(({ specifier, line }) => `${specifier}:${line}`),
    ['./a.js:1', './b.js:2', './c.js:3', './d.js:4', './e.js:5', './f.js:8', './g.json:9'],
  );
});

test('a file in no layer is a problem', () => {
  assert.deepEqual(messages('somewhere/x.ts'), ['belongs to no layer: add its folder']);
  assert.match(messages('engine/engine.ts', '../nowhere/x.js')[0] ?? '', /lies in no layer/);
});

test('the table is sound: layers it names exist, and none imports one that imports it', () => {
  const names = new Map(LAYERS.map((layer) => [layer.name, layer]));
  for (const layer of LAYERS) {
    for (const below of layer.mayImport) {
      assert.ok(names.has(below), below);
      assert.ok(!names.get(below)?.mayImport.includes(layer.name), `${layer.name} ↔ ${below}`);
    }
  }
  assert.equal(layerOf('workers/ring/doorbell.ts')?.name, 'ring');
  assert.equal(layerOf('engine/state-machine.ts')?.name, 'base');
  assert.equal(layerOf('engine/router.ts')?.name, 'face');
  assert.equal(layerOf('tools/tidy.ts')?.name, 'house');
});
