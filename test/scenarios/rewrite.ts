/**
 * Writes the transcripts of all text scenarios, or of those named, as the core produces them now.
 *
 *   node --import tsx test/scenarios/rewrite.ts --rewrite [name.txt …]
 *
 * Without --rewrite it only names the files that would change and exits with 1 when there are some.
 */

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { performFile } from './file.js';
import { Interpreter } from './interpreter.js';

const FOLDER = dirname(fileURLToPath(import.meta.url));

function main(words: readonly string[]): number {
  const writes = words.includes('--rewrite');
  const named = words.filter((word) => !word.startsWith('--')).map((word) => basename(word));
  const files = readdirSync(FOLDER).filter((file) => file.endsWith('.txt'));
  const wanted = named.length === 0 ? files : files.filter((file) => named.includes(file));
  let changed = 0;
  for (const file of wanted) {
    const path = join(FOLDER, file);
    const before = readFileSync(path, 'utf8');
    const interpreter = new Interpreter();
    const after = performFile(before, (command) => interpreter.run(command));
    if (after === before) continue;
    changed += 1;
    process.stdout.write(`${writes ? 'rewritten' : 'differs'}: ${file}\n`);
    if (writes) writeFileSync(path, after);
  }
  return !writes && changed > 0 ? 1 : 0;
}

process.exitCode = main(process.argv.slice(2));
