/**
 * A disk in memory that loses what was not synced, tears writes and fails on request, all of it
 * decided by a seeded generator: the same seed and calls give the same disk.
 *
 * `crash()` is a loss of power, `kill()` the death of the process alone. It must never be kinder
 * than a real disk: creations, renames and removals are as unsynced as bytes until `syncDirectory`,
 * and what a failed sync left in memory only may be read back or not.
 */

import { type Disk, DiskError, type DiskFile } from './disk.js';
import {
  type ArmableFault,
  DiskFaults,
  type FaultCounters,
  type FaultPlan,
} from './disk-faults.js';
import { EntryJournal } from './entry-journal.js';
import { FileTree, TreeDirectory } from './file-tree.js';
import type { RandomSource } from './random-source.js';
import { SECTOR_BYTES, SimulatedFile } from './simulated-file.js';
import { type HandleHost, SimulatedHandle } from './simulated-handle.js';

export interface CrashOptions {
  /**
   * Probability that an unsynced sector survives (0: none, 1: all). When absent, each file draws a
   * pattern: none, all, those written first, or each by the toss of a coin.
   */
  readonly keepSector?: number;
  /** Probability that an unsynced directory operation survives; one half by default. */
  readonly keepDirectoryOperation?: number;
}

/** A write that hit the wrong place, which nobody has looked at yet. */
interface Misplaced {
  readonly file: SimulatedFile;
  readonly bytes: Uint8Array;
  readonly position: number;
}

export class SimulatedDisk implements Disk {
  readonly #random: RandomSource;
  readonly #tree = new FileTree<SimulatedFile>();
  readonly #journal = new EntryJournal<SimulatedFile>();
  readonly #faults = new DiskFaults();
  #misplaced: Misplaced[] = [];
  #capacityBytes = Number.POSITIVE_INFINITY;
  /** Grows when all handles die, at a crash or a kill. */
  #life = 0;

  constructor(random: RandomSource) {
    this.#random = random;
  }

  open(path: string, mode: 'read' | 'readwrite' | 'create'): DiskFile {
    this.#strike('directoryError', 'open', path);
    if (mode === 'create' && this.#tree.find(path) === undefined) {
      this.#journal.record(this.#tree.create(path, new SimulatedFile()));
    }
    const file = this.#tree.file('open', path);
    return new SimulatedHandle(path, file, mode !== 'read', this.#handleHost(this.#life));
  }

  exists(path: string): boolean {
    return this.#tree.find(path) !== undefined;
  }

  list(directory: string): string[] {
    this.#strike('directoryError', 'list', directory);
    return [...this.#tree.directory('list', directory).entries.keys()].sort();
  }

  makeDirectory(path: string): void {
    this.#strike('directoryError', 'makeDirectory', path);
    for (const change of this.#tree.makeDirectory(path)) this.#journal.record([change]);
  }

  rename(from: string, to: string): void {
    this.#strike('directoryError', 'rename', from);
    this.#journal.record(this.#tree.rename(from, to));
  }

  remove(path: string): void {
    this.#strike('directoryError', 'remove', path);
    this.#journal.record(this.#tree.remove(path));
  }

  syncDirectory(directory: string): void {
    const node = this.#tree.directory('syncDirectory', directory);
    this.#strike('directoryError', 'syncDirectory', directory);
    this.#journal.sync(node);
  }

  /** Loss of power: unsynced sectors and directory operations survive or not; handles are dead. */
  crash(options: CrashOptions = {}): void {
    this.#life += 1;
    this.#faults.count('crash');
    const keep = options.keepDirectoryOperation ?? 0.5;
    const undone = this.#journal.crash(() => this.#random.chance(keep));
    this.#faults.count('lostDirectoryOperation', undone);
    // Only now the bytes: a file whose removal was taken back loses unsynced sectors as well.
    for (const file of this.#files()) {
      const { kept, lost } = file.crash(this.#random, options.keepSector);
      this.#faults.count('keptSector', kept);
      this.#faults.count('lostSector', lost);
    }
  }

  /**
   * Death of the process: handles are dead, but the system keeps, unsynced, what was written. Of
   * what a failed sync has orphaned it keeps all, nothing, or some sectors.
   */
  kill(): void {
    this.#life += 1;
    for (const file of this.#files()) {
      if (file.orphanedSectors === 0) continue;
      const keep = this.#random.below(3) / 2;
      this.#faults.count(
        'evictedSector',
        file.evictOrphans(() => this.#random.chance(keep)),
      );
    }
  }

  /**
   * Whatever reads from now on reads the medium: writes that it lost are gone, and those that it
   * put elsewhere are there. To be called before `crash` or `kill`, which would keep some of them.
   */
  surface(): void {
    for (const file of this.#files()) file.evictOrphans(() => false);
    for (const { file, bytes, position } of this.#misplaced.splice(0)) {
      const room = Math.max(0, file.size - position);
      file.imprint(bytes.subarray(0, room), position);
    }
  }

  arm(plan: FaultPlan): void {
    this.#faults.arm(plan);
  }

  /** Of one kind, or of all. */
  disarm(kind?: ArmableFault): void {
    this.#faults.disarm(kind);
  }

  /** What struck so far, by kind. */
  counters(): FaultCounters {
    return this.#faults.counters();
  }

  /** Space for all files together. It is charged by length: holes count as written. */
  setCapacity(bytes: number): void {
    this.#capacityBytes = bytes;
  }

  /** Flips bit `bit` (0 to 7) of the byte at `offset`, durably and unnoticed. */
  flipBit(path: string, offset: number, bit = 0): void {
    const file = this.#tree.file('flipBit', path);
    if (!(offset >= 0 && offset < file.size && bit >= 0 && bit < 8)) {
      throw new RangeError(`no bit ${bit} at byte ${offset} of ${path} (${file.size} bytes)`);
    }
    file.flipBit(offset, bit);
    this.#faults.count('bitFlip');
  }

  /** Written sectors and directory operations that a crash could still take. */
  unsynced(): { readonly sectors: number; readonly directoryOperations: number } {
    let sectors = 0;
    for (const file of this.#files()) sectors += file.unsyncedSectors;
    return { sectors, directoryOperations: this.#journal.length };
  }

  #handleHost(life: number): HandleHost {
    return {
      random: this.#random,
      faults: this.#faults,
      isAlive: () => life === this.#life,
      freeBytes: () => this.#capacityBytes - this.#usedBytes(),
      wrote: (file, position, length) => {
        if (this.#misplaced.length === 0) return;
        this.#misplaced = this.#misplaced.filter((one) => {
          const isBehind = position >= one.position + one.bytes.length;
          return one.file !== file || isBehind || position + length <= one.position;
        });
      },
      misplace: (file, bytes, position) => this.#misplace(file, bytes, position),
    };
  }

  /** Half of them stay in their file; all begin where a sector does. */
  #misplace(from: SimulatedFile, bytes: Uint8Array, position: number): void {
    const others = [...this.#files()].filter(({ size }) => size >= SECTOR_BYTES);
    const isNear = others.length === 0 || this.#random.chance(0.5);
    const file = isNear ? from : others[this.#random.below(others.length)]!;
    const sectors = Math.floor(file.size / SECTOR_BYTES);
    if (sectors < 2) return;
    const own = file === from ? Math.floor(position / SECTOR_BYTES) : -1;
    const drawn = this.#random.below(sectors);
    const sector = drawn === own ? (drawn + 1) % sectors : drawn;
    this.#misplaced.push({ file, bytes, position: sector * SECTOR_BYTES });
  }

  #usedBytes(): number {
    if (this.#capacityBytes === Number.POSITIVE_INFINITY) return 0;
    let used = 0;
    for (const file of this.#files()) used += file.size;
    return used;
  }

  #strike(kind: ArmableFault, operation: string, path: string): void {
    const code = this.#faults.strike(kind, path);
    if (code !== undefined) throw new DiskError(code, operation, path);
  }

  *#files(directory = this.#tree.root): Generator<SimulatedFile> {
    for (const node of directory.entries.values()) {
      if (node instanceof TreeDirectory) yield* this.#files(node);
      else yield node;
    }
  }
}
