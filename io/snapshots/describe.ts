/**
 * Snapshot files as text: what `ringraft inspect snapshot` prints.
 *
 * It reads every byte of a file and never refuses: damage is a line, and is returned. It must never
 * write, and never print what an image holds.
 */

import { type ChunkBody, ChunkFlag } from '../../codec/lz4-chunk.js';
import { SnapshotSection } from '../../codec/snapshot-section.js';
import { type Disk, DiskError } from '../disk/disk.js';
import type { SnapshotFooter } from './chunk-format.js';
import { SnapshotDamage, SnapshotError, SnapshotVersionError } from './snapshot-errors.js';
import type { StoredHeader } from './snapshot-format.js';
import { byAge, type SnapshotFile, snapshotOfName } from './snapshot-names.js';
import { type PlacedChunk, readHeaderOf, SnapshotReader } from './snapshot-reader.js';

const SECTION_NAMES = new Map<number, string>(
  Object.entries(SnapshotSection).map(([name, section]) => [section, name]),
);

/** Why a file is not usable, in one line; null for one that is whole. */
export type Verdict = string | null;

/** Prints one snapshot file, with a line for each chunk if asked for. */
export function describeSnapshot(
  disk: Disk,
  path: string,
  withChunks: boolean,
  print: (line: string) => void,
): Verdict {
  return judged(() => {
    describeHeader(headerOf(disk, path), print);
    const reader = SnapshotReader.open(disk, path);
    try {
      for (const { chunk } of reader.rawChunks()) {
        if (withChunks) print(describeChunk(chunk));
      }
      print(describeFooter(reader.footer));
      print('whole: every chunk was read, and all checksums agree');
    } finally {
      reader.close();
    }
  }, print);
}

/** Prints the snapshot files of a directory, a line for each, by group and age. */
export function describeSnapshots(
  disk: Disk,
  directory: string,
  print: (line: string) => void,
): ReadonlyMap<string, Verdict> {
  const files = snapshotFiles(disk, directory);
  const width = Math.max(0, ...files.map(({ name }) => name.length));
  const verdicts = new Map<string, Verdict>();
  for (const file of files) {
    const name = file.name.padEnd(width);
    const verdict = judged(
      () => print(`${name}  ${summaryOf(disk, file)}`),
      (line) => print(`${name}  ${line}`),
    );
    // Others are not expected to be whole, and may go away while a node runs.
    if (file.kind === 'snapshot') verdicts.set(file.path, verdict);
  }
  return verdicts;
}

/** All files of the directory that are, were or shall be snapshots, by group, newest first. */
export function snapshotFiles(disk: Disk, directory: string): SnapshotFile[] {
  return disk
    .list(directory)
    .map((name) => snapshotOfName(directory, name))
    .filter((file) => file !== null)
    .sort((one, other) => one.group - other.group || byAge(one, other));
}

const WHAT = {
  damaged: 'set aside as damaged',
  unfinished: 'unfinished',
  removed: 'no longer needed, being removed',
} as const;

function summaryOf(disk: Disk, file: SnapshotFile): string {
  if (file.kind !== 'snapshot') {
    return `${count(sizeOf(disk, file.path))} bytes, ${WHAT[file.kind]}`;
  }
  const reader = SnapshotReader.open(disk, file.path);
  try {
    reader.verify();
    const { header, footer } = reader;
    const point = `${header.point.index}@${header.point.term}`;
    const origin = `group ${header.group} up to ${point}, ${dateOf(header.timeMs)}`;
    return `${count(footer.fileBytes)} bytes, ${origin}, whole`;
  } finally {
    reader.close();
  }
}

function judged(act: () => void, print: (line: string) => void): Verdict {
  try {
    act();
    return null;
  } catch (error) {
    const verdict = verdictOf(error);
    if (verdict === null) throw error;
    print(verdict);
    return verdict;
  }
}

function verdictOf(error: unknown): Verdict {
  if (error instanceof SnapshotDamage) return `DAMAGED at byte ${error.offset}: ${error.what}`;
  if (error instanceof SnapshotVersionError) return `OF ANOTHER VERSION: ${error.what}`;
  if (error instanceof SnapshotError) return `REFUSED: ${error.message}`;
  if (error instanceof DiskError) return `UNREADABLE: ${error.message}`;
  return null;
}

function headerOf(disk: Disk, path: string): StoredHeader {
  const file = disk.open(path, 'read');
  try {
    return readHeaderOf(file, path);
  } finally {
    file.close();
  }
}

function sizeOf(disk: Disk, path: string): number {
  const file = disk.open(path, 'read');
  try {
    return file.size();
  } finally {
    file.close();
  }
}

function describeHeader(header: StoredHeader, print: (line: string) => void): void {
  const { point, configuration } = header;
  const features = `features required ${hex(header.required)} optional ${hex(header.optional)}`;
  print(
    `snapshot format ${header.version} ${features} cluster ${header.clusterId} ` +
      `group ${header.group} name hash ${hex(header.nameHash)}`,
  );
  print(
    `up to ${point.index}@${point.term} configuration ${configuration.index} ` +
      `(${configuration.bytes.byteLength} bytes) chunks of at most ${header.chunkBytesMax} bytes ` +
      `log time ${dateOf(header.timeMs)}`,
  );
}

function describeChunk(chunk: PlacedChunk): string {
  const section = (SECTION_NAMES.get(chunk.section) ?? '').padEnd(8);
  const form = (chunk.flags === ChunkFlag.lz4 ? 'lz4' : 'stored').padEnd(6);
  const place = String(chunk.offset).padStart(12);
  const number = String(chunk.number).padStart(7);
  const crc = hex(chunk.storedCrc);
  return `${place} chunk${number} ${section} ${form} ${describeSizes(chunk)} crc ${crc}`;
}

function describeSizes({ rawBytes, storedBytes }: ChunkBody): string {
  const share = `${((100 * storedBytes) / rawBytes).toFixed(1)} %`;
  const [raw, stored] = [rawBytes, storedBytes].map((bytes) => String(bytes).padStart(8));
  return `${raw} → ${stored} ${share.padStart(7)}`;
}

function describeFooter(footer: SnapshotFooter): string {
  const { chunks, rawBytes, storedBytes } = footer;
  const share = rawBytes === 0 ? '' : ` (${((100 * storedBytes) / rawBytes).toFixed(1)} %)`;
  return (
    `footer ${chunks} ${chunks === 1 ? 'chunk' : 'chunks'} ${rawBytes} raw bytes → ` +
    `${storedBytes}${share} running crc ${hex(footer.runningCrc)} file ${footer.fileBytes} bytes`
  );
}

function dateOf(ms: number): string {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? `at ${ms} ms` : date.toISOString();
}

function count(bytes: number): string {
  return String(bytes).padStart(12);
}

function hex(value: number): string {
  return value.toString(16).padStart(8, '0');
}
