/**
 * Reads the tables of a page of `docs/`: rows by section, cells as text. It judges nothing.
 */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../../tools/house/tracked-files.js';

export interface TableRow {
  /** The heading above the table. */
  readonly section: string;
  readonly cells: readonly string[];
}

/** Every row of every table, without head rows and rules. `\|` in a cell is a bar. */
export function tableRows(path: string): TableRow[] {
  const rows: TableRow[] = [];
  let section = '';
  const lines = readFileSync(join(ROOT, path), 'utf8').split('\n');
  for (const [at, line] of lines.entries()) {
    if (line.startsWith('#')) section = line.replace(/^#+ /, '');
    const isHead = lines[at + 1]?.startsWith('|---') === true;
    if (!line.startsWith('|') || line.startsWith('|---') || isHead) continue;
    const cells = line.slice(1, -1).split(/(?<!\\)\|/);
    rows.push({ section, cells: cells.map((cell) => cell.trim().replaceAll('\\|', '|')) });
  }
  return rows;
}
