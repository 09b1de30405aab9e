/**
 * Transcripts in pages of `docs/`: what a command printed there, to be held against what it prints
 * now. Numbers, times and places differ from run to run, words do not.
 */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../../tools/house/tracked-files.js';

/** What the page shows below `$ <command> …`, for each such line that begins a block of code. */
export function shownBelow(page: string, command: string): string[] {
  const blocks = readFileSync(join(ROOT, page), 'utf8').split(/^```\w*$/m);
  return blocks
    .filter((_, at) => at % 2 === 1)
    .map((block) => block.trim().split('\n'))
    .filter(([first]) => first?.startsWith(`$ ${command}`))
    .map(([, ...lines]) => lines.join('\n'));
}

/**
 * The same text for runs that differ in numbers, the place of their data, the ends of lines, and in
 * whether a spare segment was ready yet.
 */
export function wordsOf(output: string, data: string): string {
  return output
    .replaceAll(data, 'DATA')
    .replaceAll(/ spare-\S+/g, '')
    .replaceAll(/\d{4}-\d\d-\d\dT[\d-]+Z/g, 'TIME')
    .replaceAll(/\d+/g, '#')
    .replaceAll(/\s+/g, ' ')
    .trim();
}
