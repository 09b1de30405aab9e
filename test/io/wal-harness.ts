/**
 * What the tests of the write-ahead log share: requests with recognisable entries, a model of
 * what a log must hold after any number of them, and a disk that loses power at a chosen
 * operation.
 *
 * It must never look inside a segment: tests that do say so themselves.
 */

import assert from 'node:assert/strict';
import {
  ENTRY_HEADER_BYTES,
  EntryKind,
  entryBytes,
  entryPayloadBytes,
  writeEntryHeader,
} from '../../codec/entry.js';
import { Prng } from '../../engine/raft/prng.js';
import type { Disk, DiskFile } from '../../io/disk/disk.js';
import { MemoryDisk } from '../../io/disk/memory-disk.js';
import { type CrashOptions, SimulatedDisk } from '../../io/disk/simulated-disk.js';
import type { SyncMode } from '../../io/wal/group-commit.js';
import { LogReader } from '../../io/wal/log-reader.js';
import { InlineSegmentSupply } from '../../io/wal/segment-supply.js';
import { type OpenedWal, Wal, type WalOptions } from '../../io/wal/wal.js';
import type { PersistRequest, PersistRun, RecoveredGroup } from '../../io/wal/wal-types.js';

export const DIRECTORY = '/data/wal';
export const LOG_ID = 123_456_789_012;
export const NODE_ID = 3;
const HEADER_BYTES = 512;

export function newDisk(seed = 1): SimulatedDisk {
  const disk = new SimulatedDisk(new Prng(seed));
  disk.makeDirectory('/data');
  disk.syncDirectory('/');
  return disk;
}

export interface OpenOverrides extends Partial<Omit<WalOptions, 'sync'>> {
  readonly mode?: SyncMode;
  readonly intervalMs?: number;
}

export function openWal(disk: Disk, overrides: OpenOverrides = {}): OpenedWal {
  const { mode = 'always', intervalMs = 10, ...rest } = overrides;
  const segmentBytes = rest.segmentBytes ?? 8192;
  const directory = rest.directory ?? DIRECTORY;
  return Wal.open({
    disk,
    directory,
    clusterId: 7,
    nodeId: NODE_ID,
    newLogId: LOG_ID,
    segmentBytes,
    sync: { mode, intervalMs },
    supply: rest.supply ?? new InlineSegmentSupply(disk, directory, segmentBytes),
    ...rest,
  });
}

/** The payload of a test entry says which one it is. */
export function payloadOf(group: number, index: number, term: number, size = 0): string {
  return `${group}/${index}@${term};`.padEnd(size, '.');
}

export function run(
  group: number,
  term: number,
  first: number,
  count: number,
  size = 0,
  kind: EntryKind = EntryKind.command,
): PersistRun {
  const payloads = Array.from({ length: count }, (_, n) =>
    Buffer.from(payloadOf(group, first + n, term, size)),
  );
  const total = payloads.reduce((sum, payload) => sum + entryBytes(payload.length), 0);
  const bytes = new Uint8Array(total);
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const payload of payloads) {
    bytes.set(payload, writeEntryHeader(view, at, kind, payload.length, 0));
    at += entryBytes(payload.length);
  }
  return { term, first, count, bytes };
}

/** Numbers the requests of each group and keeps its generation, as a core does. */
export class Submitter {
  readonly #seq = new Map<number, number>();
  readonly #generation = new Map<number, number>();

  request(
    group: number,
    parts: Partial<Omit<PersistRequest, 'group' | 'seq' | 'generation'>> = {},
  ): PersistRequest {
    const seq = (this.#seq.get(group) ?? 0) + 1;
    const truncates = parts.truncateAfter !== undefined ? 1 : 0;
    const generation = (this.#generation.get(group) ?? 0) + truncates;
    this.#seq.set(group, seq);
    this.#generation.set(group, generation);
    return { group, seq, generation, term: 1, runs: [], ...parts };
  }
}

/** A group as tests compare it: everything that a request may change. */
export interface GroupImage {
  term: number;
  vote: number;
  generation: number;
  entries: string[];
}

/** What every group must hold after the first `count` requests. */
export function modelAfter(
  requests: readonly PersistRequest[],
  count: number,
): Map<number, GroupImage> {
  const groups = new Map<number, GroupImage>();
  for (const request of requests.slice(0, count)) {
    const empty = { term: 0, vote: 0, generation: 0, entries: [] };
    const image: GroupImage = groups.get(request.group) ?? empty;
    groups.set(request.group, image);
    if (request.hardState !== undefined) Object.assign(image, request.hardState);
    if (request.truncateAfter !== undefined) image.entries.length = request.truncateAfter;
    image.generation = request.generation;
    for (const stored of request.runs) image.entries.push(...entryTexts(stored));
  }
  return groups;
}

/** The payloads of a run, each with the term that the run gives it. */
export function entryTexts({ term, count, bytes }: PersistRun): string[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const texts: string[] = [];
  let at = 0;
  for (let n = 0; n < count; n += 1) {
    const length = entryPayloadBytes(view, at);
    const start = at + ENTRY_HEADER_BYTES;
    texts.push(`${Buffer.from(bytes.subarray(start, start + length)).toString()}${term}`);
    at += entryBytes(length);
  }
  assert.equal(at, bytes.length, 'a run ends with its last entry');
  return texts;
}

export function termAt(group: RecoveredGroup, index: number): number {
  return group.termRuns.findLast((candidate) => candidate.first <= index)?.term ?? 0;
}

/** Reads a recovered group back through the log reader, from its very first location. */
export function readBack(disk: Disk, group: RecoveredGroup, from = group.first): string[] {
  const texts: string[] = [];
  const reader = new LogReader(disk, DIRECTORY);
  for (let first = from; first <= group.last; ) {
    const location = group.locations.findLast((candidate) => candidate.first <= first);
    assert.ok(location !== undefined, 'every index has a location');
    const wanted = { group: group.group, location, first, last: group.last, bytesMax: 1 << 20 };
    const runs = reader.read({ ...wanted, termOf: (index) => termAt(group, index) });
    assert.ok(runs.length > 0, `entry ${first} is readable`);
    for (const found of runs) {
      assert.equal(found.first, first, 'runs are contiguous');
      texts.push(...entryTexts(found));
      first += found.count;
    }
  }
  reader.close();
  return texts;
}

export function imageOf(disk: Disk, group: RecoveredGroup): GroupImage {
  const { term, vote, generation } = group;
  return { term, vote, generation, entries: readBack(disk, group) };
}

/**
 * What the first `count` requests give, where a group in doubt may have been raised to a term
 * that a later request held: then its vote there is this node's own.
 */
function expectedAfter(
  requests: readonly PersistRequest[],
  count: number,
  groups: readonly RecoveredGroup[],
): Map<number, GroupImage> {
  const expected = modelAfter(requests, count);
  const cutTerms = new Set(requests.slice(count).map(({ hardState }) => hardState?.term));
  for (const { group, term, vote, inDoubt } of groups) {
    const image = expected.get(group);
    if (image === undefined || !inDoubt || vote !== NODE_ID || !cutTerms.has(term)) continue;
    const raised = term > image.term || (term === image.term && image.vote === 0);
    if (raised) Object.assign(image, { term, vote });
  }
  return expected;
}

/**
 * Checks that the groups are exactly what the first n requests give, but for raised terms; returns
 * the largest such n.
 */
export function prefixLength(
  disk: Disk,
  groups: readonly RecoveredGroup[],
  requests: readonly PersistRequest[],
): number {
  const found = new Map(groups.map((group) => [group.group, imageOf(disk, group)]));
  for (let count = requests.length; count >= 0; count -= 1) {
    try {
      assert.deepEqual(found, expectedAfter(requests, count, groups));
      return count;
    } catch (error) {
      if (!(error instanceof assert.AssertionError)) throw error;
    }
  }
  assert.fail(`recovered groups are no prefix: ${JSON.stringify([...found])}`);
}

/** Checks sums and order inside one recovered group. */
export function assertIndexed(disk: Disk, group: RecoveredGroup): void {
  const { locations, extents } = group;
  assert.equal(locations.length, extents.length);
  assert.equal(extents.at(-1)?.last ?? group.first - 1, group.last);
  let bytes = 0;
  const reader = new LogReader(disk, DIRECTORY);
  for (const [n, extent] of extents.entries()) {
    const location = locations[n]!;
    assert.equal(location.first, (extents[n - 1]?.last ?? group.first - 1) + 1);
    const wanted = { group: group.group, location, first: location.first, last: extent.last };
    const termOf = (index: number) => termAt(group, index);
    for (const found of reader.read({ ...wanted, bytesMax: 1 << 30, termOf })) {
      bytes += found.bytes.length;
    }
    assert.equal(extent.bytes, bytes, 'extents are cumulative');
  }
  reader.close();
}

/** Thrown in place of an operation: the machine is off. */
export class PowerLoss extends Error {}

/** Passes operations through to a disk and loses power instead of the operation after `budget`. */
export class PowerDisk implements Disk {
  readonly inner: SimulatedDisk;
  #left: number;
  operations = 0;
  lost = false;

  constructor(inner: SimulatedDisk, budget: number) {
    this.inner = inner;
    this.#left = budget;
  }

  step(): void {
    if (this.#left <= 0) {
      this.lost = true;
      throw new PowerLoss();
    }
    this.#left -= 1;
    this.operations += 1;
  }

  open(path: string, mode: 'read' | 'readwrite' | 'create'): DiskFile {
    if (mode === 'create') this.step();
    return new PowerFile(this, this.inner.open(path, mode));
  }

  exists(path: string): boolean {
    return this.inner.exists(path);
  }

  list(directory: string): string[] {
    return this.inner.list(directory);
  }

  makeDirectory(path: string): void {
    this.step();
    this.inner.makeDirectory(path);
  }

  rename(from: string, to: string): void {
    this.step();
    this.inner.rename(from, to);
  }

  remove(path: string): void {
    this.step();
    this.inner.remove(path);
  }

  syncDirectory(directory: string): void {
    this.step();
    this.inner.syncDirectory(directory);
  }
}

class PowerFile implements DiskFile {
  readonly #disk: PowerDisk;
  readonly #file: DiskFile;

  constructor(disk: PowerDisk, file: DiskFile) {
    this.#disk = disk;
    this.#file = file;
  }

  get path(): string {
    return this.#file.path;
  }

  read(target: Uint8Array, offset: number, length: number, position: number): number {
    return this.#file.read(target, offset, length, position);
  }

  write(source: Uint8Array, offset: number, length: number, position: number): number {
    this.#disk.step();
    return this.#file.write(source, offset, length, position);
  }

  sync(): void {
    this.#disk.step();
    this.#file.sync();
  }

  size(): number {
    return this.#file.size();
  }

  truncate(length: number): void {
    this.#disk.step();
    this.#file.truncate(length);
  }

  close(): void {
    this.#file.close();
  }
}

/** Runs `life` on a disk that dies after `budget` operations, then on what the crash left of it. */
export function untilPowerLoss(
  disk: SimulatedDisk,
  budget: number,
  options: CrashOptions,
  life: (disk: Disk) => void,
): boolean {
  const power = new PowerDisk(disk, budget);
  try {
    life(power);
    return false;
  } catch (error) {
    // The log may have wrapped it in an error of its own.
    if (!power.lost) throw error;
    disk.crash(options);
    return true;
  }
}

/** All files of the log, as bytes. */
export function filesOf(disk: Disk): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  for (const name of disk.list(DIRECTORY)) {
    const file = disk.open(`${DIRECTORY}/${name}`, 'read');
    const bytes = new Uint8Array(file.size());
    file.read(bytes, 0, bytes.length, 0);
    file.close();
    files.set(name, bytes);
  }
  return files;
}

/** A disk that holds exactly these files. */
export function diskWith(files: ReadonlyMap<string, Uint8Array>): MemoryDisk {
  const disk = new MemoryDisk();
  disk.makeDirectory(DIRECTORY);
  for (const [name, bytes] of files) {
    const file = disk.open(`${DIRECTORY}/${name}`, 'create');
    file.write(bytes, 0, bytes.length, 0);
    file.close();
  }
  return disk;
}

/** Changes a header sector and gives it the checksum that belongs to it: plain CRC-32C. */
export function rewriteHeader(bytes: Uint8Array, change: (view: DataView) => void): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES);
  change(view);
  let crc = 0xffff_ffff;
  for (const byte of bytes.subarray(0, HEADER_BYTES - 4)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f6_3b78 : 0);
  }
  view.setUint32(HEADER_BYTES - 4, ~crc >>> 0, true);
}
