/**
 * A copy of the source tree with one mutant in it, under node_modules/.cache, where packages
 * resolve as they do in the project.
 *
 * It must never write outside of that folder. A pattern that is not there exactly once is an error.
 */

import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Mutant } from './mutant.js';

export const ROOT = resolve(import.meta.dirname, '../..');
const COPIES = join(ROOT, 'node_modules/.cache/ringraft-mutants');
/** What the simulator imports; package.json makes the copy an ESM package. */
const SOURCES = ['engine', 'codec', 'io', 'workers', 'tools', 'test/mutants'];
const COPIED = ['package.json', 'tsconfig.json', ...SOURCES];

/** How often the mutant's pattern occurs in its file. */
export function occurrences(mutant: Mutant): number {
  return readFileSync(join(ROOT, mutant.file), 'utf8').split(mutant.find).length - 1;
}

/** Makes the copy and returns its folder. */
export function makeCopy(mutant: Mutant): string {
  const folder = join(COPIES, `${mutant.name}-${process.pid}`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const path of COPIED) cpSync(join(ROOT, path), join(folder, path), { recursive: true });
  const path = join(folder, mutant.file);
  const source = readFileSync(path, 'utf8');
  if (source.split(mutant.find).length !== 2) {
    throw new Error(`${mutant.name}: its pattern must occur exactly once in ${mutant.file}`);
  }
  writeFileSync(
    path,
    source.replace(mutant.find, () => mutant.replace),
  );
  return folder;
}

export function removeCopy(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}
