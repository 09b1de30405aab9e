/**
 * The files under version control, by path from the project's root, and their text.
 *
 * Untracked files belong to somebody who is still writing them and are never looked at.
 */

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

const SOURCE = /\.(?:ts|mts|mjs|js)$/;

/** Every tracked path that still exists, sorted. */
export function trackedFiles(root: string = ROOT): string[] {
  // A clone made by another user is "dubious" to git; reading its file list is harmless.
  const listed = execFileSync('git', ['-c', 'safe.directory=*', 'ls-files', '-z'], {
    cwd: root,
    encoding: 'utf8',
  });
  const paths = listed.split('\0').filter((path) => path !== '');
  return paths.filter((path) => existsSync(join(root, path))).sort();
}

export function isSource(path: string): boolean {
  return SOURCE.test(path);
}

export function readTracked(path: string, root: string = ROOT): string {
  return readFileSync(join(root, path), 'utf8');
}
