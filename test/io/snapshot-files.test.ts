/**
 * Snapshot files written and read: what goes in comes out, by number and in order, and whatever was
 * changed afterwards is refused by name and never delivered.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { crc32c } from '../../codec/checksum.js';
import { ChunkFlag, compressChunk } from '../../codec/lz4-chunk.js';
import { SnapshotSection } from '../../codec/snapshot-section.js';
import { DiskError } from '../../io/disk/disk.js';
import { MemoryDisk } from '../../io/disk/memory-disk.js';
import {
  CHUNK_HEADER_BYTES,
  FOOTER_BYTES,
  readChunkHeader,
  writeChunkHeader,
} from '../../io/snapshots/chunk-format.js';
import { SnapshotDamage, SnapshotVersionError } from '../../io/snapshots/snapshot-errors.js';
import {
  decodeSnapshotHeader,
  encodeSnapshotHeader,
  SNAPSHOT_FORMAT_VERSION,
  SnapshotFeature,
} from '../../io/snapshots/snapshot-format.js';
import { SnapshotReader } from '../../io/snapshots/snapshot-reader.js';
import { SnapshotWriter } from '../../io/snapshots/snapshot-writer.js';
import {
  assertFileHolds,
  assertHolds,
  bytesOf,
  headerFor,
  imageOf,
  newDisk,
  noise,
  overwrite,
  words,
  writeSnapshot,
} from './snapshot-harness.js';

const PATH = '/data/snapshots/x.snapshot';
const POINT = { index: 1000, term: 5 };
const IMAGE = imageOf(POINT);

function memory(): MemoryDisk {
  const disk = new MemoryDisk();
  disk.makeDirectory('/data/snapshots');
  return disk;
}

/** The disk and bytes of a file with the image of POINT. */
function written(): { disk: MemoryDisk; bytes: Buffer } {
  const disk = memory();
  writeSnapshot(disk, PATH, headerFor(POINT), IMAGE);
  return { disk, bytes: bytesOf(disk, PATH) };
}

/** Reads all that can be read; whatever is delivered must be right. Returns what refused. */
function refusalOf(disk: MemoryDisk): unknown {
  try {
    const reader = SnapshotReader.open(disk, PATH);
    assert.equal(reader.chunkCount, IMAGE.length);
    const target = new Uint8Array(2000);
    for (const [number, raw] of IMAGE.entries()) {
      reader.readRaw(number, target);
      assert.deepEqual(Buffer.from(target.subarray(0, raw.length)), Buffer.from(raw));
    }
    reader.verify();
    return null;
  } catch (error) {
    if (error instanceof assert.AssertionError) throw error;
    return error;
  }
}

test('what is written is read, by number and in order, stored and raw', () => {
  const { disk } = written();
  const reader = SnapshotReader.open(disk, PATH);
  assertHolds(reader, IMAGE);
  const { header } = reader;
  assert.deepEqual(header.point, POINT);
  assert.deepEqual([header.clusterId, header.group, header.nameHash], [7, 1, 0xdead_beef]);
  assert.equal(Buffer.from(header.configuration.bytes).toString(), 'voters 1 2 3');
  assert.equal(header.timeMs, 1_700_000_000_000);
  assert.equal(reader.footer.rawBytes, 1003 + 301 + 700 + 9);
  const forms = IMAGE.map((_, number) => reader.chunk(number).flags);
  const { lz4, stored } = ChunkFlag;
  assert.deepEqual(forms, [lz4, stored, lz4, stored]);
  const slab = new Uint8Array(new SharedArrayBuffer(4000));
  for (const number of [3, 0, 2, 1]) {
    reader.readRaw(number, slab, 77);
    const raw = IMAGE[number] as Uint8Array;
    assert.deepEqual(Buffer.from(slab.slice(77, 77 + raw.length)), Buffer.from(raw));
    const chunk = reader.readStored(number, slab, 5);
    assert.equal(crc32c(slab.slice(5, 5 + chunk.storedBytes)), chunk.storedCrc);
  }
  assert.throws(() => reader.chunk(4), /no chunk 4 in .*x\.snapshot, it has 4/);
  assert.throws(() => reader.readRaw(0, new Uint8Array(100)), RangeError);
  reader.close();
});

test('a copy made of the chunks as they are stored has the same bytes', () => {
  const { disk, bytes } = written();
  const reader = SnapshotReader.open(disk, PATH);
  const copy = '/data/snapshots/copy.snapshot';
  const writer = SnapshotWriter.create(disk, copy, reader.header.bytes);
  const slab = new Uint8Array(2000);
  for (let number = 0; number < reader.chunkCount; number += 1) {
    const chunk = reader.readStored(number, slab);
    writer.append(chunk, slab.subarray(0, chunk.storedBytes));
  }
  assert.deepEqual(writer.finish(reader.footer), reader.footer);
  assert.deepEqual(bytesOf(disk, copy), bytes);
});

test('any number of chunks of any size come back', () => {
  const chunk = fc
    .record({ length: fc.integer({ min: 1, max: 20_000 }), packs: fc.boolean(), seed: fc.nat() })
    .map(({ length, packs, seed }) => (packs ? words(length, `${seed} `) : noise(length, seed)));
  const image = fc.array(chunk, { maxLength: 12 });
  const configuration = fc.uint8Array({ maxLength: 40 });
  fc.assert(
    fc.property(image, configuration, fc.integer({ min: 1, max: 9000 }), (chunks, bytes, sync) => {
      const disk = memory();
      const header = headerFor(POINT, { configuration: { index: 3, bytes } });
      writeSnapshot(disk, PATH, header, chunks, { syncBytes: sync });
      assertFileHolds(disk, PATH, chunks);
      assert.equal(bytesOf(disk, PATH).length % 8, 0);
    }),
    { numRuns: 100 },
  );
});

test('a file whose any bit was flipped is refused, and delivers no wrong byte', () => {
  const { disk, bytes } = written();
  const file = disk.open(PATH, 'readwrite');
  const refusals = new Set<string>();
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const [at, mask] = [bit >> 3, 1 << (bit & 7)];
    file.write(Uint8Array.of(bytes[at]! ^ mask), 0, 1, at);
    const refusal = refusalOf(disk);
    assert.ok(refusal instanceof SnapshotDamage, `bit ${bit}: ${refusal}`);
    assert.ok(refusal.offset <= bytes.length && refusal.message.includes(PATH));
    refusals.add(refusal.what.replaceAll(/[0-9a-f]{8}|\d+/g, 'N'));
    file.write(bytes, at, 1, at);
  }
  assert.equal(refusalOf(disk), null);
  assert.ok(refusals.size >= 7, [...refusals].join('\n'));
});

test('a file that was cut at any byte is refused when it is opened', () => {
  const { disk, bytes } = written();
  for (let length = 0; length < bytes.length; length += 1) {
    overwrite(disk, PATH, bytes.subarray(0, length));
    assert.throws(() => SnapshotReader.open(disk, PATH), SnapshotDamage, `${length} bytes`);
  }
  overwrite(disk, PATH, Buffer.concat([bytes, Buffer.alloc(8)]));
  assert.throws(() => SnapshotReader.open(disk, PATH), /no footer stands at the end/);
});

test('a file whose middle is missing, doubled or of another snapshot is refused', () => {
  const { disk, bytes } = written();
  const reader = SnapshotReader.open(disk, PATH);
  const starts = IMAGE.map((_, number) => reader.chunk(number).offset - CHUNK_HEADER_BYTES);
  const footer = bytes.subarray(bytes.length - FOOTER_BYTES);
  const [first, second, third] = starts as [number, number, number, number];
  const other = memory();
  writeSnapshot(other, PATH, headerFor({ index: 1001, term: 5 }), IMAGE);
  const foreign = bytesOf(other, PATH);
  const cases: [string, Buffer, RegExp][] = [
    [
      'swapped',
      Buffer.concat([
        bytes.subarray(0, first),
        bytes.subarray(second, third),
        bytes.subarray(first, second),
        bytes.subarray(third),
      ]),
      /chunk 1 stands in the place of chunk 0/,
    ],
    [
      'missing',
      Buffer.concat([bytes.subarray(0, second), bytes.subarray(third)]),
      /the file has \d+ bytes, its footer says \d+/,
    ],
    [
      'foreign chunk',
      Buffer.concat([
        bytes.subarray(0, second),
        foreign.subarray(second, third),
        bytes.subarray(third),
      ]),
      /the header of chunk 1 is unreadable/,
    ],
    [
      'foreign footer',
      Buffer.concat([bytes.subarray(0, -footer.length), foreign.subarray(-footer.length)]),
      /no footer stands at the end/,
    ],
  ];
  for (const [name, changed, what] of cases) {
    overwrite(disk, PATH, changed);
    const refusal = refusalOf(disk);
    assert.ok(refusal instanceof SnapshotDamage, name);
    assert.match(refusal.what, what);
  }
});

test('another chunk with all its checksums right does not pass the footer', () => {
  const { disk, bytes } = written();
  const reader = SnapshotReader.open(disk, PATH);
  const { offset, ...chunk } = reader.chunk(1);
  const forged = Buffer.from(bytes);
  noise(chunk.storedBytes, 99).forEach((byte, at) => {
    forged[offset + at] = byte;
  });
  const storedCrc = crc32c(forged.subarray(offset, offset + chunk.storedBytes));
  const { seed } = reader.header;
  writeChunkHeader(forged, offset - CHUNK_HEADER_BYTES, { ...chunk, storedCrc }, seed);
  overwrite(disk, PATH, forged);
  assert.throws(
    () => SnapshotReader.open(disk, PATH).verify(),
    /not those that the footer sums up/,
  );
});

test('sections and flags of a later version are refused by name', () => {
  const { disk, bytes } = written();
  const reader = SnapshotReader.open(disk, PATH);
  const { offset, ...chunk } = reader.chunk(0);
  const at = offset - CHUNK_HEADER_BYTES;
  for (const [change, what] of [
    [{ section: 3 as SnapshotSection }, /chunk 0 of section 3, this program knows machine \(1\)/],
    [{ flags: 2 as ChunkFlag }, /chunk 0 with flags 2, this program knows stored \(0\) and lz4/],
  ] as const) {
    const changed = Buffer.from(bytes);
    writeChunkHeader(changed, at, { ...chunk, ...change }, reader.header.seed);
    assert.notEqual(readChunkHeader(changed, at, reader.header.seed), null);
    overwrite(disk, PATH, changed);
    const refusal = refusalOf(disk);
    assert.ok(refusal instanceof SnapshotVersionError);
    assert.match(refusal.message, what);
  }
});

test('sessions stand before the machine, and only where the header says that there are some', () => {
  const { machine, sessions } = SnapshotSection;
  const verified = (required: number, ...sections: SnapshotSection[]): void => {
    const disk = memory();
    const writer = SnapshotWriter.create(disk, PATH, headerFor(POINT, { required }));
    for (const [number, section] of sections.entries()) {
      const { body, stored } = compressChunk(words(100, `chunk ${number};`));
      writer.append({ ...body, number, section }, stored);
    }
    writer.finish();
    SnapshotReader.open(disk, PATH).verify();
  };
  verified(SnapshotFeature.sessions, sessions, sessions, machine);
  verified(SnapshotFeature.sessions, sessions);
  verified(0, machine, machine);
  const misplaced = /chunk 1 is of sessions where none may be/;
  assert.throws(() => verified(0, machine, sessions), misplaced);
  assert.throws(() => verified(0, sessions), /chunk 0 is of sessions where none may be/);
  const { sessions: feature } = SnapshotFeature;
  assert.throws(() => verified(feature, machine), /chunk 0 is of the machine, without sessions/);
  const order = [sessions, machine, sessions] as const;
  assert.throws(() => verified(feature, ...order), /chunk 2 is of sessions where none may be/);
});

test('another format version and unknown required features are refused by name', () => {
  const { disk, bytes } = written();
  const change = (offset: number, value: number): void => {
    const changed = Buffer.from(bytes);
    changed.writeUInt32LE(value, offset);
    changed.writeUInt32LE(crc32c(changed.subarray(0, 124)), 124);
    overwrite(disk, PATH, changed);
  };
  change(8, SNAPSHOT_FORMAT_VERSION + 1);
  const later = `snapshot of format version ${SNAPSHOT_FORMAT_VERSION + 1}, this program reads`;
  assert.throws(() => SnapshotReader.open(disk, PATH), new RegExp(later));
  change(12, 0x8000_0003);
  assert.throws(
    () => SnapshotReader.open(disk, PATH),
    (error) =>
      error instanceof SnapshotVersionError &&
      error.code === 'snapshotVersion' &&
      /required features 80000002, unknown here\. .* Start the version that/.test(error.message),
  );
  change(16, 0x8000_0001);
  assert.throws(() => SnapshotReader.open(disk, PATH), /no footer/, 'an optional one is not');
});

test('a header keeps optional bits, and refuses numbers that it cannot hold', () => {
  const bytes = headerFor(POINT, { optional: 6 });
  const header = decodeSnapshotHeader(bytes, PATH);
  assert.equal(header.optional, 6);
  assert.deepEqual(encodeSnapshotHeader(header), bytes);
  assert.throws(() => headerFor(POINT, { chunkBytesMax: 1000 }), /chunkBytesMax is 1000/);
  const large = { index: 1, bytes: new Uint8Array(1024 * 1024 + 1) };
  assert.throws(() => headerFor(POINT, { configuration: large }), /at most 1048576/);
  assert.throws(() => headerFor({ index: -1, term: 1 }), RangeError);
});

test('short reads change nothing, and an unreadable sector is thrown as the disk says it', () => {
  const disk = newDisk();
  writeSnapshot(disk, PATH, headerFor(POINT), IMAGE);
  disk.arm({ kind: 'shortRead', times: Number.POSITIVE_INFINITY });
  assertFileHolds(disk, PATH, IMAGE);
  disk.disarm();
  let failures = 0;
  for (let after = 0; ; after += 1) {
    disk.arm({ kind: 'readError', after });
    const strikes = disk.counters().readError;
    try {
      assertFileHolds(disk, PATH, IMAGE);
    } catch (error) {
      assert.ok(error instanceof DiskError && error.code === 'EIO', `${error}`);
      failures += 1;
    }
    if (disk.counters().readError === strikes) break;
  }
  assert.ok(failures > 10);
});
