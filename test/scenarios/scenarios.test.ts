/**
 * Every text scenario of this folder: its commands must produce exactly the transcript it holds.
 *
 * After a change that is meant, rewrite.ts writes the new transcripts; review them like code.
 */

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { performFile } from './file.js';
import { Interpreter } from './interpreter.js';

const FOLDER = dirname(fileURLToPath(import.meta.url));

for (const name of readdirSync(FOLDER).filter((file) => file.endsWith('.txt'))) {
  test(`scenario ${name.replace('.txt', '').replaceAll('-', ' ')}`, () => {
    const expected = readFileSync(join(FOLDER, name), 'utf8');
    const interpreter = new Interpreter();
    assert.equal(
      performFile(expected, (command) => interpreter.run(command)),
      expected,
    );
  });
}

test('a scenario file keeps its prose and its commands, whatever its transcript says', () => {
  const text = '# Why.\n\nsay a\nsay b\n----\nwrong\n\nsay nothing\n----\n';
  const run = (command: string): string[] =>
    command === 'say nothing' ? [] : [command.slice('say '.length)];
  const wanted = '# Why.\n\nsay a\nsay b\n----\na\nb\n\nsay nothing\n----\nnothing happens\n';
  assert.equal(performFile(text, run), wanted);
  assert.equal(performFile(wanted, run), wanted);
});
