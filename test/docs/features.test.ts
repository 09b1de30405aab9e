/**
 * docs/features.md as data: the files it names exist, every row names a file and a test that shows
 * it, and every id of the contract stands in one row. What no id asks for has rows with a name.
 */

import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { ROOT } from '../../tools/house/tracked-files.js';
import { type TableRow, tableRows } from './markdown.js';

const PAGE = 'docs/features.md';

/** How many ids each part of the contract has. */
const CONTRACT = {
  ...{ RAFT: 29, LIFE: 20, SM: 15, STO: 14, SNP: 18, MEM: 12, READ: 6, XFER: 7, WIT: 3, MR: 20 },
  ...{ REP: 12, NET: 39, PRO: 11, CLI: 4, API: 27, KV: 11, REPL: 17, SCR: 6, LIVE: 8, FUZ: 3 },
  ...{ OBS: 11, CB: 6, CFG: 11, PERF: 9, KAL: 10, IMP: 10, USE: 10, AMB: 22 },
};

const rows = tableRows(PAGE);
const works = rows.filter(({ section }) => section !== 'Later');
/** Rows of what no part of the contract asks for begin with a name. */
const promised = rows.filter(({ section }) => section !== 'Beyond the contract');

/** `S-RAFT-6, 18, S-MR-1..3` as ids. */
function idsOf({ cells: [text = ''] }: TableRow): string[] {
  let part = '';
  return text.split(', ').flatMap((word) => {
    const match = /^(?:S-([A-Z]+)-)?(\d+)(?:\.\.(\d+))?$/.exec(word);
    assert.ok(match !== null, `"${word}" in "${text}" is no id`);
    const [, named, first, last = first] = match;
    part = named ?? part;
    const numbers = Array.from({ length: Number(last) - Number(first) + 1 }, (_, at) => at);
    return numbers.map((at) => `S-${part}-${Number(first) + at}`);
  });
}

/** What a text sets in backticks and looks like a path. */
function pathsIn(text: string): string[] {
  const quoted = [...text.matchAll(/`([^`\s]+)`/g)].map(([, inner]) => inner as string);
  return quoted.filter((each) => /^[\w.-]+(?:\/[\w.-]+)+$|^[\w-]+\.(?:md|json)$/.test(each));
}

test('every file it names or links to exists', () => {
  const text = readFileSync(join(ROOT, PAGE), 'utf8');
  const links = [...text.matchAll(/\]\(([^)#]+)\)/g)].map(([, to]) => join('docs', to as string));
  const paths = [...pathsIn(text), ...links].filter((path) => path !== 'test/live');
  assert.ok(paths.length > 200);
  for (const path of paths) {
    assert.ok(existsSync(join(ROOT, path)) && statSync(join(ROOT, path)).isFile(), path);
  }
});

test('every row names where it lives and a test that shows it', () => {
  assert.ok(works.length > 80);
  for (const { cells } of works) {
    const [ids, , where = '', shownBy = ''] = cells;
    assert.equal(cells.length, 4, ids);
    assert.ok(pathsIn(where).length > 0, `${ids} lives nowhere`);
    const shows = pathsIn(shownBy);
    assert.ok(shows.length > 0, `${ids} is shown by nothing`);
    for (const path of shows) assert.match(path, /^test\/.*(?:\.test\.ts|\.txt)$/, ids);
  }
});

test('every id of the contract stands in one row and no row has another', () => {
  const expected = Object.entries(CONTRACT).flatMap(([part, count]) =>
    Array.from({ length: count }, (_, at) => `S-${part}-${at + 1}`),
  );
  const found = promised.flatMap(idsOf);
  assert.ok(promised.length < rows.length);
  const twice = found.filter((id, at) => found.indexOf(id) !== at);
  assert.deepEqual(twice, [], 'in two rows');
  assert.deepEqual(
    expected.filter((id) => !found.includes(id)),
    [],
    'in no row',
  );
  assert.deepEqual(
    found.filter((id) => !expected.includes(id)),
    [],
    'not in the contract',
  );
});
