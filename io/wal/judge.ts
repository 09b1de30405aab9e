/**
 * Tells torn from corrupt: the one rule on which "a node never silently forgets" rests.
 *
 * A damaged place at sequence s is corruption when anything later proves that s had been synced:
 * a frame with `durableSeq ≥ s`, or a later segment (a segment gets its name only after the one
 * before was synced). Otherwise s and what follows was unsynced or is undecidable, and is cut;
 * the groups of every frame that is still recognisable there are in doubt. This file must never
 * write.
 */

import { dirname } from 'node:path';
import {
  type BlockFrame,
  BlockKind,
  type GroupMask,
  maskUnion,
  NO_GROUPS,
} from './block-format.js';
import type { FoundSegment, LogScan } from './scan.js';
import { FIRST_SEGMENT, SECTOR_BYTES, segmentPath } from './segment-format.js';
import { WalDamage, WalMissing } from './wal-errors.js';

/** What lies at and after the stop, once it is known not to be corruption. */
export interface Judged {
  /** True when not even the first checkpoint is whole: the log was never begun. */
  readonly unbegun: boolean;
  /**
   * End of the last block that is recognisable behind the stop: what must be cleared. Bytes that
   * belong to no such block may be those of a file's former life; as nothing in them is a frame of
   * this segment now, and none becomes one, nobody will ever take them for a block.
   */
  readonly dirtyEnd: number;
  /** Groups of the blocks that are recognisable and cut. */
  readonly doubt: GroupMask;
  /** Largest `termMax` of these blocks: a term or vote up to it may have been promised. */
  readonly termFloor: number;
  /** How many different blocks were recognisable and are cut. */
  readonly tornBlocks: number;
  /** A segment that was named but never begun; it is discarded. */
  readonly discarded: FoundSegment | null;
}

/** The frames found at and after the stop, summed up. */
class Evidence {
  readonly #sequence: number;
  readonly #torn = new Set<number>();
  doubt: GroupMask = NO_GROUPS;
  termFloor = 0;
  /** The block that proves that the stop's sequence had been synced. */
  proof: BlockFrame | null = null;
  /** The word of this segment that the next one was begun. */
  handover: BlockFrame | null = null;

  constructor(sequence: number) {
    this.#sequence = sequence;
  }

  get tornBlocks(): number {
    return this.#torn.size;
  }

  add(frame: BlockFrame): void {
    if (frame.durableSeq >= this.#sequence) this.proof ??= frame;
    if (frame.kind === BlockKind.handover) this.handover = frame;
    // A handover holds nothing, and stands where no block of the chain was.
    if (frame.sequence < this.#sequence || frame.kind === BlockKind.handover) return;
    this.#torn.add(frame.sequence);
    this.doubt = maskUnion(this.doubt, frame.mask);
    this.termFloor = Math.max(this.termFloor, frame.termMax);
  }
}

/** Judges the stop of a scan. Throws `WalDamage` when it is corruption. */
export function judge(scan: LogScan): Judged {
  const { segments, stop } = scan;
  const here = segments[stop.at]!;
  const later = segments.slice(stop.at + 1);
  const evidence = new Evidence(stop.sequence);
  const unbegun = stop.at === 0 && stop.offset <= SECTOR_BYTES;
  if (unbegun && here.reader.segment !== FIRST_SEGMENT) {
    throw new WalDamage(here.reader.path, stop.offset, `${stop.what}; older segments are gone`);
  }
  const dirtyEnd = here.reader.scanFrames(stop.offset, here.place, (frame) => evidence.add(frame));
  const recognised = evidence.tornBlocks > 0;
  if (later.length === 0) refuseWithoutNext(scan, evidence.handover);
  const { doubt, termFloor, tornBlocks } = evidence;
  for (const { reader, place } of later)
    reader.scanFrames(0, place, (frame) => evidence.add(frame));
  const proof = laterProof(scan, later, recognised) ?? frameProof(evidence.proof, stop.sequence);
  if (proof !== null) throw corruption(scan, recognised, proof);
  return { unbegun, dirtyEnd, doubt, termFloor, tornBlocks, discarded: later[0] ?? null };
}

/** The log of this segment is whole, and says that it goes on in a file that is not there. */
function refuseWithoutNext({ stop, segments }: LogScan, handover: BlockFrame | null): void {
  if (handover === null || handover.durableSeq !== stop.sequence) return;
  const { path, segment } = segments[stop.at]!.reader;
  const what = `segment ${segment} ends with the word that segment ${segment + 1} was begun`;
  throw new WalMissing(segmentPath(dirname(path), segment + 1), what);
}

function frameProof(frame: BlockFrame | null, sequence: number): string | null {
  if (frame === null) return null;
  return (
    `block ${frame.sequence} of segment ${frame.segment} says that everything up to ` +
    `${frame.durableSeq} was synced, and this was block ${sequence}`
  );
}

/** What the existence of later segments proves by itself. */
function laterProof(
  { stop, segments }: LogScan,
  later: readonly FoundSegment[],
  recognised: boolean,
): string | null {
  if (later.length === 0) return null;
  const next = segments[stop.at + 1]!.reader.segment;
  if (later.length > 1) return `segments ${next} and ${next + 1} follow`;
  if (recognised || stop.offset <= SECTOR_BYTES || stop.succession?.begun === true) {
    return `segment ${next} follows, and it was named only after this one was synced`;
  }
  return null;
}

/** Names the place that is really damaged: this segment, or the beginning of the next one. */
function corruption({ segments, stop }: LogScan, recognised: boolean, proof: string): WalDamage {
  const next = segments[stop.at + 1];
  const { succession } = stop;
  if (next === undefined || succession === null || succession.begun || recognised) {
    const { path } = segments[stop.at]!.reader;
    return new WalDamage(path, stop.offset, `${stop.what}; ${proof}`);
  }
  return new WalDamage(next.reader.path, succession.offset, `${succession.what}; ${proof}`);
}
