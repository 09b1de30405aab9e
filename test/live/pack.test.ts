/**
 * The published package: `npm pack`, installed into an empty project, imported and run there.
 *
 * It needs the package registry for the dependencies, as any user does. Nothing of the repository
 * but the tarball is used, so a file that is missing from it is noticed here.
 */

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import test, { after, before } from 'node:test';
import { freePorts } from './processes.js';
import { array, bulk, RawClient } from './raw-client.js';

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

const WORKER_PROGRAM = `
import { Engine } from 'ringraft';
const engine = await Engine.open({
  nodeId: 1,
  cluster: { 1: '127.0.0.1:0' },
  groups: [{ name: 'counters', machine: new URL('./counter-machine.js', import.meta.url) }],
});
const counters = engine.group('counters');
await counters.waitForLeader();
await counters.propose(Buffer.from('visits'));
console.log('visits', Buffer.from(await counters.read(Buffer.from('visits'))).toString());
console.log('runs in', counters.status().machine);
await engine.close();
`;

/** As a user of the types writes it; every type in it is inferred from the declarations. */
const TYPED_PROGRAM = `
import { Engine, type EngineOptions, RingraftError } from 'ringraft';
const options: EngineOptions = { nodeId: 1, cluster: { 1: '127.0.0.1:7001' }, groups: [] };
const engine: Engine = await Engine.open(options);
const answer: Uint8Array = await engine.group('kv').read(Buffer.from('key'), { timeoutMs: 100 });
export const failed = (error: unknown): boolean => error instanceof RingraftError && !answer.length;
`;

const TSCONFIG = {
  compilerOptions: {
    ...{ target: 'ES2022', module: 'NodeNext', moduleResolution: 'NodeNext', strict: true },
    ...{ noEmit: true, skipLibCheck: false, exactOptionalPropertyTypes: true },
    ...{ types: ['node'], typeRoots: [join(ROOT, 'node_modules/@types')] },
  },
  files: ['main.ts'],
};

let directory = '';

function install(): void {
  directory = mkdtempSync(join(tmpdir(), 'ringraft-pack-'));
  const packed = run('npm', ['pack', '--ignore-scripts', '--pack-destination', directory], ROOT);
  const tarball = packed.trim().split('\n').at(-1) as string;
  assert.ok(readdirSync(directory).includes(tarball));
  write('package.json', '{"name":"empty","type":"module"}');
  run('npm', ['install', '--no-audit', '--no-fund', join(directory, tarball)], directory);
}

function write(name: string, text: string): void {
  writeFileSync(join(directory, name), text);
}

before(install);
after(() => rmSync(directory, { recursive: true, force: true }));

test('the packed package imports and runs in an empty project', () => {
  write('main.js', PROGRAM);
  assert.match(run(process.execPath, ['main.js'], directory), /^visits 2$/m);
  const command = join(directory, 'node_modules/.bin/ringraft');
  assert.match(run(command, ['--version'], directory), /\d+\.\d+\.\d+/);
  assert.match(run(command, ['--help'], directory), /load/);
});

test('a state machine module runs in a worker of the installed package', () => {
  cpSync(join(ROOT, 'examples/counter-machine.js'), join(directory, 'counter-machine.js'));
  write('worker.js', WORKER_PROGRAM);
  const output = run(process.execPath, ['worker.js'], directory);
  assert.match(output, /^visits 1\nruns in worker$/m);
});

test('the installed command serves: one SET and one GET', async () => {
  const [peers, clients] = (await freePorts(2)) as [number, number];
  const server = spawn(
    join(directory, 'node_modules/.bin/ringraft'),
    [
      ...['server', '--listen', `127.0.0.1:${peers}`, '--node', '1'],
      ...['--client', String(clients), '--data', './data'],
    ],
    { cwd: directory, stdio: ['ignore', 'pipe', 'inherit'] },
  );
  try {
    let output = '';
    for await (const chunk of server.stdout) {
      output += String(chunk);
      if (output.includes('Commands: ')) break;
    }
    const client = new RawClient(clients);
    let reply = await client.ask(array('SET', 'packed', 'yes'));
    while (/no leader/.test(reply)) reply = await client.ask(array('SET', 'packed', 'yes'));
    assert.equal(reply, '+OK\r\n');
    assert.equal(await client.ask(array('GET', 'packed')), bulk('yes'));
    client.close();
  } finally {
    server.kill('SIGTERM');
    await once(server, 'exit');
  }
});

test('a TypeScript project checks against the installed declarations, all of them', () => {
  write('main.ts', TYPED_PROGRAM);
  write('tsconfig.json', JSON.stringify(TSCONFIG));
  run(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', '.'], directory);
});

test('every source map of the package holds its sources, and every one that is named is there', () => {
  const root = join(directory, 'node_modules/ringraft/dist');
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' });
  const maps = files.filter((name) => name.endsWith('.map'));
  assert.ok(maps.length > 100);
  for (const name of maps) {
    const map = JSON.parse(readFileSync(join(root, name), 'utf8')) as {
      sources: string[];
      sourcesContent?: (string | null)[];
    };
    assert.equal(map.sourcesContent?.length, map.sources.length, name);
    assert.ok(
      map.sourcesContent?.every((text) => typeof text === 'string'),
      name,
    );
  }
  for (const name of files.filter((one) => /\.(?:js|d\.ts)$/.test(one))) {
    const named = /^\/\/# sourceMappingURL=(.+)$/m.exec(
      readFileSync(join(root, name), 'utf8'),
    )?.[1];
    if (named !== undefined) assert.ok(existsSync(join(root, dirname(name), named)), name);
  }
});
