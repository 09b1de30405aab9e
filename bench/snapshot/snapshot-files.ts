/**
 * The snapshot files of a node under test, as its data directory shows them from outside, and the
 * state that one of them holds.
 *
 * A file under its own name is complete: nodes write aside and rename. It must never write there.
 */

import { existsSync, readdirSync, statSync } from 'node:fs';
import { KvMachine } from '../../engine/machines/kv/kv-machine.js';
import { kvOptions } from '../../engine/machines/kv/options.js';
import { dataPaths } from '../../io/data-paths.js';
import { NodeDisk } from '../../io/disk/node-disk.js';
import { byAge, type SnapshotFile, snapshotOfName } from '../../io/snapshots/snapshot-names.js';
import { SnapshotReader } from '../../io/snapshots/snapshot-reader.js';
import type { Node } from '../cluster/nodes.js';

const NODE_DISK = new NodeDisk();

/** The complete snapshots, newest first. */
export function completeFiles({ directory }: Pick<Node, 'directory'>): SnapshotFile[] {
  const { snapshots } = dataPaths(directory);
  if (!existsSync(snapshots)) return [];
  return readdirSync(snapshots)
    .map((name) => snapshotOfName(snapshots, name))
    .filter((file) => file !== null)
    .filter(({ kind }) => kind === 'snapshot')
    .sort(byAge);
}

/** The newest complete snapshot; undefined when there is none. */
export function newestFile(node: Pick<Node, 'directory'>): SnapshotFile | undefined {
  return completeFiles(node)[0];
}

/** When the file was begun, under the name it had then; milliseconds of `Date.now`'s clock. */
export function madeAtMs({ path }: SnapshotFile): number {
  const { birthtimeMs } = statSync(path);
  if (birthtimeMs > 0) return birthtimeMs;
  throw new Error(`this file system does not say when ${path} was made: name another with --dir`);
}

/** What a file's image makes of a machine. */
export interface RestoredImage {
  readonly machine: KvMachine;
  readonly index: number;
  readonly imageBytes: number;
  readonly fileBytes: number;
  readonly digest: string;
}

/** Reads the whole file and gives its image to a machine of this process. */
export function restoreImage({ path }: SnapshotFile): RestoredImage {
  const reader = SnapshotReader.open(NODE_DISK, path);
  try {
    const machine = new KvMachine(kvOptions(null));
    const restoration = machine.restore();
    const chunk = new Uint8Array(reader.header.chunkBytesMax);
    for (let number = 0; number < reader.chunkCount; number += 1) {
      const { rawBytes } = reader.readRaw(number, chunk);
      restoration.chunk(chunk.subarray(0, rawBytes));
    }
    restoration.finish();
    const { rawBytes: imageBytes, fileBytes } = reader.footer;
    const { index } = reader.header.point;
    return { machine, index, imageBytes, fileBytes, digest: machine.digest() };
  } finally {
    reader.close();
  }
}

export function imageBytesOf({ path }: SnapshotFile): number {
  const reader = SnapshotReader.open(NODE_DISK, path);
  const { rawBytes } = reader.footer;
  reader.close();
  return rawBytes;
}
