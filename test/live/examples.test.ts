/**
 * The examples run as a user would run them, twice: the second run finds what the first one wrote.
 *
 * README shows the first example: the text there must be the file's.
 */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import test from 'node:test';

const ROOT = resolve(import.meta.dirname, '../..');
const EMBED = join(ROOT, 'examples/embed.js');

test('the embedding example counts, and goes on counting after a restart', () => {
  const directory = mkdtempSync(join(tmpdir(), 'ringraft-example-'));
  const run = (): string =>
    execFileSync(process.execPath, [EMBED], { cwd: directory, encoding: 'utf8' });
  try {
    assert.equal(run(), 'visits: 1\n');
    assert.equal(run(), 'visits: 2\n');
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

test('the README shows the example as it is', () => {
  const example = readFileSync(EMBED, 'utf8').split('*/\n\n')[1] as string;
  assert.ok(readFileSync(join(ROOT, 'README.md'), 'utf8').includes(`\`\`\`js\n${example}\`\`\``));
});
