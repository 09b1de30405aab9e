/**
 * What can still be read of a log that is damaged: whose it is, the highest term in it, the groups
 * that it names and their newest configurations.
 *
 * It takes every block by itself and every frame that is recognisable, whatever lies between them,
 * so it proves nothing about entries: only a bound for what may have been promised. It must never
 * write, and never refuse.
 */

import { type Disk, DiskError } from '../disk/disk.js';
import { BlockKind } from './block-format.js';
import { readGroupStates } from './checkpoint-record.js';
import type { WalConfiguration } from './record-cursor.js';
import { readRequests } from './request-record.js';
import { SECTOR_BYTES, type SegmentHeader, segmentOfName } from './segment-format.js';
import { isBlock, SCAN_WINDOW_BYTES, SegmentReader, type VerifiedBlock } from './segment-reader.js';
import { WalUnreadable } from './wal-errors.js';

export class LogRemains {
  /** The newest whole header of a segment; null when none is left. */
  header: SegmentHeader | null = null;
  /** No term or vote above this one was ever promised by what is readable. */
  termMax = 0;
  readonly groups = new Set<number>();
  /** By group. */
  readonly configurations = new Map<number, WalConfiguration>();

  /** Adds what the segments in `directory` say; `logId` stands for headers that are gone. */
  add(disk: Disk, directory: string, logId: number | null): void {
    if (!disk.exists(directory)) return;
    const names = disk.list(directory).filter((name) => segmentOfName(name) !== null);
    for (const name of names) this.#segment(disk, `${directory}/${name}`, logId);
  }

  #segment(disk: Disk, path: string, logId: number | null): void {
    const probe = new SegmentReader(disk, path, 0, SECTOR_BYTES);
    const header = readable(() => probe.header());
    probe.release();
    const named = segmentOfName(path.slice(path.lastIndexOf('/') + 1)) as number;
    if (header !== null) this.header = header;
    const known = header?.logId ?? this.header?.logId ?? logId;
    const reader = new SegmentReader(disk, path, header?.segment ?? named, SCAN_WINDOW_BYTES);
    const place = reader.place(known);
    readable(() =>
      reader.scanFrames(SECTOR_BYTES, place, ({ offset, termMax }) => {
        this.termMax = Math.max(this.termMax, termMax);
        const found = readable(() => reader.block(offset, place));
        if (found !== null && isBlock(found)) this.#block(reader, found);
      }),
    );
    reader.release();
  }

  #block({ bytes, view }: SegmentReader, { frame, body }: VerifiedBlock): void {
    const { kind, bodyBytes, requests } = frame;
    if (kind === BlockKind.checkpoint) {
      for (const state of readGroupStates(bytes, view, body, bodyBytes, requests) ?? []) {
        this.#note(state.group, state.term, state.configuration);
      }
    } else if (kind === BlockKind.batch) {
      for (const each of readRequests(bytes, view, body, bodyBytes, requests) ?? []) {
        const runs = each.runs.map(({ term }) => term);
        const term = Math.max(each.term, each.hardState?.term ?? 0, ...runs);
        this.#note(each.group, term, each.configuration);
      }
    }
  }

  #note(group: number, term: number, configuration: WalConfiguration | null): void {
    this.groups.add(group);
    this.termMax = Math.max(this.termMax, term);
    if (configuration === null) return;
    const known = this.configurations.get(group)?.index ?? -1;
    if (configuration.index > known) this.configurations.set(group, configuration);
  }
}

/** Null for what the disk cannot read any more. */
function readable<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (error instanceof DiskError || error instanceof WalUnreadable) return null;
    throw error;
  }
}
