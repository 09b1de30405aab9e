/**
 * `npm run verify` runs this: every import of every tracked source file against the table of layers
 * (house/layer-table.ts). Imports point down only; packages must be ones that users also install.
 *
 * It must never resolve modules: a relative path and the table say all there is to know.
 */

import { isBuiltin } from 'node:module';
import { posix } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Layer, layerOf } from './house/layer-table.js';
import { applyExemptions, type Exemption, type Problem, reportProblems } from './house/problem.js';
import { type ImportedModule, importsOf, readSource } from './house/source-text.js';
import { isSource, readTracked, trackedFiles } from './house/tracked-files.js';

const RULE = 'layers';

const EXEMPTIONS: readonly Exemption[] = [
  {
    path: 'workers/dev-boot.mjs',
    rule: RULE,
    reason: 'starts a worker from source through tsx, in development and tests; never published',
  },
];

export interface Packages {
  readonly name: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

/** `@scope/name/file` and `name/file` → the package's name. */
function packageName(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

function withinProject(path: string, layer: Layer, specifier: string): string | undefined {
  const target = posix.join(posix.dirname(path), specifier).replace(/\.js$/, '.ts');
  // Not a source file of the house (a JSON file, the project's root): no layer to respect.
  if (!/\.(?:ts|mjs)$/.test(target)) return undefined;
  // Tests of several processes run what users run: the compiled build.
  if (target.startsWith('dist/') && layer.development === true) return undefined;
  const reached = layerOf(target);
  if (reached === undefined) return `"${specifier}" lies in no layer: add its folder to the table`;
  if (reached === layer || layer.mayImport.includes(reached.name)) return undefined;
  const allowed = layer.mayImport.length === 0 ? 'only itself' : layer.mayImport.join(', ');
  return `${layer.name} must not import ${reached.name} ("${specifier}"); it may: ${allowed}`;
}

function outsideProject(layer: Layer, specifier: string, packages: Packages): string | undefined {
  if (layer.outside === false) return `${layer.name} imports nothing from outside: "${specifier}"`;
  if (isBuiltin(specifier)) {
    const kept = layer.outside.not.includes(specifier.replace(/^node:/, ''));
    return kept
      ? `${layer.name} must stay without "${specifier}": take it by interface`
      : undefined;
  }
  const name = packageName(specifier);
  const installed = { ...packages.dependencies, ...packages.optionalDependencies };
  const known = name in installed || name in (packages.peerDependencies ?? {});
  if (known || name === packages.name || layer.development === true) return undefined;
  return `"${name}" is not in package.json's dependencies, so users do not have it`;
}

/** The problems of one file's imports. */
export function checkLayers(path: string, text: string, packages: Packages): Problem[] {
  const layer = layerOf(path);
  if (layer === undefined) {
    return [{ path, line: 0, rule: RULE, message: 'belongs to no layer: add its folder' }];
  }
  const judge = ({ specifier }: ImportedModule): string | undefined =>
    specifier.startsWith('.')
      ? withinProject(path, layer, specifier)
      : outsideProject(layer, specifier, packages);
  return importsOf(readSource(path, text)).flatMap((imported) => {
    const message = judge(imported);
    return message === undefined ? [] : [{ path, line: imported.line, rule: RULE, message }];
  });
}

function main(): number {
  const packages = JSON.parse(readTracked('package.json')) as Packages;
  const paths = trackedFiles().filter(isSource);
  const problems = paths.flatMap((path) => checkLayers(path, readTracked(path), packages));
  // An exemption for a file that does not exist yet is not an unused one.
  const exemptions = EXEMPTIONS.filter((one) => paths.includes(one.path));
  return reportProblems('layers', applyExemptions(problems, exemptions), paths.length);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) process.exitCode = main();
