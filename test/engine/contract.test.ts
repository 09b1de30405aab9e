/**
 * State machines that break their contract, or bend it, on a node of its own: in the worker and on
 * the main thread. A group stops by name, a read fails alone, and the node goes on.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { bytes, type ClusterOptions, eventually, TestCluster } from './cluster.js';
import { type EngineOptions, type Group, type HostedMachine, LEDGER, Reject } from './compiled.js';

/** A module in a worker, as text. */
function moduleOf(apply: string, query = 'query(query) { return query; },'): URL {
  const text = `export default () => ({ ${apply}, ${query} *snapshot() {}, restore() {} });`;
  return new URL(`data:text/javascript,${encodeURIComponent(text)}`);
}

const ECHO = 'apply(batch) { while (batch.next()) batch.reply(batch.data); }';

type Machine = EngineOptions['groups'][number]['machine'];

/** A node alone is elected by itself: its timing may be as short as it gets. */
const optionsOf = (machine: Machine): ClusterOptions => ({
  nodes: 1,
  groups: [
    { name: 'broken', machine },
    { name: 'sound', machine: LEDGER },
  ],
  options: { timing: 'low-latency' },
});

const start = (machine: Machine): Promise<TestCluster> => TestCluster.start(optionsOf(machine));

const failureOf = (group: Group) =>
  eventually('the group to stop', () => group.status().failure ?? null);

async function isSound(cluster: TestCluster): Promise<void> {
  assert.equal(Number(await cluster.group(1, 'sound').propose(bytes('add 2'))), 2);
  assert.equal(cluster.engine(1).status().failure, null);
}

test('an async apply in a worker acknowledges nothing: its group stops, the index named', async () => {
  for (const body of ['await null; while (batch.next());', 'throw new Error();']) {
    // The first entry of the log, the leader's own, may stop the group before a leader is seen.
    await using cluster = await TestCluster.plan(
      optionsOf(moduleOf(`async apply(batch) { ${body} }`)),
    );
    await cluster.open(1);
    const group = cluster.group(1, 'broken');
    const outcome = await group.propose(bytes('x')).then(String, ({ code }) => code);
    assert.ok(['ERR_STATE_MACHINE', 'ERR_OUTCOME_UNKNOWN'].includes(outcome), outcome);
    const { code, message } = await failureOf(group);
    assert.equal(code, 'ERR_STATE_MACHINE');
    assert.match(message, /apply of entry \d+ threw: TypeError: apply returned a Promise: /);
    await assert.rejects(group.propose(bytes('x')), { code: 'ERR_STATE_MACHINE' });
    await isSound(cluster);
  }
});

test('an async apply on the main thread stops its group, and its rejection is nobody else’s', async () => {
  const apply = async () => {
    throw new Error('never seen');
  };
  const machine = { apply, query: (query: Uint8Array) => query } as unknown as HostedMachine;
  await using cluster = await start(machine);
  const group = cluster.group(1, 'broken');
  const proposing = group.propose(bytes('x'));
  const message = /apply of entry \d+ threw: TypeError: apply returned a Promise: /;
  await assert.rejects(proposing, { code: 'ERR_STATE_MACHINE', message });
  await isSound(cluster);
});

test('a machine in a worker that leaves commands unread stops its group at the first of them', async () => {
  await using cluster = await start(
    moduleOf('apply(batch) { if (batch.next()) batch.reply(batch.data); }'),
  );
  const results = await cluster.group(1, 'broken').proposeMany(['a', 'b', 'c'].map(bytes));
  assert.deepEqual(
    results.map((result) => (result.ok ? String(result.value) : result.error.code)),
    ['a', 'ERR_STATE_MACHINE', 'ERR_OUTCOME_UNKNOWN'],
  );
  const { message } = await failureOf(cluster.group(1, 'broken'));
  assert.match(message, /apply of entry \d+ threw: Error: apply left this command unread: call/);
  await isSound(cluster);
});

test('a reply or a rejection of a wrong type stops the group at its entry', async () => {
  for (const [call, message] of [
    [
      'batch.reply("text")',
      /entry \d+ threw: TypeError: batch\.reply was given "text": give bytes/,
    ],
    [
      'batch.reject(7)',
      /entry \d+ threw: TypeError: batch\.reject was given 7: give a text or bytes/,
    ],
  ] as const) {
    const apply = `apply(batch) { while (batch.next()) if (batch.data.length > 1) ${call}; }`;
    await using cluster = await start(moduleOf(apply));
    const group = cluster.group(1, 'broken');
    assert.equal(String(await group.propose(bytes('a'))), '');
    await assert.rejects(group.propose(bytes('ab')), { code: 'ERR_STATE_MACHINE', message });
    const { commitIndex, appliedIndex, failure } = group.status();
    assert.equal(appliedIndex, commitIndex - 1);
    assert.match(failure?.message ?? '', new RegExp(`apply of entry ${commitIndex} threw`));
    await isSound(cluster);
  }
});

test('a query that answers with no bytes fails alone, in the worker and on the main thread', async () => {
  const answer = (query: string) =>
    query === 'text' ? 'a text' : query === 'later' ? Promise.reject(new Error()) : undefined;
  const hosted = {
    apply: () => undefined,
    query(query: Uint8Array) {
      const text = Buffer.from(query).toString();
      return text === 'fine' ? query : answer(text);
    },
  } as unknown as HostedMachine;
  const query = `query(query) {
    const answer = ${answer};
    const text = Buffer.from(query).toString();
    return text === 'fine' ? query : answer(text);
  },`;
  for (const machine of [hosted, moduleOf(ECHO, query)]) {
    await using cluster = await start(machine);
    const group = cluster.group(1, 'broken');
    const reads = ['fine', 'nothing', 'text', 'later', 'fine'].map((each) =>
      group.read(bytes(each)).then(String, ({ code, message }) => `${code} ${message}`),
    );
    const [first, nothing, text, later, last] = await Promise.all(reads);
    assert.deepEqual([first, last], ['fine', 'fine']);
    const rule = 'it must return bytes, a Uint8Array such as a Buffer, at once';
    const failed =
      'ERR_STATE_MACHINE the state machine did not answer this read as it must: query returned';
    assert.equal(nothing, `${failed} undefined: ${rule}`);
    assert.equal(text, `${failed} "a text": ${rule}`);
    assert.equal(later, `${failed} a Promise: ${rule}`);
    assert.equal(group.status().failure, null);
    assert.equal(typeof (await group.propose(bytes('goes on'))).length, 'number');
    await isSound(cluster);
  }
});

test('a command is rejected by returning a Reject as well as by throwing one', async () => {
  const machine: HostedMachine = {
    apply({ data }) {
      const text = Buffer.from(data).toString();
      if (text === 'throw') throw new Reject('thrown');
      return text === 'return' ? new Reject('returned') : data;
    },
    query: (query) => (query.length === 0 ? new Reject('an empty query') : query),
  };
  await using cluster = await start(machine);
  const group = cluster.group(1, 'broken');
  const results = await group.proposeMany(['a', 'return', 'throw', 'b'].map(bytes));
  assert.deepEqual(
    results.map((result) =>
      result.ok ? String(result.value) : `${result.error.code} ${result.error.data}`,
    ),
    ['a', 'ERR_REJECTED returned', 'ERR_REJECTED thrown', 'b'],
  );
  await assert.rejects(group.read(bytes('')), { code: 'ERR_REJECTED', message: /an empty query/ });
  assert.equal(group.status().failure, null);
});

const LARGE = 1024 * 1024;
const PIPELINED = 80;

test('many pipelined commands with results of a MiB each are all answered', async () => {
  const hosted: HostedMachine = {
    apply: ({ data }) => Buffer.alloc(LARGE, data[0]),
    query: (query) => query,
  };
  const apply = `apply(batch) {
    while (batch.next()) batch.reply(Buffer.alloc(${LARGE}, batch.data[0]));
  }`;
  for (const machine of [moduleOf(apply), hosted]) {
    await using cluster = await start(machine);
    const group = cluster.group(1, 'broken');
    const commands = Array.from({ length: PIPELINED }, (_, i) => Buffer.from([i]));
    const results = await group.proposeMany(commands);
    for (const [i, result] of results.entries()) {
      assert.ok(result.ok, `command ${i}`);
      assert.deepEqual([result.value.length, result.value[0], result.value.at(-1)], [LARGE, i, i]);
    }
    assert.equal(group.status().inflight, 0);
  }
});
