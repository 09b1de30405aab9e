/**
 * Snapshots as an application meets them: asked for by `group.snapshot()`, taken by themselves,
 * found again by a restart, and fetched by a node that was away.
 */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { bytes, type ClusterOptions, eventually, TestCluster } from './cluster.js';
import { type EngineOptions, type HostedMachine, LEDGER } from './compiled.js';

/** As little log as possible is kept, and nothing is taken by itself. */
const BY_HAND = { retain: 1, trailingEntries: 0, threshold: 1_000_000 } as const;

const alone = (options: ClusterOptions = {}): Promise<TestCluster> =>
  TestCluster.start({ nodes: 1, options: { snapshot: BY_HAND }, ...options });

async function add(cluster: TestCluster, count: number, node = 1): Promise<void> {
  const commands = Array.from({ length: count }, () => bytes('add 1'));
  const results = await cluster.group(node).proposeMany(commands);
  assert.ok(results.every(({ ok }) => ok));
}

const total = async (cluster: TestCluster, node = 1): Promise<number> =>
  Number(await cluster.group(node).read(bytes('total')));

/** A counter on this thread whose images go on until they are let go. */
class Held implements HostedMachine {
  isReleased = false;
  images = 0;
  total = 0;

  apply(): Uint8Array {
    this.total += 1;
    return bytes(String(this.total));
  }

  query(): Uint8Array {
    return bytes(String(this.total));
  }

  *snapshot(): Iterable<Uint8Array> {
    this.images += 1;
    while (!this.isReleased) yield bytes('.');
    yield bytes(String(this.total));
  }
}

const hosted = (machine: HostedMachine): Pick<ClusterOptions, 'groups'> => ({
  groups: [{ name: 'ledger', machine }],
});

for (const durable of [false, true]) {
  const where = durable ? 'in a data directory' : 'in memory';
  test(`a snapshot ${where} covers what was applied before the call, and shortens the log`, async () => {
    await using cluster = await alone({ durable });
    await add(cluster, 300);
    const before = cluster.group(1).status();
    const taken = await cluster.group(1).snapshot();
    assert.ok(taken.index >= before.appliedIndex);
    assert.equal(taken.term, before.term);
    assert.ok(taken.imageBytes > 0 && taken.fileBytes > taken.imageBytes);
    const { snapshots, compactedIndex } = await eventually('the status to show it', () => {
      const status = cluster.group(1).status();
      return status.compactedIndex > 0 ? status : null;
    });
    assert.deepEqual([snapshots.taken, snapshots.failed, snapshots.index], [1, 0, taken.index]);
    assert.equal(compactedIndex, taken.index);
    await add(cluster, 10);
    assert.equal(await total(cluster), 310);
    if (durable) assert.equal(readdirSync(join(cluster.dataDir(1), 'snapshots')).length, 1);
    else assert.equal(existsSync(cluster.dataDir(1)), false);
  });
}

test('a group with a threshold of its own takes snapshots when another does not', async () => {
  const groups = [
    { name: 'often', machine: LEDGER, snapshot: { threshold: 20, minInterval: 0 } },
    { name: 'seldom', machine: LEDGER },
  ];
  await using cluster = await alone({ groups });
  for (const { name } of groups) {
    await cluster.group(1, name).proposeMany(Array.from({ length: 50 }, () => bytes('add 1')));
  }
  const taken = (name: string): number => cluster.group(1, name).status().snapshots.taken;
  await eventually('a snapshot of the one', () => (taken('often') > 0 ? true : null));
  assert.equal(taken('seldom'), 0);
});

test('calls at the same time are answered by one snapshot, and one without news by the last', async () => {
  await using cluster = await alone();
  await add(cluster, 5);
  const group = cluster.group(1);
  const all = await Promise.all(Array.from({ length: 20 }, () => group.snapshot()));
  assert.equal(new Set(all.map(({ index }) => index)).size, 1);
  assert.deepEqual(await group.snapshot(), all[0]);
  await eventually('one to be counted', () => group.status().snapshots.taken || null);
  assert.equal(group.status().snapshots.taken, 1);
});

test('a node that has applied nothing refuses with the reason', async () => {
  await using cluster = await TestCluster.plan();
  const engine = await cluster.open(1);
  await assert.rejects(engine.group('ledger').snapshot(), {
    code: 'ERR_SNAPSHOT',
    message: /nothing is applied yet/,
  });
});

test('a wait ends by its bound or its signal, and the snapshot goes on', async () => {
  const machine = new Held();
  await using cluster = await alone(hosted(machine));
  await add(cluster, 3);
  const group = cluster.group(1);
  await assert.rejects(group.snapshot({ timeoutMs: 30 }), {
    code: 'ERR_TIMEOUT',
    message: /not complete within 30 ms\. It goes on/,
  });
  const abort = new AbortController();
  const waiting = group.snapshot({ signal: abort.signal });
  abort.abort(new Error('enough'));
  await assert.rejects(waiting, { code: 'ERR_ABORTED', message: /may still be taken/ });
  await assert.rejects(group.snapshot({ signal: abort.signal }), {
    code: 'ERR_ABORTED',
    message: /nothing was sent/,
  });
  await assert.rejects(group.snapshot({ timeoutMs: -1 }), { code: 'ERR_INVALID_OPTIONS' });
  machine.isReleased = true;
  const { index } = await group.snapshot();
  assert.ok(index > 0);
  await eventually('the snapshot', () => group.status().snapshots.index || null);
  assert.equal(machine.images, 1);
});

test('closing ends what waits, and a closed engine takes nothing', async () => {
  const machine = new Held();
  await using cluster = await alone(hosted(machine));
  await add(cluster, 3);
  const group = cluster.group(1);
  const waiting = group.snapshot();
  const ended = assert.rejects(waiting, { code: 'ERR_CLOSED' });
  await eventually('the image to begin', () => machine.images || null);
  await cluster.close(1);
  await ended;
  await assert.rejects(group.snapshot(), { code: 'ERR_CLOSED' });
});

test('a restart begins from the snapshot, and goes on behind it', async () => {
  await using cluster = await alone({ durable: true });
  await add(cluster, 500);
  const { index } = await cluster.group(1).snapshot();
  await add(cluster, 7);
  for (let start = 0; start < 2; start += 1) {
    await cluster.close(1);
    const engine = await cluster.open(1);
    assert.deepEqual(engine.status().snapshotWarnings, []);
    assert.equal(await total(cluster), 507);
    const { snapshots, compactedIndex } = cluster.group(1).status();
    const { restored, installed, taken } = snapshots;
    assert.deepEqual([restored, installed, taken], [1, 0, 0]);
    assert.deepEqual([snapshots.index, compactedIndex], [index, index]);
  }
  await add(cluster, 1);
  assert.equal(await total(cluster), 508);
});

test('a damaged snapshot falls back to the one before, and the node says so', async () => {
  const options = { snapshot: { ...BY_HAND, retain: 2 } };
  await using cluster = await alone({ durable: true, options });
  for (let round = 0; round < 3; round += 1) {
    await add(cluster, 50);
    await cluster.group(1).snapshot();
  }
  const directory = join(cluster.dataDir(1), 'snapshots');
  await cluster.close(1);
  const files = readdirSync(directory).filter((name) => name.endsWith('.snapshot'));
  assert.equal(files.sort().length, 2);
  truncateSync(join(directory, files[1] as string), 100);
  const engine = await cluster.open(1);
  assert.match(engine.status().snapshotWarnings.join(), /a snapshot is passed over: .*kept as/);
  assert.equal(await total(cluster), 150);
});

test('a newer snapshot that belongs to another group elsewhere is not restored', async () => {
  await using elsewhere = await alone({
    durable: true,
    groups: ['other', 'ledger'].map((name) => ({ name, machine: LEDGER })),
  });
  const commands = Array.from({ length: 90 }, () => bytes('add 1'));
  await elsewhere.group(1, 'other').proposeMany(commands);
  await elsewhere.group(1, 'other').snapshot();
  await elsewhere.close(1);
  await using cluster = await alone({ durable: true });
  await add(cluster, 50);
  await cluster.group(1).snapshot();
  await cluster.close(1);
  const directoryOf = (of: TestCluster) => join(of.dataDir(1), 'snapshots');
  const [name = ''] = readdirSync(directoryOf(elsewhere));
  copyFileSync(join(directoryOf(elsewhere), name), join(directoryOf(cluster), name));
  const engine = await cluster.open(1);
  const warnings = engine.status().snapshotWarnings.join();
  assert.match(warnings, /a snapshot is passed over: .* of a group with another name .*kept as/);
  assert.equal(await total(cluster), 50);
});

test('a node alone whose only snapshot is gone stops, and says what is missing', async () => {
  await using cluster = await alone({ durable: true });
  await add(cluster, 50);
  await cluster.group(1).snapshot();
  const directory = join(cluster.dataDir(1), 'snapshots');
  await cluster.close(1);
  for (const name of readdirSync(directory)) truncateSync(join(directory, name), 100);
  await cluster.open(1);
  const group = cluster.group(1);
  await assert.rejects(group.waitForLeader({ timeoutMs: 5000 }), (error: Error) => {
    assert.match(error.message, /begins after entry 5\d and there is no snapshot/);
    return true;
  });
});

test('snapshots are taken by themselves when the threshold is reached', async () => {
  const snapshot = { threshold: 100, minInterval: 0, retain: 1, trailingEntries: 20 };
  await using cluster = await alone({ durable: true, options: { snapshot } });
  for (let round = 1; round <= 3; round += 1) {
    await add(cluster, 150);
    await eventually(`snapshot ${round}`, () => {
      const { taken } = cluster.group(1).status().snapshots;
      return taken >= round ? taken : null;
    });
  }
  const { snapshots, compactedIndex } = cluster.group(1).status();
  assert.ok(compactedIndex > 0 && compactedIndex <= snapshots.index - 20);
  await cluster.close(1);
  await cluster.open(1);
  assert.equal(await total(cluster), 450);
});

test('an interval makes a snapshot due of whatever was written', async () => {
  const snapshot = { interval: 1, minInterval: 0 };
  await using cluster = await alone({ options: { snapshot } });
  await add(cluster, 1);
  await eventually('a snapshot', () => cluster.group(1).status().snapshots.taken || null);
});

test('a machine whose image throws fails that snapshot alone', async () => {
  const machine = new Held();
  machine.isReleased = true;
  let isBroken = true;
  const failing: HostedMachine = {
    apply: () => machine.apply(),
    query: () => machine.query(),
    *snapshot() {
      yield bytes('the beginning');
      if (isBroken) throw new RangeError('told to throw');
    },
  };
  await using cluster = await alone(hosted(failing));
  await add(cluster, 4);
  const group = cluster.group(1);
  const warned = once(group, 'warning');
  await assert.rejects(group.snapshot(), {
    code: 'ERR_SNAPSHOT',
    message: /the state machine gave no image: .*told to throw/,
  });
  assert.match(
    (await warned)[0].text,
    /no snapshot was taken, which is told once: .*told to throw/,
  );
  await add(cluster, 4);
  assert.equal(await total(cluster), 8);
  await eventually('the failure to be counted', () => group.status().snapshots.failed || null);
  assert.deepEqual([group.status().snapshots.failed, group.status().failure], [1, null]);
  isBroken = false;
  assert.ok((await group.snapshot()).imageBytes > 0);
});

test('a machine without images says so', async () => {
  const machine = { apply: () => undefined, query: (query: Uint8Array) => query };
  await using cluster = await alone(hosted(machine));
  await add(cluster, 1);
  const refused = cluster.group(1).snapshot();
  await assert.rejects(refused, { code: 'ERR_SNAPSHOT', message: /has no snapshot\(\)/ });
});

test('a machine on the main thread gets to its image however busy it is', async () => {
  const machine = new Held();
  machine.isReleased = true;
  await using cluster = await alone(hosted(machine));
  await add(cluster, 1);
  let isOver = false;
  const writers = Array.from({ length: 8 }, async () => {
    while (!isOver)
      await cluster.group(1).proposeMany(Array.from({ length: 50 }, () => bytes('+')));
  });
  const first = await cluster.group(1).snapshot();
  const second = await cluster.group(1).snapshot();
  isOver = true;
  await Promise.all(writers);
  assert.ok(second.index > first.index);
});

test('a node whose entries are forgotten elsewhere is given the state', async () => {
  const snapshot: EngineOptions['snapshot'] = BY_HAND;
  await using cluster = await TestCluster.start({ durable: true, options: { snapshot } });
  const away = await cluster.follower();
  await cluster.close(away);
  const others = cluster.ids.filter((id) => id !== away) as [number, number];
  await add(cluster, 400, others[0]);
  const taken = await Promise.all(others.map((id) => cluster.group(id).snapshot()));
  await add(cluster, 3, others[0]);
  await cluster.open(away);
  const { snapshots } = await eventually('the state to be restored', () => {
    const status = cluster.group(away).status();
    return status.snapshots.restored > 0 ? status : null;
  });
  assert.ok(taken.some(({ index }) => index === snapshots.index));
  assert.equal(snapshots.installed, 1);
  assert.ok(others.every((id) => cluster.group(id).status().snapshots.installed === 0));
  assert.equal(await total(cluster, away), 403);
  await cluster.close(away);
  await cluster.open(away);
  assert.equal(await total(cluster, away), 403);
  const { restored, installed } = cluster.group(away).status().snapshots;
  assert.deepEqual([restored, installed], [1, 0], 'its own file, this time');
});

/** Changes a byte in the middle of the file: of its last chunk, as images of these are short. */
function spoil(path: string): void {
  const content = readFileSync(path);
  const at = content.length - 60;
  content[at] = (content[at] as number) ^ 1;
  writeFileSync(path, content);
}

for (const retain of [1, 2]) {
  for (const isQuiet of [true, false]) {
    const since = isQuiet ? 'nothing was written since' : 'writes go on';
    test(`a snapshot found damaged as it is sent is replaced; ${retain} kept, ${since}`, async () => {
      const snapshot = { ...BY_HAND, retain };
      await using cluster = await TestCluster.start({ durable: true, options: { snapshot } });
      const away = await cluster.follower();
      await cluster.close(away);
      const others = cluster.ids.filter((id) => id !== away) as [number, number];
      for (let round = 0; round < 3; round += 1) {
        await add(cluster, 100, others[0]);
        await Promise.all(others.map((id) => cluster.group(id).snapshot()));
      }
      const warned = others.map(async (id) => (await once(cluster.group(id), 'warning'))[0].text);
      for (const id of others) {
        const directory = join(cluster.dataDir(id), 'snapshots');
        spoil(join(directory, readdirSync(directory).sort().at(-1) as string));
      }
      if (!isQuiet) await add(cluster, 3, others[0]);
      await cluster.open(away);
      const text = await Promise.race(warned);
      assert.match(text, /snapshots\/g0000-\S+ is damaged .*It is kept as \S+\.damaged$/);
      await eventually('the state to be restored', () => {
        return cluster.group(away).status().snapshots.restored || null;
      });
      assert.equal(await total(cluster, away), isQuiet ? 300 : 303);
    });
  }
}
