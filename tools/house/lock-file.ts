/**
 * What package-lock.json must hold so that `npm ci` takes it on every machine.
 *
 * npm leaves optional packages of other platforms out of the lock file when the registry it asked
 * did not have them, and then refuses its own lock file. This finds that before a fresh clone does;
 * it must never ask a registry itself.
 */

import type { Problem } from './problem.js';

interface LockedPackage {
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/** Optional packages that the lock file names but has no entry for. */
export function checkLockFile(path: string, text: string): Problem[] {
  const { packages } = JSON.parse(text) as { packages: Record<string, LockedPackage> };
  return Object.values(packages)
    .flatMap(({ optionalDependencies }) => Object.entries(optionalDependencies ?? {}))
    .filter(([name]) => !Object.hasOwn(packages, `node_modules/${name}`))
    .map(([name, version]) => ({
      path,
      line: 0,
      rule: 'lock-file',
      message: `no entry for ${name} ${version}: \`npm ci\` refuses it, add version, os and cpu`,
    }));
}
