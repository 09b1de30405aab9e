/**
 * The examples run as a user would run them, and again: the second run finds what the first one
 * wrote.
 *
 * README shows the first example: the text there must be the file's.
 */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import test, { type TestContext } from 'node:test';
import { freePorts, Run, temporaryDirectory } from './processes.js';

const ROOT = resolve(import.meta.dirname, '../..');
const EMBED = join(ROOT, 'examples/embed.js');
const MINIMAL = join(ROOT, 'examples/minimal-server.js');
const PRODUCTION = join(ROOT, 'examples/production-server.js');

test('the embedding example counts, and goes on counting after a restart', () => {
  const directory = mkdtempSync(join(tmpdir(), 'ringraft-example-'));
  const run = (): string =>
    execFileSync(process.execPath, [EMBED], { cwd: directory, encoding: 'utf8' });
  try {
    for (const visits of [1, 2]) {
      const told = `visits: ${visits}\nvisits: ${visits}, as of entry \\d+, by node 1\n`;
      assert.match(run(), new RegExp(`^${told}$`));
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

test('the README shows the example as it is', () => {
  const example = readFileSync(EMBED, 'utf8').split('*/\n\n')[1] as string;
  assert.ok(readFileSync(join(ROOT, 'README.md'), 'utf8').includes(`\`\`\`js\n${example}\`\`\``));
});

test('the minimal server listens, applies a command, and runs until it is interrupted', async (t) => {
  const run = new Run([], {}, MINIMAL);
  t.after(async () => void (await run.stop('SIGKILL')));
  await run.waitFor(/Node 1 listening on port 7001\n[\s\S]*Applying: SET greeting hello\n/);
  assert.ok(run.isRunning);
});

/** Three production servers on the same directories as often as wanted. */
async function production(t: TestContext): Promise<() => Promise<Run[]>> {
  const all: Run[] = [];
  const directory = temporaryDirectory(t, () => Promise.all(all.map((run) => run.stop('SIGKILL'))));
  const ports = await freePorts(3);
  const CLUSTER = ports.map((port) => `127.0.0.1:${port}`).join(',');
  return async () => {
    const runs = ports.map((port, at) => {
      const args = [String(at + 1), String(port), join(directory, String(at + 1))];
      return new Run(args, { env: { ...process.env, CLUSTER } }, PRODUCTION);
    });
    all.push(...runs);
    await Promise.all(
      runs.map((run, at) =>
        run.waitFor(new RegExp(`Node ${at + 1} ready on port ${ports[at]}\\n`)),
      ),
    );
    await Promise.any(runs.map((run) => run.waitFor(/State: leader in term \d+\n/)));
    return runs;
  };
}

test('production servers replicate what each is told, end in order and recover', async (t) => {
  const start = await production(t);
  const first = await start();
  for (const [at, run] of first.entries()) {
    run.child.stdin?.write(`SET key${at + 1} value ${at + 1}\n`);
    await run.waitFor(/\nOK\n/);
  }
  for (const run of first) {
    for (const n of [1, 2, 3]) {
      await run.waitFor(new RegExp(`APPLY \\[\\d+\\]: SET key${n} value ${n}\\n`));
    }
  }
  first[0]?.child.stdin?.write('SET nothing\n');
  await first[0]?.waitFor(/ERR_REJECTED: .*"SET nothing" is neither SET key value nor DEL key/);
  for (const [at, signal] of (['SIGINT', 'SIGTERM', 'SIGTERM'] as const).entries()) {
    const run = first[at] as Run;
    assert.deepEqual(await run.stop(signal), { code: 0, signal: null }, run.output);
    assert.ok(run.output.includes(`Received ${signal}, shutting down...\n`), run.output);
    assert.match(run.output, /Shutdown complete\n$/);
  }
  for (const run of await start()) await run.waitFor(/APPLY \[\d+\]: SET key3 value 3\n/);
});

test('a production server with wrong arguments prints its usage and ends with 1', async (t) => {
  for (const args of [[], ['1', '7001'], ['one', '7001', 'd'], ['1', '7001', 'd', 'more']]) {
    const run = new Run(args, {}, PRODUCTION);
    t.after(async () => void (await run.stop('SIGKILL')));
    assert.deepEqual(await run.ended, { code: 1, signal: null });
    assert.match(run.output, /^Usage: .* <node_id> <port> <data_dir>\n$/);
  }
  const stranger = new Run(['9', '7009', temporaryDirectory(t)], {}, PRODUCTION);
  assert.deepEqual(await stranger.ended, { code: 1, signal: null });
  assert.match(stranger.output, /cannot start: .*nodeId 9 is not in cluster/);
});
