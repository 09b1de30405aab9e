/**
 * Makes a fresh clone ready: `node tools/bootstrap.mjs [clean] [build]`. Installs the packages when
 * they are missing or are not the ones package-lock.json names, then does the steps it was given.
 *
 * It runs before anything is installed, so it is plain JavaScript and must never import a package.
 * It must never reinstall what already matches: other processes may be running from node_modules.
 */

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

function fail(message) {
  process.stderr.write(`bootstrap: ${message}\n`);
  process.exit(1);
}

/** Runs one program in the project's root and ends with its exit code when it fails. */
function run(what, program, parameters) {
  const result = spawnSync(program, parameters, { cwd: ROOT, stdio: ['ignore', 2, 2] });
  if (result.error !== undefined) fail(`${what} could not start: ${result.error.message}`);
  if (result.status !== 0) fail(`${what} failed (exit code ${result.status ?? result.signal})`);
}

/** npm's own copy of the lock file lists what is installed; compare it entry by entry. */
function installedMatchesLock() {
  const installedPath = join(ROOT, 'node_modules', '.package-lock.json');
  if (!existsSync(installedPath)) return false;
  const wanted = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')).packages;
  const installed = JSON.parse(readFileSync(installedPath, 'utf8')).packages;
  return Object.entries(wanted).every(
    ([path, entry]) => path === '' || entry.optional || installed[path]?.version === entry.version,
  );
}

function install() {
  if (installedMatchesLock()) return;
  process.stderr.write('Installing packages (npm ci), once…\n');
  // Under `npm test` npm tells where it is itself; by hand it is on the PATH.
  const npm = process.env.npm_execpath;
  const parameters = ['ci', '--include=dev', '--no-audit', '--no-fund'];
  if (npm?.endsWith('.js')) run('npm ci', process.execPath, [npm, ...parameters]);
  else run('npm ci', 'npm', parameters);
}

const STEPS = {
  clean: () => rmSync(join(ROOT, 'dist'), { recursive: true, force: true }),
  build: () => {
    if (!existsSync(join(ROOT, 'dist'))) process.stderr.write('Building, once…\n');
    run('The build', process.execPath, [
      join(ROOT, 'node_modules/typescript/bin/tsc'),
      ...['-p', 'tsconfig.build.json'],
    ]);
  },
};

const steps = process.argv.slice(2);
for (const step of steps) {
  if (!Object.hasOwn(STEPS, step)) fail(`no step "${step}"; there are: clean, build`);
}
if (!existsSync(join(ROOT, 'package-lock.json'))) fail('package-lock.json is missing');
install();
for (const step of steps) STEPS[step]();
