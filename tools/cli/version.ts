/**
 * The version of the package that is running, as package.json says it.
 *
 * Read when asked, never copied into the code: a number that is written twice is wrong once.
 */

import { readFileSync } from 'node:fs';

/** The version in package.json, found from `dist/tools/cli` as well as from `tools/cli`. */
export function version(): string {
  for (const up of ['../../package.json', '../../../package.json']) {
    try {
      const found: unknown = JSON.parse(readFileSync(new URL(up, import.meta.url), 'utf8'));
      const { name, version: text } = found as { name?: unknown; version?: unknown };
      if (name === 'ringraft' && typeof text === 'string') return text;
    } catch {
      // Not there: the next candidate, or `unknown` below.
    }
  }
  return 'unknown';
}
