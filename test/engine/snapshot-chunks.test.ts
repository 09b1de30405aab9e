/**
 * Images in chunks of every size that `snapshot.chunkSize` allows: taken, restored by a restart
 * with another size, and fetched by a node whose own size is another.
 *
 * The machine's image is larger than any chunk, and does not compress.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { Prng } from '../../engine/raft/prng.js';
import { bytes, eventually, TestCluster } from './cluster.js';
import type { EngineOptions, HostedMachine } from './compiled.js';

const KIB = 1024;
const MIB = KIB * KIB;
const IMAGE_BYTES = 5 * MIB + 123;
const BY_HAND = { retain: 1, trailingEntries: 0, threshold: 1_000_000 } as const;

/** Has nothing to say of itself. */
class Mute implements HostedMachine {
  apply(): undefined {}

  query(): Uint8Array {
    return bytes('0');
  }

  *snapshot(): Iterable<Uint8Array> {}

  restore(): { chunk(): void; finish(): void } {
    return { chunk: () => undefined, finish: () => undefined };
  }
}

/** Counts commands; its image is the count and as much noise. */
class Noisy implements HostedMachine {
  static readonly noise = Buffer.from(
    Uint32Array.from({ length: Math.ceil(IMAGE_BYTES / 4) }, noise(7)).buffer,
  ).subarray(0, IMAGE_BYTES);
  count = 0;

  apply(): undefined {
    this.count += 1;
  }

  query(): Uint8Array {
    return bytes(String(this.count));
  }

  *snapshot(): Iterable<Uint8Array> {
    yield Buffer.of(this.count);
    yield Noisy.noise;
  }

  restore(): { chunk(bytes: Uint8Array): void; finish(): void } {
    const parts: Uint8Array[] = [];
    return {
      chunk: (part) => {
        parts.push(Uint8Array.from(part));
      },
      finish: () => {
        const image = Buffer.concat(parts);
        assert.ok(image.subarray(1).equals(Noisy.noise), 'the image is whole');
        this.count = image[0] as number;
      },
    };
  }
}

function noise(seed: number): () => number {
  const prng = new Prng(seed);
  return () => prng.u32();
}

type Settings = NonNullable<EngineOptions['snapshot']>;

const inChunksOf = (chunkSize: number, compression = true): Settings => {
  return { ...BY_HAND, chunkSize, compression };
};

const count = async (cluster: TestCluster, node: number): Promise<number> =>
  Number(await cluster.group(node).read(bytes('count')));

async function add(cluster: TestCluster, node: number): Promise<void> {
  await cluster.group(node).propose(bytes('+'));
}

test('each start may have another size of chunks, and reads those of the start before', async () => {
  const groups = (): EngineOptions['groups'] => [{ name: 'ledger', machine: new Noisy() }];
  await using cluster = await TestCluster.plan({ nodes: 1, durable: true, groups });
  const sizes = [64 * KIB, 4 * MIB, 2 * MIB, 64 * KIB, 4 * KIB + MIB];
  for (const [start, chunkSize] of sizes.entries()) {
    await cluster.open(1, { snapshot: inChunksOf(chunkSize, start % 2 === 0) });
    await add(cluster, 1);
    assert.equal(await count(cluster, 1), start + 1);
    assert.equal(cluster.group(1).status().snapshots.restored, Math.min(start, 1));
    const { imageBytes } = await cluster.group(1).snapshot();
    assert.equal(imageBytes, IMAGE_BYTES + 1);
    await cluster.close(1);
  }
});

test('a node fetches chunks of another size than its own', async () => {
  const groups = (): EngineOptions['groups'] => [{ name: 'ledger', machine: new Noisy() }];
  await using cluster = await TestCluster.start({
    ...{ durable: true, groups },
    options: { snapshot: inChunksOf(4 * MIB) },
  });
  const away = await cluster.follower();
  await cluster.close(away);
  const others = cluster.ids.filter((id) => id !== away);
  for (let n = 0; n < 3; n += 1) await add(cluster, others[0] as number);
  await Promise.all(others.map((id) => cluster.group(id).snapshot()));
  await add(cluster, others[0] as number);
  await cluster.open(away, { snapshot: inChunksOf(64 * KIB) });
  await eventually('the state to be restored', () => {
    return cluster.group(away).status().snapshots.restored || null;
  });
  assert.equal(await count(cluster, away), 4);
});

test('an image without a byte is restored by a restart, and fetched', async () => {
  const groups = (): EngineOptions['groups'] => [{ name: 'ledger', machine: new Mute() }];
  await using cluster = await TestCluster.start({
    ...{ durable: true, groups },
    options: { snapshot: BY_HAND },
  });
  const away = await cluster.follower();
  await cluster.close(away);
  const others = cluster.ids.filter((id) => id !== away);
  await add(cluster, others[0] as number);
  const taken = await Promise.all(others.map((id) => cluster.group(id).snapshot()));
  assert.ok(taken.every(({ imageBytes }) => imageBytes === 0));
  for (let start = 1; start <= 2; start += 1) {
    await cluster.open(away, { snapshot: BY_HAND });
    await eventually('the state to be restored', () => {
      return cluster.group(away).status().snapshots.restored || null;
    });
    assert.equal(await count(cluster, away), 0);
    await cluster.close(away);
  }
});
