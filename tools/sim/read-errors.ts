/**
 * Reads that the disk of one simulated node fails while the node starts: a sector of the log that
 * cannot be read, reads of log or identity that fail for a moment, snapshots that cannot be read.
 *
 * Nothing on the disk changes, and what was armed is lifted when the start has ended: nothing may
 * be lost, whatever the start made of it. This file must never hide a file for longer.
 */

import type { Prng } from '../../engine/raft/prng.js';
import type { SimulatedDisk } from '../../io/disk/simulated-disk.js';
import { SECTOR_BYTES } from '../../io/disk/simulated-file.js';
import type { Counts } from './counts.js';
import { filesOf } from './node-damage.js';
import { SimFailure } from './sim-failure.js';

/** The beginning of a segment is what it always has: blocks, not room for them. */
const FIRST_BYTES = 16 * SECTOR_BYTES;
/** A start of so small a log makes no more reads than about this. */
const READS_MAX = 8;
/** A refusal names file and place, and says that the start is to be tried again. */
const REFUSALS = {
  log: /: (\/data\/wal\/\S+) at byte (\d+): .+ \(EIO\)\. .+ Start again once the disk can/,
  directory: /\(read (\/data\/meta) failed: EIO\)\. Check the path and the disk/,
} as const;

export class ReadErrors {
  readonly #prng: Prng;
  readonly #counts: Counts;
  /** The sector that cannot be read; null: reads fail for a moment, or none does. */
  #sector: { readonly path: string; readonly offset: number } | null = null;
  #hidden: readonly string[] = [];
  /** Reads that had failed before. */
  #before = 0;
  #isArmed = false;
  /** The next start cannot read its snapshots. */
  isDue = false;

  constructor(prng: Prng, counts: Counts) {
    this.#prng = prng;
    this.#counts = counts;
  }

  /** A start begins: with this probability its log cannot be read, or not at once. */
  arm(disk: SimulatedDisk, share: number): void {
    this.#before = disk.counters().readError;
    this.#hidden = [];
    if (this.isDue) this.#hideSnapshots(disk);
    else if (this.#prng.chance(share)) this.#armLog(disk);
  }

  #hideSnapshots(disk: SimulatedDisk): void {
    this.isDue = false;
    const paths = filesOf(disk, '.snapshot');
    this.#hidden = this.#prng.chance(0.5) ? paths : paths.filter(() => this.#prng.chance(0.5));
    for (const path of this.#hidden) {
      disk.arm({ kind: 'readError', path, times: Number.POSITIVE_INFINITY });
    }
  }

  #armLog(disk: SimulatedDisk): void {
    const paths = filesOf(disk, '.wal');
    if (paths.length === 0) return;
    this.#isArmed = true;
    if (this.#prng.chance(0.3)) {
      const path = this.#prng.pick(['.wal', '.wal', '/data/meta']);
      const times = this.#prng.between(1, 3);
      disk.arm({ kind: 'readError', path, times, after: this.#prng.below(READS_MAX) });
      return;
    }
    const path = this.#prng.chance(0.7) ? paths.at(-1)! : this.#prng.pick(paths);
    const file = disk.open(path, 'read');
    const size = file.size();
    file.close();
    const at = this.#prng.below(this.#prng.chance(0.7) ? Math.min(size, FIRST_BYTES) : size);
    this.#sector = { path, offset: at - (at % SECTOR_BYTES) };
    disk.arm({ kind: 'readError', path, at, times: Number.POSITIVE_INFINITY });
  }

  /** This start cannot read some snapshots. */
  get isHiding(): boolean {
    return this.#hidden.length > 0;
  }

  /** Whether it is these errors that a start was refused for; one that does not help is wrong. */
  isRefusal(cause: unknown): boolean {
    if (!this.#isArmed || !(cause instanceof Error && 'code' in cause)) return false;
    const { code, message: text } = cause;
    const isOfDirectory = code === 'ERR_DATA_DIRECTORY' && text.includes('EIO');
    if (code !== 'walUnreadable' && !isOfDirectory) return false;
    const refusal = isOfDirectory ? REFUSALS.directory : REFUSALS.log;
    const [, path, offset] = refusal.exec(text) ?? [];
    const isPlace =
      this.#sector === null
        ? path !== undefined
        : path === this.#sector.path && Number(offset) === this.#sector.offset;
    if (!isPlace) throw new SimFailure(`a start refuses to read without naming the place: ${text}`);
    return true;
  }

  /** The start has ended, in whatever way: the disk reads again. Whether a read had failed. */
  lift(disk: SimulatedDisk): boolean {
    disk.disarm('readError');
    const failed = disk.counters().readError - this.#before;
    this.#counts.readErrors += failed;
    this.#isArmed = false;
    this.#sector = null;
    return failed > 0;
  }

  /** The node has started without files that it could not read: they must be left as they are. */
  passedOver(disk: SimulatedDisk): void {
    const gone = this.#hidden.find((path) => !disk.exists(path));
    if (gone !== undefined) throw new SimFailure(`${gone} could not be read and is gone`);
  }
}
