/**
 * docs/options.md against the engine: every option has one row, and bounds and defaults are those
 * that `resolveOptions` keeps to. What it does when a bound is passed is its own message.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { type EngineOptions, resolveOptions, TIMING_PRESETS } from '../../engine/config.js';
import type { GroupOptions } from '../../engine/config-groups.js';
import { LIMITS } from '../../engine/limits.js';
import { SNAPSHOT_DEFAULTS, SNAPSHOT_RULES } from '../../engine/snapshot-settings.js';
import { tableRows } from './markdown.js';

/** A name that is missing here does not compile. */
const OPTIONS: Readonly<Record<keyof EngineOptions, true>> = {
  nodeId: true,
  clusterId: true,
  listen: true,
  cluster: true,
  join: true,
  groups: true,
  dataDir: true,
  walDir: true,
  syncMode: true,
  batchSyncInterval: true,
  segmentBytes: true,
  maxLogBytes: true,
  arenaBytes: true,
  timing: true,
  electionTimeoutMin: true,
  electionTimeoutMax: true,
  heartbeatInterval: true,
  maxAppendBatchSize: true,
  pipelineEnabled: true,
  pipelineWindow: true,
  enablePreVote: true,
  enableReadIndex: true,
  leaseReads: true,
  leaseDriftPercent: true,
  enableLeadershipTransfer: true,
  snapshot: true,
  workers: true,
  timeoutMs: true,
};
const GROUP_OPTIONS: Readonly<Record<keyof GroupOptions, true>> = {
  name: true,
  machine: true,
  machineOptions: true,
  entryBytesMax: true,
  reads: true,
  replication: true,
  snapshot: true,
};

const machine = new URL('file:///machine.js');
const group = { name: 'g', machine };
const VALID: EngineOptions = { nodeId: 1, cluster: { 1: '127.0.0.1:7001' }, groups: [group] };

/** Which options a row is one of. */
type Place = 'engine' | 'group' | 'snapshot';

interface Row {
  readonly name: string;
  readonly unit: string;
  readonly byDefault: string;
  readonly bounds: string;
  readonly place: Place;
}

/** Fields of `snapshot` are the rows of their section that are no options themselves. */
function placeOf(section: string, name: string): Place {
  if (section === 'Groups') return 'group';
  return section === 'Snapshots' && !(name in OPTIONS) ? 'snapshot' : 'engine';
}

const rows: readonly Row[] = tableRows('docs/options.md')
  .filter(({ cells }) => cells.length === 7)
  .map(({ section, cells }) => {
    const [quoted = '', unit = '', byDefault = '', bounds = ''] = cells;
    const name = quoted.replaceAll('`', '');
    return { name, unit, byDefault, bounds, place: placeOf(section, name) };
  });

function rowOf(name: string): Row {
  const row = rows.find((each) => each.name === name);
  assert.ok(row !== undefined, `docs/options.md has no row ${name}`);
  return row;
}

/** What the engine says against this value of one option. */
function problemWith({ name, place }: Row, value: unknown): string {
  const wrong = {
    engine: { [name]: value },
    group: { groups: [{ ...group, [name]: value }] },
    snapshot: { snapshot: { [name]: value } },
  }[place];
  try {
    resolveOptions({ ...VALID, ...wrong } as EngineOptions);
  } catch (error) {
    return (error as Error).message;
  }
  return '';
}

const number = (value: number): string => value.toLocaleString('en-US');

test('every option has one row, and every row is an option', () => {
  const names = (place: Place): string[] =>
    rows.filter((row) => row.place === place).map(({ name }) => name);
  assert.deepEqual(names('engine').sort(), Object.keys(OPTIONS).sort());
  assert.deepEqual(names('group').sort(), Object.keys(GROUP_OPTIONS).sort());
  assert.deepEqual(names('snapshot').sort(), Object.keys(SNAPSHOT_RULES).sort());
});

test('the bounds are those that the engine names when they are passed', () => {
  for (const row of rows) {
    const message = problemWith(row, '\0');
    const [, min, max] = /must be a whole number from (\d+) to (\d+)/.exec(message) ?? [];
    const [, words] = /must be one of ([\w, -]+)/.exec(message) ?? [];
    if (min !== undefined) {
      assert.equal(row.bounds, `${number(Number(min))} to ${number(Number(max))}`, row.name);
    } else if (words !== undefined) {
      assert.equal(row.bounds.replaceAll('`', ''), words, row.name);
    } else if (/must be true or false/.test(message)) {
      assert.equal(row.bounds, 'true, false', row.name);
    } else assert.doesNotMatch(row.unit, /^(?:ms|bytes|switch|word)$/, `${row.name} has no bounds`);
  }
  assert.ok(rowOf('groups').bounds === `1 to ${LIMITS.groupsMax}`);
});

test('the defaults are those that the engine fills in', () => {
  const resolved = resolveOptions(VALID);
  const filledIn = { ...resolved, ...resolved.groups[0] };
  for (const { name, byDefault, place } of rows) {
    if (place === 'snapshot') continue;
    const value = filledIn[name as keyof typeof filledIn];
    if (byDefault === 'required') {
      assert.ok(name in VALID || name in group, `${name} may be left out`);
    } else if (typeof value === 'number' && name !== 'workers') {
      assert.equal(byDefault, number(value), name);
    } else if (typeof value === 'boolean') assert.equal(byDefault, String(value), name);
    else if (name === 'syncMode' || name === 'timing') assert.equal(byDefault, `\`${value}\``);
  }
  assert.equal(resolved.listen, VALID.cluster?.[1], 'own entry of cluster');
  assert.deepEqual([resolved.dataDir, resolved.walDir, resolved.workers], [null, null, 1]);
});

test('the defaults of snapshots are those that the engine fills in, and none is left out', () => {
  const resolved = resolveOptions(VALID).snapshot;
  assert.deepEqual(resolved, SNAPSHOT_DEFAULTS);
  for (const { name, byDefault } of rows.filter(({ place }) => place === 'snapshot')) {
    const value = resolved[name as keyof typeof resolved];
    const shown = typeof value === 'number' ? number(value) : String(value);
    assert.equal(byDefault, name === 'maxSize' && value === 0 ? 'none' : shown, name);
  }
});

test('the presets are those of the engine, which are the profiles of the guides', () => {
  const presets = tableRows('docs/options.md').filter(({ cells }) => cells.length === 4);
  const written = presets.map(({ cells: [name, heartbeat, election] }) => {
    const [electionTimeoutMin, electionTimeoutMax] = (election ?? '').split(' to ').map(Number);
    const times = { heartbeatInterval: Number(heartbeat), electionTimeoutMin, electionTimeoutMax };
    return [name?.replaceAll('`', ''), times];
  });
  assert.deepEqual(Object.fromEntries(written), TIMING_PRESETS);
});
