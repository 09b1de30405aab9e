/**
 * Options of an engine: every problem at once with number, rule and remedy, suggestions for names
 * of others, ratios and presets. No engine is opened here.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { type EngineOptions, resolveOptions, TIMING_PRESETS } from '../../engine/config.js';
import { nearestName } from '../../engine/config-names.js';
import { RingraftError } from '../../engine/errors.js';
import { LIMITS } from '../../engine/limits.js';
import { SECTOR_BYTES } from '../../io/wal/segment-format.js';

const machine = new URL('file:///machines/counter.js');
const VALID: EngineOptions = {
  nodeId: 1,
  cluster: { 1: '127.0.0.1:7001' },
  groups: [{ name: 'counters', machine }],
};

function problemsOf(changed: object): string {
  try {
    resolveOptions({ ...VALID, ...changed } as EngineOptions);
  } catch (error) {
    assert.ok(error instanceof RingraftError);
    assert.equal(error.code, 'ERR_INVALID_OPTIONS');
    return error.message;
  }
  throw new Error('nothing was refused');
}

test('defaults are the ones of the guides, and what measurement found best', () => {
  const resolved = resolveOptions(VALID);
  const { heartbeatInterval, electionTimeoutMin, electionTimeoutMax } = resolved;
  assert.deepEqual([heartbeatInterval, electionTimeoutMin, electionTimeoutMax], [50, 150, 300]);
  assert.equal(resolved.listen, '127.0.0.1:7001');
  assert.equal(resolved.syncMode, 'always');
  assert.equal(resolved.workers, 1);
  assert.equal(resolved.groups[0]?.entryBytesMax, 1024 * 1024);
  assert.equal(resolved.dataDir, null);
});

test('every problem is reported at once, whatever kind it is', () => {
  const message = problemsOf({
    nodeId: 0,
    heartbeatIntervall: 10,
    syncMode: 'sometimes',
    electionTimeoutMin: 100,
    electionTimeoutMax: 900,
    cluster: { 1: 'nowhere', two: '127.0.0.1:7002' },
    groups: [{ name: 'a', machine }, { name: 'a' }, null],
    walDir: '/fast',
  });
  for (const expected of [
    'nodeId is 0, must be a whole number from 1',
    'heartbeatIntervall is not an option; did you mean heartbeatInterval?',
    'syncMode is "sometimes", must be one of always, batch, none',
    'electionTimeoutMin is 100, must be at least 3 × heartbeatInterval (50) = 150',
    'electionTimeoutMax is 900, must be at most 2 × electionTimeoutMin (100) = 200',
    'cluster[1] is "nowhere", must be host:port',
    'cluster names node "two", ids are whole numbers from 1',
    'groups[1].name "a" is used twice',
    'groups[1].machine is missing',
    'groups[2] is null',
    'walDir is given without dataDir',
  ]) {
    assert.ok(message.includes(expected), `${expected}\nis missing in\n${message}`);
  }
});

test('a misspelt name is answered with the one it means, a foreign one with none', () => {
  const known = ['heartbeatInterval', 'electionTimeoutMin', 'electionTimeoutMax', 'dataDir'];
  assert.equal(nearestName('heartbeat', known), 'heartbeatInterval');
  assert.equal(nearestName('electionTimeoutmin', known), 'electionTimeoutMin');
  assert.equal(nearestName('electionTimoutMax', known), 'electionTimeoutMax');
  assert.equal(nearestName('datadir', known), 'dataDir');
  assert.equal(nearestName('colour', known), null);
});

test('a name of the guides that is no option here is answered with what does its work', () => {
  const rows: readonly (readonly [string, RegExp])[] = [
    ['bindAddress', /give listen: 'host:port'/],
    ['port', /give listen: 'host:port'/],
    ['peers', /give cluster/],
    ['maxConnections', /--max-clients/],
    ['connectionTimeout', /--idle-timeout/],
    ['snapshotThreshold', /give it as snapshot: \{ threshold \}/],
    ['snapshotChunkSize', /give it as snapshot: \{ chunkSize \}/],
    ['maxLogSize', /give it as maxLogBytes/],
    ['minInterval', /give it as snapshot: \{ minInterval \}/],
    ['maxSize', /give it as snapshot: \{ maxSize \}/],
    ['compressionEnabled', /give it as snapshot: \{ compression \}/],
    ['compressionLevel', /LZ4 has one level here/],
    ['max_in_snapshot_log_to_keep', /give it as snapshot: \{ trailingEntries \}/],
    ['purge_batch_size', /whole segments/],
    ['onSnapshotCreate', /snapshot\(\) is a method of the group's machine/],
    ['onStateChange', /group\.on\('role'/],
    ['onLeaderChange', /group\.on\('leader'/],
    ['onCommit', /group\.on\('commit'/],
    ['onMembershipChange', /status\(\)\.members/],
    ['replicationMode', /replication of a group, or of a call/],
    ['tcpNoDelay', /leave it out/],
    ['userShards', /sharding is not there yet/],
  ];
  for (const [name, remedy] of rows) {
    const message = problemsOf({ [name]: 1 });
    assert.match(message, new RegExp(`: ${name} is not an option: `));
    assert.match(message, remedy);
    assert.doesNotMatch(message, /did you mean/);
  }
  assert.doesNotMatch(problemsOf({ colour: 1 }), /did you mean|option:/);
  assert.match(problemsOf({ timing: 'high-latency' }), /"high-latency" is "wide-area" here/);
  assert.match(problemsOf({ syncMode: 'KRAFT_SYNC_BATCH' }), /"KRAFT_SYNC_BATCH" is "batch" here/);
});

test('members whose addresses are too long together are refused with their bytes and the remedy', () => {
  const clusterOf = (count: number) =>
    Object.fromEntries(
      Array.from({ length: count }, (_, at) => [at + 1, `${'h'.repeat(253)}:${7001 + at}`]),
    );
  resolveOptions({ ...VALID, cluster: clusterOf(80) } as EngineOptions);
  const message = problemsOf({ cluster: clusterOf(100) });
  assert.match(message, /cluster names 100 members, \d+ bytes with their addresses, at most 24576/);
  assert.match(message, /name fewer, or give shorter addresses/);
});

test('a name that is none inside snapshot is answered with what does its work there', () => {
  const message = problemsOf({
    snapshot: {
      compressionEnabled: true,
      compressionLevel: 3,
      snapshotThreshold: 5,
      maxLogSize: 1,
      purge_batch_size: 1,
      treshold: 5,
      chunkSize: 70_000,
      retain: 0,
      compression: 'lz4',
    },
  });
  for (const expected of [
    'snapshot.compressionEnabled is not an option: give it as compression',
    'snapshot.compressionLevel is not an option: LZ4 has one level here, its fast one; leave',
    'snapshot.snapshotThreshold is not an option: give it as threshold',
    'snapshot.maxLogSize is not an option: give it as maxLogBytes beside snapshot',
    'snapshot.purge_batch_size is not an option: whole segments',
    'snapshot.treshold is not an option; did you mean threshold?',
    'snapshot.chunkSize is 70000, must be a multiple of 4096, such as 69632',
    'snapshot.retain is 0, must be a whole number from 1 to 100',
    'snapshot.compression is "lz4", must be true or false',
  ]) {
    assert.ok(message.includes(expected), `${expected}\nis missing in\n${message}`);
  }
  assert.equal(resolveOptions({ ...VALID, snapshot: { retain: 3 } }).snapshot.retain, 3);
});

test('presets set all three times, and a single time overrides its own', () => {
  for (const [timing, times] of Object.entries(TIMING_PRESETS)) {
    const resolved = resolveOptions({ ...VALID, timing: timing as keyof typeof TIMING_PRESETS });
    assert.deepEqual({ ...resolved, ...times }, resolved);
  }
  const resolved = resolveOptions({ ...VALID, timing: 'wide-area', heartbeatInterval: 20 });
  assert.equal(resolved.heartbeatInterval, 20);
  assert.equal(resolved.electionTimeoutMin, TIMING_PRESETS['wide-area'].electionTimeoutMin);
  assert.match(problemsOf({ timing: 'low-latency', heartbeatInterval: 20 }), /3 × heartbeat/);
});

test('a segment is whole sectors: anything else is refused with all other problems', () => {
  const message = problemsOf({ segmentBytes: 8 * 1024 * 1024 + 100, syncMode: 'never' });
  assert.match(message, /segmentBytes is 8388708, must be a multiple of 512, such as 8388608/);
  assert.match(message, /syncMode is "never"/);
  assert.match(problemsOf({ segmentBytes: 1024 }), /whole number from 8388608 to 1073741824/);
  const segmentBytes = 8 * 1024 * 1024 + 512;
  assert.equal(resolveOptions({ ...VALID, segmentBytes }).segmentBytes, segmentBytes);
  assert.equal(LIMITS.segmentBytesUnit, SECTOR_BYTES);
});

test('a log has room for four segments at least, and by default', () => {
  const segmentBytes = 16 * 1024 * 1024;
  const message = problemsOf({ segmentBytes, maxLogBytes: 40 * 1024 * 1024 });
  assert.match(message, /maxLogBytes is 41943040, .* 4 × segmentBytes \(16777216\) = 67108864/);
  assert.equal(resolveOptions({ ...VALID }).maxLogBytes, 1024 ** 3);
  const large = 512 * 1024 * 1024;
  assert.equal(resolveOptions({ ...VALID, segmentBytes: large }).maxLogBytes, 4 * large);
});

test('an election timeout range must not be empty', () => {
  const message = problemsOf({ electionTimeoutMin: 200, electionTimeoutMax: 200 });
  assert.match(message, /electionTimeoutMax is 200, must be more than electionTimeoutMin \(200\)/);
});

test('a node must be in its own cluster and listen on host:port', () => {
  assert.match(problemsOf({ nodeId: 7 }), /nodeId 7 is not in cluster \(1\): add its address/);
  assert.match(problemsOf({ listen: '7001' }), /listen is "7001", must be host:port/);
  assert.match(problemsOf({ cluster: {} }), /cluster is empty/);
});

test('a port is at most 65535, and 0 only where no peer has to know it', () => {
  const two = (address: string): object => ({ cluster: { 1: '127.0.0.1:7001', 2: address } });
  assert.match(problemsOf(two('b:65536')), /cluster\[2\] is "b:65536", its port must be from 1 to/);
  assert.match(problemsOf({ listen: ':99999' }), /listen is ":99999", its port must be/);
  assert.match(problemsOf(two('b:0')), /0, any free port, is for a cluster of one node/);
  assert.match(
    problemsOf({ ...two('b:1'), listen: 'a:0' }),
    /listen is "a:0".*for a cluster of one/,
  );
  for (const fine of [{ cluster: { 1: 'a:0' } }, { listen: '[::]:0' }, two('[::1]:65535')]) {
    assert.doesNotThrow(() => resolveOptions({ ...VALID, ...fine }));
  }
});

test('a machine is a URL, an absolute path, or an object with apply and query', () => {
  const withMachine = (value: unknown): object => ({ groups: [{ name: 'g', machine: value }] });
  const message = problemsOf(withMachine('./counter.js'));
  assert.match(message, /new URL\('\.\/counter\.js', import\.meta\.url\)/);
  assert.match(problemsOf(withMachine({ apply() {} })), /an object with apply and query/);
  const path = resolveOptions({ ...VALID, ...withMachine('/m/counter.js') } as EngineOptions);
  assert.equal(String(path.groups[0]?.machine), 'file:///m/counter.js');
  const hosted = { apply() {}, query: (query: Uint8Array) => query };
  assert.doesNotThrow(() => resolveOptions({ ...VALID, groups: [{ name: 'g', machine: hosted }] }));
});

test('machine options that no other thread could get are refused before one starts', () => {
  const groups = [{ name: 'g', machine, machineOptions: { callback: () => 1 } }];
  assert.match(problemsOf({ groups }), /machineOptions cannot be sent to another thread/);
});

test('a group has its own settings of snapshots where it gives some, and those of files never', () => {
  const groups = [
    { name: 'a', machine, snapshot: { threshold: 7, retain: undefined } },
    { name: 'b', machine },
  ];
  const snapshot = { threshold: 50, retain: 3 };
  const given = { ...VALID, groups, snapshot } as unknown as EngineOptions;
  const [a, b] = resolveOptions(given).groups.map((group) => group.snapshot);
  assert.deepEqual([a?.threshold, a?.retain, a?.trailingEntries], [7, 3, 5_000]);
  assert.deepEqual([b?.threshold, b?.retain], [50, 3]);
  const wrong = (own: unknown) => problemsOf({ groups: [{ name: 'a', machine, snapshot: own }] });
  assert.match(wrong({ threshold: 0 }), /groups\[0\]\.snapshot\.threshold is 0, must be a whole/);
  assert.match(
    wrong({ chunkSize: 65_536 }),
    /chunkSize is not an option: .* the same for all groups/,
  );
  assert.match(
    wrong({ treshold: 1 }),
    /snapshot\.treshold is not an option; did you mean threshold\?/,
  );
  assert.match(wrong(7), /groups\[0\]\.snapshot must be an object/);
});

test('there are never more workers than groups, and an undefined option is its default', () => {
  const groups = [1, 2, 3].map((n) => ({ name: `g${n}`, machine, entryBytesMax: undefined }));
  const given = { ...VALID, groups, workers: 16, timeoutMs: undefined } as unknown as EngineOptions;
  const resolved = resolveOptions(given);
  assert.equal(resolved.workers, 3);
  assert.equal(resolved.timeoutMs, 5000);
  assert.equal(resolved.groups[2]?.entryBytesMax, 1024 * 1024);
  assert.equal(resolveOptions({ ...given, workers: 2 }).workers, 2);
});

test('something that is no object at all is refused by the same error', () => {
  assert.throws(() => resolveOptions(null as unknown as EngineOptions), {
    code: 'ERR_INVALID_OPTIONS',
  });
});

test('a group name of more than 255 bytes is refused with its size and the remedy', () => {
  const withName = (name: string) => ({ ...VALID, groups: [{ name, machine }] });
  resolveOptions(withName('é'.repeat(127)));
  assert.throws(() => resolveOptions(withName('é'.repeat(128))), {
    code: 'ERR_INVALID_OPTIONS',
    message: /groups\[0\]\.name is "é{32}…" of 256 bytes, must have at most 255: shorten it/,
  });
});

test('a node that joins needs no members of its own, but an address where it is reached', () => {
  const { cluster: _, ...rest } = VALID;
  const join = { ...rest, join: ['10.0.0.1:5001'], listen: '10.0.0.4:5001' } as EngineOptions;
  const resolved = resolveOptions(join);
  assert.deepEqual([resolved.members, resolved.clusterId], [[], 0]);
  assert.equal(resolveOptions({ ...join, clusterId: 9 }).clusterId, 9);
  const own = { ...join, listen: undefined, cluster: { 1: 'node1:5001' } } as never;
  assert.equal(resolveOptions(own).listen, 'node1:5001');
  const problemsWith = (change: object): string => {
    try {
      resolveOptions({ ...join, ...change } as EngineOptions);
    } catch (error) {
      return (error as Error).message;
    }
    return '';
  };
  assert.match(problemsWith({ join: [] }), /join is empty, must name a member of the cluster/);
  assert.match(
    problemsWith({ join: ['x', 5] }),
    /join\[0\] is "x", must be.*join\[1\] is "5", must/,
  );
  assert.match(problemsWith({ join: ['a:0'] }), /join\[0\] is "a:0", its port must be from 1/);
  assert.match(
    problemsWith({ listen: undefined }),
    /listen is missing: with join nothing else says/,
  );
  assert.match(problemsWith({ listen: 'a:0' }), /listen is "a:0".*peers must know it/);
  const both = { cluster: { 1: 'a:1', 2: 'b:2' } };
  assert.match(problemsWith(both), /cluster names 2 beside join: give one of the two/);
});
