/**
 * Damage to the disk of one simulated node, from the moment it is done to the start that shows what
 * it was: bits flipped while nobody looks, writes that the disk acknowledged and did not make.
 *
 * A write that is lost is noticed by what is written after it. Where nothing was, nobody can know,
 * the node least of all: it is then treated as one that lost its data. This file must never mend.
 */

import type { Prng } from '../../engine/raft/prng.js';
import type { SimulatedDisk } from '../../io/disk/simulated-disk.js';
import { SECTOR_BYTES } from '../../io/disk/simulated-file.js';
import type { WalCounters } from '../../io/wal/wal.js';
import type { Counts } from './counts.js';
import type { DamagedPart } from './damage-plan.js';

const DIRECTORIES = { '.wal': '/data/wal', '.snapshot': '/data/snapshots' } as const;
const FLIPS_MAX = 3;

/** A write that is to be lost, or was. */
interface Armed {
  readonly kind: 'lostWrite' | 'misdirectedWrite';
  readonly part: DamagedPart;
  readonly before: number;
  /** Blocks of the log when the loss was first seen; null: it has not struck, as far as seen. */
  blocks: number | null;
}

/** A snapshot that was damaged, and none was taken or fetched since. */
interface Rotten {
  readonly group: number;
  readonly index: number;
}

export type LossState = 'waits' | 'unproven' | 'proven';

export class NodeDamage {
  readonly #prng: Prng;
  readonly #counts: Counts;
  #armed: Armed | null = null;
  #rotten: Rotten | null = null;
  /** The next start may find something wrong. */
  isPending = false;
  /** What was lost left no trace: the next start would believe a log that has forgotten. */
  isForgotten = false;

  constructor(prng: Prng, counts: Counts) {
    this.#prng = prng;
    this.#counts = counts;
  }

  /** A snapshot is damaged, and its process may not know yet. */
  get isRotten(): boolean {
    return this.#rotten !== null;
  }

  get isArmed(): boolean {
    return this.#armed !== null;
  }

  /** Flips some bits of one file, while no process looks. Null: there is no such file. */
  flip(disk: SimulatedDisk, part: DamagedPart): string | null {
    const paths = filesOf(disk, part);
    if (paths.length === 0) return null;
    const path = this.#prng.pick(paths);
    const file = disk.open(path, 'read');
    const size = file.size();
    file.close();
    if (size === 0) return null;
    // The beginning of a segment is what it always has: blocks, not room for them.
    const end = this.#prng.chance(0.5) ? size : Math.min(size, 16 * SECTOR_BYTES);
    for (let flips = this.#prng.between(1, FLIPS_MAX); flips > 0; flips -= 1) {
      disk.flipBit(path, this.#prng.below(end), this.#prng.below(8));
      this.#counts.bitFlips += 1;
    }
    this.isPending = true;
    return path;
  }

  /** Removes every snapshot for good, while no process looks. How many there were. */
  loseSnapshots(disk: SimulatedDisk): number {
    const paths = filesOf(disk, '.snapshot');
    if (paths.length === 0) return 0;
    for (const path of paths) disk.remove(path);
    disk.syncDirectory(DIRECTORIES['.snapshot']);
    this.#counts.lostSnapshots += paths.length;
    this.isPending = true;
    return paths.length;
  }

  /** Flips a bit of a snapshot while its process runs, which may lack it until it has another. */
  rot(disk: SimulatedDisk, path: string, of: Rotten): void {
    const file = disk.open(path, 'read');
    const size = file.size();
    file.close();
    disk.flipBit(path, this.#prng.below(size), this.#prng.below(8));
    this.#rotten = of;
  }

  /** A snapshot of the group is whole. */
  replaced(group: number, index: number): void {
    if (this.#rotten?.group === group && this.#rotten.index <= index) this.#rotten = null;
  }

  /** From now on the next write to such a file does not reach its place. */
  arm(disk: SimulatedDisk, kind: Armed['kind'], part: DamagedPart): void {
    this.#armed = { kind, part, before: disk.counters()[kind], blocks: null };
    disk.arm({ kind, path: part });
  }

  /** How it stands with the loss, in a life whose log has done this. */
  look(disk: SimulatedDisk, wal: WalCounters): LossState {
    const armed = this.#armed;
    if (armed === null || disk.counters()[armed.kind] === armed.before) return 'waits';
    armed.blocks ??= wal.blocks;
    // A snapshot's file proves itself, by its checksums.
    const isProven = armed.part === '.snapshot' || wal.blocks > armed.blocks;
    return isProven ? 'proven' : 'unproven';
  }

  /** The life ends: what reads the disk next reads what is really there. */
  surface(disk: SimulatedDisk, wal: WalCounters): void {
    // No other snapshot has taken its place.
    if (this.isRotten) this.isPending = true;
    const armed = this.#armed;
    if (armed === null) return;
    const state = this.look(disk, wal);
    this.#armed = null;
    disk.disarm();
    if (state === 'waits') return;
    this.#counts[armed.kind === 'lostWrite' ? 'lostWrites' : 'misdirectedWrites'] += 1;
    disk.surface();
    this.isPending = true;
    this.isForgotten = state === 'unproven';
  }

  /** A start has come to an end: it goes on, or its disk is another one now. */
  ended(): void {
    this.isPending = false;
    this.#rotten = null;
    this.isForgotten = false;
  }

  /** Nothing is to be lost any more. */
  disarm(disk: SimulatedDisk, wal: WalCounters): void {
    if (this.look(disk, wal) !== 'waits') return;
    this.#armed = null;
    disk.disarm();
  }
}

/** Paths of such files of a node, by name. */
export function filesOf(disk: SimulatedDisk, part: DamagedPart): string[] {
  const directory = DIRECTORIES[part];
  if (!disk.exists(directory)) return [];
  const names = disk.list(directory).filter((name) => name.endsWith(part));
  return names.map((name) => `${directory}/${name}`);
}
