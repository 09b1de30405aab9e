/**
 * The published package: `npm pack`, installed into an empty project, imported and run there.
 *
 * It needs the package registry for the dependencies, as any user does. Nothing of the repository
 * but the tarball is used, so a file that is missing from it is noticed here.
 */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import test from 'node:test';

const ROOT = resolve(import.meta.dirname, '../..');

function run(command: string, args: readonly string[], cwd: string): string {
  return execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

const PROGRAM = `
import { Engine } from 'ringraft';
const values = new Map();
const engine = await Engine.open({
  nodeId: 1,
  cluster: { 1: '127.0.0.1:0' },
  groups: [{
    name: 'counters',
    machine: {
      apply: ({ data }) => {
        const key = Buffer.from(data).toString();
        values.set(key, (values.get(key) ?? 0) + 1);
        return Buffer.from(String(values.get(key)));
      },
      query: (key) => Buffer.from(String(values.get(Buffer.from(key).toString()) ?? 0)),
    },
  }],
});
const counters = engine.group('counters');
await counters.waitForLeader();
await counters.propose(Buffer.from('visits'));
await counters.propose(Buffer.from('visits'));
console.log('visits', Buffer.from(await counters.read(Buffer.from('visits'))).toString());
await engine.close();
`;

test('the packed package installs, imports and runs in an empty project', () => {
  const directory = mkdtempSync(join(tmpdir(), 'ringraft-pack-'));
  try {
    const packed = run('npm', ['pack', '--ignore-scripts', '--pack-destination', directory], ROOT);
    const tarball = packed.trim().split('\n').at(-1) as string;
    assert.ok(readdirSync(directory).includes(tarball));
    writeFileSync(join(directory, 'package.json'), '{"name":"empty","type":"module"}');
    run('npm', ['install', '--no-audit', '--no-fund', join(directory, tarball)], directory);
    writeFileSync(join(directory, 'main.js'), PROGRAM);
    assert.match(run(process.execPath, ['main.js'], directory), /^visits 2$/m);
    const command = join(directory, 'node_modules/.bin/ringraft');
    assert.match(run(command, ['--version'], directory), /\d+\.\d+\.\d+/);
    assert.match(run(command, ['--help'], directory), /load/);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
