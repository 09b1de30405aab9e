/**
 * The rooms of the house and who may import whom: the layers of ARCHITECTURE.md as data.
 *
 * Imports point down only. A new folder needs a row here before its first file; a row may name the
 * layers and the Node modules it is kept from, never a single file.
 */

export interface Layer {
  readonly name: string;
  /** Matches paths from the project's root; the first row that matches owns the file. */
  readonly files: RegExp;
  /** Layers it may import, besides itself. */
  readonly mayImport: readonly string[];
  /** `false`: no Node module and no package at all; a list: these Node modules are kept out. */
  readonly outside: false | { readonly not: readonly string[] };
  /** Not part of what is published to users, so development packages may be imported. */
  readonly development?: true;
}

/** What would tie a layer to real threads, disks, sockets or time, which the simulator replaces. */
const WORLD = ['fs', 'fs/promises', 'net', 'tls', 'worker_threads', 'child_process', 'timers'];
const THREADS = ['net', 'tls', 'worker_threads', 'child_process'];
const FREE = { not: [] } as const;

const CORE = ['vocabulary', 'core'];
const BELOW_WORKERS = [
  ...CORE,
  'codec',
  'ring',
  'disk',
  'snapshots',
  'io',
  'net',
  'base',
  'machines',
  'runtime',
];
const BELOW_FACE = [...BELOW_WORKERS, 'workers'];
const BELOW_TOOLS = [...BELOW_FACE, 'face'];

export const LAYERS: readonly Layer[] = [
  {
    // What replicas say to each other, as types: the core's words, which frames and peers share.
    name: 'vocabulary',
    files: /^engine\/raft\/(?:types|message)\.ts$/,
    mayImport: [],
    outside: false,
  },
  { name: 'core', files: /^engine\/raft\//, mayImport: ['vocabulary'], outside: false },
  { name: 'codec', files: /^codec\//, mayImport: CORE, outside: { not: WORLD } },
  {
    name: 'ring',
    files: /^workers\/ring\//,
    mayImport: ['codec'],
    outside: { not: ['fs', 'net'] },
  },
  {
    // Peers' connections: they carry the core's messages, so they know its words, never its state.
    name: 'net',
    files: /^io\/net\//,
    mayImport: ['vocabulary', 'codec'],
    outside: { not: ['worker_threads'] },
  },
  {
    name: 'disk',
    files: /^io\/disk\//,
    mayImport: ['codec'],
    outside: { not: ['worker_threads'] },
  },
  {
    // Snapshot files: they know a disk and chunks, and nothing of the log or of groups.
    name: 'snapshots',
    files: /^io\/snapshots\//,
    mayImport: ['codec', 'disk'],
    outside: { not: WORLD },
  },
  {
    name: 'io',
    files: /^io\//,
    mayImport: ['codec', 'disk'],
    outside: { not: ['worker_threads'] },
  },
  {
    name: 'base',
    files:
      /^engine\/(?:errors|limits|config|\w+-machine|snapshot-settings|status)(?:[.-][^/]*)?\.ts$/,
    mayImport: [...CORE, 'codec'],
    outside: { not: WORLD },
  },
  {
    name: 'machines',
    files: /^engine\/machines\//,
    mayImport: ['codec', 'base'],
    outside: { not: WORLD },
  },
  {
    name: 'runtime',
    files: /^engine\/runtime\//,
    mayImport: [...CORE, 'codec', 'base'],
    outside: { not: WORLD },
  },
  { name: 'workers', files: /^workers\//, mayImport: BELOW_WORKERS, outside: FREE },
  { name: 'face', files: /^engine\/[^/]+\.ts$/, mayImport: BELOW_FACE, outside: { not: THREADS } },
  {
    // What checks the house and runs its tests; never shipped, and nothing imports it but tests.
    name: 'house',
    files: /^tools\/(?:house\/|(?:tidy|layers|run-tests)\.ts$|bootstrap\.mjs$)/,
    mayImport: [],
    outside: FREE,
    development: true,
  },
  { name: 'tools', files: /^tools\//, mayImport: BELOW_TOOLS, outside: FREE },
  {
    name: 'bench',
    files: /^bench\//,
    mayImport: [...BELOW_TOOLS, 'tools'],
    outside: FREE,
    development: true,
  },
  { name: 'examples', files: /^examples\//, mayImport: ['face'], outside: FREE },
  {
    name: 'test',
    files: /^test\//,
    mayImport: [...BELOW_TOOLS, 'house', 'tools', 'bench', 'examples'],
    outside: FREE,
    development: true,
  },
];

export function layerOf(path: string): Layer | undefined {
  return LAYERS.find((layer) => layer.files.test(path));
}
