/**
 * `npm run verify` runs this: every tracked file against the house rules (house/rules.ts), all
 * problems listed, exit code 1 when there is one. The length of functions is biome's to check
 * (biome.json), which parses; this only scans.
 *
 * It must never change a file; a file with a reason to break a rule is a row of EXEMPTIONS.
 */

import { pathToFileURL } from 'node:url';
import { checkLockFile } from './house/lock-file.js';
import { applyExemptions, type Exemption, type Problem, reportProblems } from './house/problem.js';
import { checkSource, checkText } from './house/rules.js';
import { readSource } from './house/source-text.js';
import { isSource, readTracked, trackedFiles } from './house/tracked-files.js';

const EXEMPTIONS: readonly Exemption[] = [];

/** Problems of one file, exemptions not yet applied. */
export function checkFile(path: string, text: string): Problem[] {
  const problems = checkText(path, text);
  if (path === 'package-lock.json') problems.push(...checkLockFile(path, text));
  return isSource(path) ? [...problems, ...checkSource(readSource(path, text))] : problems;
}

function main(): number {
  const paths = trackedFiles();
  const problems = paths.flatMap((path) => checkFile(path, readTracked(path)));
  return reportProblems('tidy', applyExemptions(problems, EXEMPTIONS), paths.length);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) process.exitCode = main();
