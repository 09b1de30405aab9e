/**
 * The house rules that a compiler or a linter does not know, one function each.
 *
 * A rule looks at one file and returns what it found; it must never read another file or the clock.
 * Words that the rules forbid are spelled with a character class here, so that this file is clean.
 */

import { posix } from 'node:path';
import type { Problem } from './problem.js';
import { importsOf, lineAt, type SourceText } from './source-text.js';

const COLUMNS_MAX = 100;
const LINES_MAX = 500;
const HEADER_LINES_MIN = 3;
const HEADER_LINES_MAX = 10;

/** The one file that may park a thread, and the one that may make bytes durable. */
const DOORBELL = 'workers/ring/doorbell.ts';
const FSYNC = 'io/disk/fsync.ts';
const CORE = 'engine/raft/';

type FileRule = (path: string) => Problem[];
type SourceRule = (source: SourceText) => Problem[];
type TextRule = (path: string, text: string) => Problem[];

/** One problem for each match of `pattern` (which must be global) in `searched`. */
function matches(
  source: { path: string; text: string },
  searched: string,
  rule: string,
  pattern: RegExp,
  message: (found: string) => string,
): Problem[] {
  return [...searched.matchAll(pattern)].map((match) => ({
    path: source.path,
    line: lineAt(source.text, match.index),
    rule,
    message: message(match[0].trim()),
  }));
}

/** A test's name is one sentence on one line, which the formatter cannot break. */
const TEST_NAME = /^\s*(?:await )?(?:t\.)?test\(['`"]/;

const columns: SourceRule = ({ path, lines }) =>
  lines.flatMap((line, index) => {
    const width = [...line].length;
    if (width <= COLUMNS_MAX || TEST_NAME.test(line)) return [];
    const message = `${width} columns, at most ${COLUMNS_MAX}: wrap the line`;
    return [{ path, line: index + 1, rule: 'columns', message }];
  });

const fileLength: SourceRule = ({ path, text }) => {
  const count = text.split('\n').length - (text.endsWith('\n') ? 1 : 0);
  if (count <= LINES_MAX) return [];
  const message = `${count} lines, at most ${LINES_MAX}: split it by role`;
  return [{ path, line: 0, rule: 'file-length', message }];
};

/** The lines of the comment that a file opens with; undefined when there is none. */
export function headerOf(source: SourceText): string[] | undefined {
  const body = source.text.startsWith('#!') ? source.lines.slice(1) : source.lines;
  const first = body[0] ?? '';
  if (first.startsWith('//')) {
    const end = body.findIndex((line) => !line.startsWith('//'));
    return body.slice(0, end < 0 ? body.length : end);
  }
  if (!first.startsWith('/*')) return undefined;
  return body.slice(0, body.findIndex((line) => line.includes('*/')) + 1);
}

/** Delimiters and drawings, which take room without being prose. */
const NO_PROSE = /^\s*(?:\/\*+|\*+\/)\s*$|[│─┌└├┬┴═▶◀▲▼]|^\s*\*\s{3,}\S/;

const header: SourceRule = (source) => {
  const at = { path: source.path, line: 1, rule: 'header' };
  const lines = headerOf(source);
  if (lines === undefined) {
    return [{ ...at, message: 'opens without a comment: say what it is and must never do' }];
  }
  const prose = lines.filter((line) => !NO_PROSE.test(line));
  if (lines.length >= HEADER_LINES_MIN && prose.length <= HEADER_LINES_MAX) return [];
  const wanted = `${HEADER_LINES_MIN} to ${HEADER_LINES_MAX}`;
  return [{ ...at, message: `opening comment of ${lines.length} lines, ${wanted} are wanted` }];
};

const anyType: SourceRule = (source) =>
  matches(
    source,
    source.code,
    'any',
    /(?<![.\w$])any(?![\w$])/g,
    () => 'the type `any` hides mistakes: use `unknown` and narrow it',
  );

const unfinished: SourceRule = (source) => [
  ...matches(
    source,
    source.text,
    'unfinished',
    /\b(?:TO[D]O|FIX[M]E|XX[X])\b/g,
    (found) => `"${found}": finish it or open an issue`,
  ),
  ...matches(
    source,
    source.text,
    'unfinished',
    /@ts-(?:ignore|nocheck)\b/g,
    (found) => `"${found}" silences the compiler: repair the type`,
  ),
];

const focusedTests: SourceRule = (source) =>
  matches(
    source,
    source.code,
    'focused-test',
    /\.(?:only|skip)\s*\(|\bonly\s*:\s*true\b|\bskip\s*:\s*true\b/g,
    (found) => `"${found}": a test that cannot run says why, with { skip: reason }`,
  );

const vagueNames: FileRule = (path) =>
  /(?:^|\/)(?:utils?|helpers?|common|misc)(?:\/|\.[a-z]+$)/i.test(path)
    ? [{ path, line: 0, rule: 'vague-name', message: 'name it after what it does' }]
    : [];

const parking: SourceRule = (source) => {
  if (source.path === DOORBELL || source.path.startsWith('test/')) return [];
  return matches(
    source,
    source.code,
    'parking',
    /\bAtomics\s*\.\s*wait\s*\(/g,
    () => `only ${DOORBELL} may park a thread`,
  );
};

const durability: SourceRule = (source) => {
  if (source.path === FSYNC) return [];
  return matches(
    source,
    source.code,
    'durability',
    /\bf(?:data)?sync(?:Sync)?\s*\(|\.datasync\s*\(/g,
    (found) => `"${found}": only ${FSYNC} makes bytes durable`,
  );
};

const IMPURE = new RegExp(
  `(?<![.\\w$#])(?:${[
    'Date',
    'Math\\.random',
    'performance',
    'process',
    'global(?:This)?',
    'console',
    'Buffer',
    'Atomics',
    'SharedArrayBuffer',
    'crypto',
    'fetch',
    'set(?:Timeout|Interval|Immediate)',
    'queueMicrotask',
    'async',
    'await',
    'Promise',
  ].join('|')})(?![\\w$]|\\s*\\??:)`,
  'g',
);

const corePurity: SourceRule = (source) => {
  if (!source.path.startsWith(CORE)) return [];
  const reached = importsOf(source).filter(({ specifier }) => {
    if (!specifier.startsWith('.')) return true;
    return !posix.join(posix.dirname(source.path), specifier).startsWith(CORE);
  });
  return [
    ...matches(
      source,
      source.code,
      'pure-core',
      IMPURE,
      (found) => `"${found}": the core has no clock, chance or promise; ask through Ready`,
    ),
    ...reached.map(({ specifier, line }) => ({
      path: source.path,
      line,
      rule: 'pure-core',
      message: `"${specifier}": the core imports nothing outside ${CORE}`,
    })),
  ];
};

const machinePlaces: TextRule = (path, text) => [
  ...matches(
    { path, text },
    text,
    'machine-path',
    /(?<![\w.~$}/-])\/(?:work|farm|home|root|Users)\/[\w.-]+|\.\.\/share[d]\b/g,
    (found) => `"${found}" exists on one machine only`,
  ),
  ...matches(
    { path, text },
    text,
    'registry',
    /\bregistry\.[\w-]+(?:\.[\w-]+)+|\b_auth[T]oken\b|"resolved"\s*:\s*"http/g,
    (found) => `"${found}": where packages come from is the installer's choice`,
  ),
];

const SOURCE_RULES: readonly SourceRule[] = [
  columns,
  fileLength,
  header,
  anyType,
  unfinished,
  focusedTests,
  parking,
  durability,
  corePurity,
];

/** All problems of one source file. */
export function checkSource(source: SourceText): Problem[] {
  return SOURCE_RULES.flatMap((rule) => rule(source));
}

/** All problems that any tracked text file may have, source or not. */
export function checkText(path: string, text: string): Problem[] {
  return [...vagueNames(path), ...machinePlaces(path, text)];
}
