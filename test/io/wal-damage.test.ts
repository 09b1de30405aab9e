/**
 * The table of damage that is no crash, of docs/wal-format.md, row by row: each gets the answer
 * that the table gives.
 */

import assert from 'node:assert/strict';
import type { Disk } from '../../io/disk/disk.js';
import type { SimulatedDisk } from '../../io/disk/simulated-disk.js';
import { BlockKind, checksumSeed, NO_GROUPS, readHeaderFrame } from '../../io/wal/block-format.js';
import { requestBytesMax } from '../../io/wal/segment-start.js';
import { StagedBlock } from '../../io/wal/staged-block.js';
import { ObservedDisk } from './observed-disk.js';
import {
  DIRECTORY,
  diskWith,
  filesOf,
  LOG_ID,
  newDisk,
  openWal,
  prefixLength,
  rewriteHeader,
  run,
  Submitter,
} from './wal-harness.js';
import {
  assertTornIsCut,
  each,
  FIRST,
  live,
  OPEN,
  REQUESTS,
  type Row,
  SECOND,
  testTable,
  tornLog,
} from './wal-table.js';

/** A closed log of the first requests; all of them take three segments, two of them one. */
function changed(
  change: (files: Map<string, Uint8Array>) => void,
  requests = REQUESTS.length,
): Disk {
  const disk = newDisk();
  const moment = { mode: 'always' as const, submitted: 0, acknowledged: 0 };
  live(new ObservedDisk(disk), moment, REQUESTS.slice(0, requests));
  const files = filesOf(disk);
  change(files);
  return diskWith(files);
}

const THIRD = '0000000000000003.wal';
/** Where the second block of requests begins in the first segment. */
const SECOND_BLOCK = 1536;

const DAMAGE: readonly Row[] = [
  [
    'a flipped bit in a block with a later sync on record',
    () => {
      const disk = changed((files) => {
        files.get(FIRST)![SECOND_BLOCK + 100]! ^= 1;
      }, 2);
      const path = `${DIRECTORY}/${FIRST}`;
      const message = /block 3 fails its checksum; block \d+ of segment 1 says that everything/;
      const refusal = { code: 'walDamage', path, offset: SECOND_BLOCK, message };
      assert.throws(() => openWal(disk, OPEN), refusal);
      return 1;
    },
  ],
  [
    'a flipped bit in the last block, synced and not sealed',
    () => {
      assertTornIsCut(tornLog(1));
      return 1;
    },
  ],
  [
    'a flipped bit in the free part of a segment',
    () => {
      const last = OPEN.segmentBytes - 1;
      const disk = changed((files) => {
        files.get(FIRST)![last]! ^= 1;
      }, 2);
      const { groups, report } = openWal(disk, OPEN);
      assert.equal(prefixLength(disk, groups, REQUESTS), 2);
      assert.deepEqual([report.cut, report.doubt], [null, NO_GROUPS]);
      return 1;
    },
  ],
  [
    'a file cut short, a file missing, a file renamed',
    () =>
      each<(files: Map<string, Uint8Array>) => void>(
        [
          (files) => files.set(FIRST, files.get(FIRST)!.slice(0, 2048)),
          (files) => files.set(SECOND, files.get(SECOND)!.slice(0, 2048)),
          (files) => files.delete(FIRST),
          (files) => {
            files.set('0000000000000003.wal', files.get(SECOND)!);
            files.delete(SECOND);
          },
        ],
        (change) => {
          assert.throws(() => openWal(changed(change), OPEN), { name: /WalDamage|WalMissing/ });
        },
      ),
  ],
  [
    'the newest file missing',
    () => {
      const disk = changed((files) => files.delete(THIRD));
      const message = /0003\.wal: segment 2 ends with the word that segment 3 was begun/;
      assert.throws(() => openWal(disk, OPEN), { code: 'walMissing', message });
      return 1;
    },
  ],
  [
    'a write that the disk acknowledged and did not make',
    () => {
      const lost = (requests: number) =>
        changed((files) => files.get(FIRST)!.fill(0, SECOND_BLOCK, SECOND_BLOCK + 1024), requests);
      const message = /zeros where a block was; block \d+ of segment 1 says that everything/;
      assert.throws(() => openWal(lost(2), OPEN), { code: 'walDamage', message });
      const unproven = tornLog(1);
      const path = `${DIRECTORY}/${FIRST}`;
      const file = unproven.open(path, 'readwrite');
      file.write(new Uint8Array(1024), 0, 1024, SECOND_BLOCK);
      file.close();
      const { groups, report } = openWal(unproven, OPEN);
      assert.equal(prefixLength(unproven, groups, REQUESTS.slice(0, 2)), 1);
      assert.deepEqual([report.cut, report.doubt], [null, NO_GROUPS]);
      return 2;
    },
  ],
  [
    'another version, an unknown required feature, another cluster, node or log',
    () => {
      const [version, feature] = [8, 16].map((field) =>
        changed((files) => {
          rewriteHeader(files.get(FIRST)!, (view) => view.setUint32(field, 2, true));
        }),
      ) as [Disk, Disk];
      assert.throws(() => openWal(version, OPEN), /version 2; this program reads 1/);
      assert.throws(() => openWal(feature, OPEN), /features 0x00000002 are unknown/);
      const others = [{ clusterId: 8 }, { nodeId: 4 }, { logId: 42 }];
      return each(others, (other) => {
        const [mine] = Object.values(other);
        const disk = changed(() => {});
        assert.throws(() => openWal(disk, { ...OPEN, ...other }), {
          name: 'WalForeign',
          message: new RegExp(`belongs to .* id \\d+, this node has .* id ${mine}`),
        });
      });
    },
  ],
  [
    'valid blocks that contradict each other',
    () => {
      const disk = newDisk();
      openWal(disk, OPEN);
      addContradiction(disk);
      const message = /group 1 continues at 7, its log ends at 0/;
      assert.throws(() => openWal(disk, OPEN), { code: 'walDamage', message });
      return 1;
    },
  ],
];

/** Adds a block that is whole, follows the checkpoint, and holds an entry that cannot be next. */
function addContradiction(disk: SimulatedDisk): void {
  const file = disk.open(`${DIRECTORY}/${FIRST}`, 'readwrite');
  const sector = new Uint8Array(512);
  file.read(sector, 0, 512, 512);
  const seed = checksumSeed(LOG_ID, 1);
  const place = { segment: 1, logId: LOG_ID, seed };
  const checkpoint = readHeaderFrame(sector, new DataView(sector.buffer), 0, 512, place)!;
  const staged = new StagedBlock(requestBytesMax(OPEN.segmentBytes));
  staged.add(new Submitter().request(1, { runs: [run(1, 1, 7, 1)] }), 7);
  const { mask, bodyBytes, requests, termMax } = staged;
  const head = { kind: BlockKind.batch, mask, bodyBytes, requests, termMax, logId: LOG_ID };
  const order = { segment: 1, sequence: checkpoint.sequence + 1, durableSeq: checkpoint.sequence };
  staged.finish({ ...head, ...order, offset: 1024, previousCrc: checkpoint.crc }, seed);
  file.write(staged.bytes, 0, 512, 1024);
  file.sync();
}

testTable('damage', DAMAGE);
