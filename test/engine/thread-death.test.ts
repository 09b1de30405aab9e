/**
 * A thread that dies stops the node: by one clear error that names it, with everything that waits
 * answered, the directory free, and the process alive.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { bytes, TestCluster } from './cluster.js';
import { newestThread } from './record-workers.js';

for (const kind of ['io', 'bulk', 'consensus', 'transport']) {
  test(`the death of the ${kind} thread stops the node by name, and it can be opened again`, async () => {
    await using cluster = await TestCluster.start({ nodes: 1, durable: true });
    const engine = cluster.engine(1);
    const group = cluster.group(1);
    await group.propose(bytes('add 1'));
    const errors: Error[] = [];
    group.on('error', (error) => errors.push(error));
    const stopped = new Promise<Error & { code: string }>((resolve) =>
      engine.once('error', resolve),
    );
    const pending = [group.propose(bytes('spin 300')), group.waitForApplied(1e9)];
    const outcomes = Promise.allSettled(pending);
    await newestThread(kind).terminate();
    const error = await stopped;
    assert.equal(error.code, 'ERR_STORAGE');
    assert.match(error.message, new RegExp(`the ${kind} thread died`));
    await outcomes;
    assert.equal(errors.length, 1);
    await assert.rejects(group.propose(bytes('add 1')), { code: 'ERR_STORAGE' });
    await assert.rejects(group.read(bytes('total')), { code: 'ERR_STORAGE' });
    assert.equal(engine.status().failure?.code, 'ERR_STORAGE');
    assert.equal(group.status().inflight, 0);
    await engine.close();
    await cluster.open(1);
    assert.ok(Number(await cluster.group(1).read(bytes('total'))) >= 1);
  });
}
