/**
 * Groups keep their log by name: a restart may name them in any order and add to them, and is
 * refused when it leaves one out.
 *
 * One node on a real data directory; its machines are callbacks on this thread.
 */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import type { HostedMachine } from '../../engine/hosted-machine.js';
import { Engine } from '../../engine/index.js';

function lastCommand(): HostedMachine {
  let last = Buffer.alloc(0);
  return {
    apply: ({ data }) => {
      last = Buffer.from(data);
    },
    query: () => last,
  };
}

function open(dataDir: string, names: readonly string[]): Promise<Engine> {
  return Engine.open({
    nodeId: 1,
    cluster: { 1: '127.0.0.1:0' },
    dataDir,
    segmentBytes: 8 * 1024 * 1024,
    groups: names.map((name) => ({ name, machine: lastCommand() })),
  });
}

async function value(engine: Engine, name: string): Promise<string> {
  const group = engine.group(name);
  await group.waitForLeader();
  return Buffer.from(await group.read(Buffer.from('?'))).toString();
}

test('groups are found by name after a restart, and none may be left out', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'ringraft-groups-'));
  try {
    const first = await open(dataDir, ['users', 'orders']);
    for (const name of ['users', 'orders']) {
      await first.group(name).waitForLeader();
      await first.group(name).propose(Buffer.from(`of ${name}`));
    }
    await first.close();
    const second = await open(dataDir, ['carts', 'orders', 'users']);
    assert.equal(await value(second, 'users'), 'of users');
    assert.equal(await value(second, 'orders'), 'of orders');
    assert.equal(await value(second, 'carts'), '');
    await second.close();
    await assert.rejects(open(dataDir, ['users', 'carts']), {
      code: 'ERR_DATA_DIRECTORY',
      message: /holds the groups users, orders, carts.*Name orders too/,
    });
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
});
