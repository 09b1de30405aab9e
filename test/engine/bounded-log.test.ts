/**
 * The log on disk stays within its bound: ten times `maxLogBytes` is written beside a group that
 * has fallen silent, and the process is killed again and again on the way.
 *
 * After each restart everything that was acknowledged must be there, once. A group that failed is
 * the exception: what it holds is kept, beyond the bound, and said.
 */

import assert from 'node:assert/strict';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { bytes, TestCluster } from './cluster.js';
import { LEDGER } from './compiled.js';
import { NodeProcess, type Outcome } from './node-process.js';

const MIB = 1024 * 1024;
const MAX_LOG_BYTES = 32 * MIB;
const SEGMENT_BYTES = 8 * MIB;
const ENTRY_BYTES_MAX = MIB / 8;
/** Memory of each group for entries under way: sixteen of the largest. */
const ARENA_BYTES = 16 * ENTRY_BYTES_MAX;
/** What was under way finds room beyond the bound, and files for later use come on top. */
const DISK_BYTES_MAX =
  MAX_LOG_BYTES + 3 * (2 * ARENA_BYTES + SEGMENT_BYTES) + (1 + 4) * SEGMENT_BYTES;
const COMMAND = `add 1 ${'x'.repeat(100_000)}`;
const COMMANDS_A_ROUND = 20;
const COMMANDS = Math.ceil((10 * MAX_LOG_BYTES) / COMMAND.length);
/** Of all commands, what is written before each kill: the log is of another length each time. */
const SHARES = [0.13, 0.46, 0.41];
const IDLE_TOTAL = 7;

const groups = ['busy', 'idle'].map((name) => ({
  name,
  machine: LEDGER,
  entryBytesMax: ENTRY_BYTES_MAX,
}));

function bytesUnder(directory: string): number {
  let bytes = 0;
  for (const entry of readdirSync(directory, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue;
    // Files are renamed and removed meanwhile.
    bytes += statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.size ?? 0;
  }
  return bytes;
}

const numberOf = (outcome: Outcome): number => {
  assert.ok('value' in outcome, JSON.stringify(outcome));
  return Number(outcome.value);
};

/** Writes until so many are acknowledged; what is refused as busy was surely not executed. */
async function write(node: NodeProcess, count: number, look: () => void): Promise<number> {
  let total = 0;
  for (let done = 0; done < count; look()) {
    for (const outcome of await node.proposeAll(COMMAND, COMMANDS_A_ROUND, 'busy')) {
      if ('code' in outcome) {
        assert.equal(outcome.code, 'ERR_BUSY', outcome.message);
        continue;
      }
      done += 1;
      total = Math.max(total, Number(outcome.value));
    }
  }
  return total;
}

test('ten times maxLogBytes beside an idle group stays bounded, and kills lose nothing', async () => {
  await using cluster = await TestCluster.plan({
    nodes: 1,
    durable: true,
    groups,
    options: { segmentBytes: SEGMENT_BYTES, maxLogBytes: MAX_LOG_BYTES },
  });
  let largest = 0;
  const look = (): void => {
    largest = Math.max(largest, bytesUnder(cluster.dataDir(1)));
  };
  let node = await NodeProcess.open(cluster.optionsOf(1));
  try {
    numberOf(await node.propose(`add ${IDLE_TOTAL}`, 'idle'));
    for (const share of SHARES) {
      const acknowledged = await write(node, Math.ceil(share * COMMANDS), look);
      // It dies while it writes, takes snapshots and gives segments back.
      const late = node.proposeAll(COMMAND, COMMANDS_A_ROUND, 'busy').catch(() => []);
      await node.kill();
      await late;
      node = await NodeProcess.open(cluster.optionsOf(1));
      const recovered = numberOf(await node.read('total', 'busy'));
      assert.ok(recovered >= acknowledged, `${recovered} recovered, ${acknowledged} acknowledged`);
      assert.equal(numberOf(await node.read('count', 'busy')), recovered, 'none was applied twice');
      assert.equal(numberOf(await node.read('total', 'idle')), IDLE_TOTAL);
      look();
    }
    const written = numberOf(await node.read('count', 'busy')) * COMMAND.length;
    assert.ok(written >= 10 * MAX_LOG_BYTES);
    assert.ok(largest <= DISK_BYTES_MAX, `${largest} bytes on disk, at most ${DISK_BYTES_MAX}`);
    assert.ok(largest > MAX_LOG_BYTES / 2, 'the log was long enough to be shortened');
  } finally {
    await node.kill();
  }
});

test('a group that failed keeps its log, says so, and does not get the writes of others refused', async () => {
  await using cluster = await TestCluster.start({
    nodes: 1,
    durable: true,
    groups,
    options: {
      segmentBytes: SEGMENT_BYTES,
      maxLogBytes: MAX_LOG_BYTES,
      snapshot: { retain: 1, trailingEntries: 0 },
    },
  });
  const [busy, failing] = [cluster.group(1, 'busy'), cluster.group(1, 'idle')];
  await failing.propose(bytes('add 1'));
  await failing.snapshot();
  assert.ok(failing.status().compactedIndex > 0);
  for (let n = 0; n < 3; n += 1) await failing.propose(bytes(COMMAND));
  const warned = new Promise<string>((resolve) => {
    failing.on('warning', ({ text }) => resolve(text));
  });
  await assert.rejects(failing.propose(bytes('throw')), { code: 'ERR_STATE_MACHINE' });
  for (let written = 0; written < 2 * MAX_LOG_BYTES; ) {
    const commands = Array.from({ length: COMMANDS_A_ROUND }, () => bytes(COMMAND));
    for (const outcome of await Promise.allSettled(commands.map((one) => busy.propose(one)))) {
      if (outcome.status === 'fulfilled') written += COMMAND.length;
      else assert.equal(outcome.reason.code, 'ERR_BUSY');
    }
  }
  assert.match(await warned, /stopped on this node.*grows beyond maxLogBytes/);
  assert.equal(failing.status().keepsLog, true);
  assert.equal(busy.status().keepsLog, false);
  assert.ok(cluster.engine(1).status().log.logBytes > MAX_LOG_BYTES);
});
