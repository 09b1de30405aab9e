/**
 * The entries of a node's log as its files hold them, for a machine of this process: so that a
 * state can be computed apart from the node that has it.
 *
 * The node may run, but nothing may be written to it meanwhile. It must never write itself.
 */

import { ApplyCursor } from '../../engine/runtime/apply-cursor.js';
import type { StateMachine } from '../../engine/state-machine.js';
import { dataPaths } from '../../io/data-paths.js';
import { readMeta } from '../../io/data-refusals.js';
import { NodeDisk } from '../../io/disk/node-disk.js';
import { LogReader } from '../../io/wal/log-reader.js';
import { listSegments, openSegments, scanLog } from '../../io/wal/scan.js';
import type { PersistRun, RecoveredGroup } from '../../io/wal/wal-types.js';

const GROUP = 0;
const READ_BYTES = 4 * 1024 * 1024;
const NODE_DISK = new NodeDisk();

export class LoggedEntries {
  readonly #group: RecoveredGroup;
  readonly #directory: string;

  private constructor(group: RecoveredGroup, directory: string) {
    this.#group = group;
    this.#directory = directory;
  }

  /** Those of the node whose data lies in `directory`. */
  static open(directory: string): LoggedEntries {
    const paths = dataPaths(directory);
    const meta = readMeta(NODE_DISK, paths, paths.meta);
    if (meta === undefined) throw new Error(`${directory} is not the data of a node`);
    const numbers = listSegments(NODE_DISK, paths.wal);
    const segments = openSegments(NODE_DISK, paths.wal, numbers, meta);
    try {
      const { replay } = scanLog(segments, meta.nodeId);
      const group = replay.finish(() => 0).find((one) => one.group === GROUP);
      if (group === undefined) throw new Error(`${paths.wal} holds nothing of group ${GROUP}`);
      return new LoggedEntries(group, paths.wal);
    } finally {
      for (const { reader } of segments) reader.release();
    }
  }

  /** Gives the machine the entries `[first, last]`. Throws at one that is not in the log. */
  applyTo(machine: StateMachine, first: number, last: number): void {
    const reader = new LogReader(NODE_DISK, this.#directory);
    const cursor = new ApplyCursor(() => {});
    try {
      for (let index = first; index <= last; ) {
        const runs = this.#read(reader, index, last);
        if (runs.length === 0) throw new Error(`${this.#directory} does not hold entry ${index}`);
        for (const run of runs) {
          applyRun(machine, cursor, run);
          index = run.first + run.count;
        }
      }
    } finally {
      reader.close();
    }
  }

  #read(reader: LogReader, first: number, last: number): PersistRun[] {
    const { locations, termRuns } = this.#group;
    const location = locations.findLast((one) => one.first <= first);
    if (location === undefined) return [];
    return reader.read({
      ...{ group: GROUP, location, first, last, bytesMax: READ_BYTES },
      termOf: (index) => termRuns.findLast((run) => run.first <= index)?.term ?? 0,
    });
  }
}

function applyRun(machine: StateMachine, cursor: ApplyCursor, run: PersistRun): void {
  const { buffer: memory, byteOffset, length } = run.bytes;
  const buffer = Buffer.from(memory, byteOffset, length);
  const view = new DataView(memory, byteOffset, length);
  const { first, term } = run;
  cursor.begin({ buffer, view, start: 0, end: length, first, term }, []);
  machine.apply(cursor);
  cursor.finish();
}
