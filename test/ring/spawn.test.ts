/**
 * Where worker modules start: from source through the boot module, compiled directly.
 *
 * It runs from source and says nothing of the compiled build, which the live tests use.
 */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import test from 'node:test';
import { spawnWorker, workerEntry } from '../../workers/spawn.js';

test('a compiled caller starts the compiled sibling', () => {
  const entry = workerEntry('file:///app/dist/workers/supervisor.js', 'io-worker');
  assert.equal(entry.url.href, 'file:///app/dist/workers/io-worker.js');
  assert.deepEqual(entry.argv, []);
});

test('a caller that runs from source starts the boot module with the sibling source', () => {
  const entry = workerEntry('file:///app/workers/supervisor.ts', 'io-worker');
  assert.match(entry.url.pathname, /\/workers\/dev-boot\.mjs$/);
  assert.deepEqual(entry.argv, ['file:///app/workers/io-worker.ts']);
});

test('a worker module that does not exist is an error event, not a hang', async () => {
  const worker = spawnWorker(import.meta.url, 'no-such-worker');
  const [error] = (await once(worker, 'error')) as [Error];
  assert.match(error.message, /no-such-worker/);
});
