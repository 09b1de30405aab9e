/**
 * One file of the simulated disk in two images: what was written, and what is durable. The second
 * is kept as the former content of each 512-byte sector that was written since the last sync.
 *
 *   written   │ A │ B'│ C'│ D │ E'│        a crash keeps any subset of the primed sectors
 *   durable   │ A │ B │ C │ D │            and any length between the two
 *
 * A sector is never torn within itself. A failed sync orphans what was unsynced, as on Linux: it
 * still reads as written, and no later sync makes it durable unless it is written once more.
 * This file must never draw from anything but the given generator: the same seed loses the same
 * sectors.
 */

import type { RandomSource } from './random-source.js';
import { SparsePages } from './sparse-pages.js';

export const SECTOR_BYTES = 512;
const PAGE_BYTES = 4096;
const SECTORS_PER_PAGE = PAGE_BYTES / SECTOR_BYTES;
const NO_BYTES = new Uint8Array(PAGE_BYTES);

/** A page as the medium holds it (undefined: zeros), and which of its sectors differ from that. */
interface UnsyncedPage {
  before: Uint8Array | undefined;
  sectors: number;
  /** Those of them that the next sync skips: a failed one has taken them for written. */
  orphans: number;
}

/** Which unsynced sectors of a file outlive a crash: a real disk shows each of these patterns. */
type Survival = 'none' | 'all' | 'prefix' | 'each';
const SURVIVALS: readonly Survival[] = ['none', 'all', 'prefix', 'each'];

export interface SectorFates {
  readonly kept: number;
  readonly lost: number;
}

export class SimulatedFile {
  readonly #pages = new SparsePages(PAGE_BYTES);
  readonly #unsynced = new Map<number, UnsyncedPage>();
  #durableSize = 0;
  /** The shortest the file has been since the last sync: below `durableSize` it was truncated. */
  #lowestSize = 0;
  /** A sync failed while the length was unsynced: no later one makes that durable. */
  #lengthOrphaned = false;

  get size(): number {
    return this.#pages.size;
  }

  get unsyncedSectors(): number {
    let count = 0;
    for (const { sectors } of this.#unsynced.values()) count += bitCount(sectors);
    return count;
  }

  /** Those of the unsynced ones that only another write can make durable. */
  get orphanedSectors(): number {
    let count = 0;
    for (const { orphans } of this.#unsynced.values()) count += bitCount(orphans);
    return count;
  }

  read(target: Uint8Array, offset: number, length: number, position: number): number {
    return this.#pages.read(target, offset, length, position);
  }

  write(source: Uint8Array, offset: number, length: number, position: number): void {
    this.#remember(position, position + length);
    this.#pages.write(source, offset, length, position);
  }

  truncate(length: number): void {
    if (length < this.#pages.size) this.#remember(length, this.#pages.size);
    this.#pages.resize(length);
    this.#lowestSize = Math.min(this.#lowestSize, length);
  }

  /** Makes the written image the durable one, but for what a failed sync has orphaned. */
  sync(): void {
    for (const [index, page] of this.#unsynced) {
      if (page.orphans === 0) {
        this.#unsynced.delete(index);
        continue;
      }
      page.before = this.#mediumOf(index, page);
      page.sectors = page.orphans;
    }
    if (this.#lengthOrphaned) return;
    this.#durableSize = this.#pages.size;
    this.#lowestSize = this.#pages.size;
  }

  /** The page as the medium holds it after a sync that leaves the orphans out. */
  #mediumOf(index: number, { before, orphans }: UnsyncedPage): Uint8Array {
    const medium = this.#pages.page(index)?.slice() ?? new Uint8Array(PAGE_BYTES);
    for (let sector = 0; sector < SECTORS_PER_PAGE; sector++) {
      if ((orphans & (1 << sector)) === 0) continue;
      const start = sector * SECTOR_BYTES;
      medium.set((before ?? NO_BYTES).subarray(start, start + SECTOR_BYTES), start);
    }
    return medium;
  }

  /**
   * What a failed fsync does on Linux: the bytes stay unsynced while every later sync of this file
   * claims success. Whoever relies on that loses them at the next crash; writing them again helps.
   * Returns how many sectors are orphans now.
   */
  failSync(): number {
    for (const page of this.#unsynced.values()) page.orphans = page.sectors;
    this.#lengthOrphaned ||= this.#pages.size !== this.#durableSize;
    return this.unsyncedSectors;
  }

  /**
   * The medium never gets what was just written to `[position, position + length)`: it reads as
   * written until the cache is gone, and no sync makes it durable. Writing it again does.
   */
  lose(position: number, length: number): void {
    for (let sector = Math.floor(position / SECTOR_BYTES); ; sector += 1) {
      if (sector * SECTOR_BYTES >= position + length) return;
      const page = this.#unsynced.get(Math.floor(sector / SECTORS_PER_PAGE));
      if (page !== undefined) page.orphans |= 1 << (sector % SECTORS_PER_PAGE);
    }
  }

  /** Puts bytes on the medium, in both images, without anything becoming unsynced. */
  imprint(bytes: Uint8Array, position: number): void {
    this.#pages.write(bytes, 0, bytes.length, position);
    for (let at = 0; at < bytes.length; ) {
      const index = Math.floor((position + at) / PAGE_BYTES);
      const start = (position + at) % PAGE_BYTES;
      const part = bytes.subarray(at, at + PAGE_BYTES - start);
      this.#unsynced.get(index)?.before?.set(part, start);
      at += part.length;
    }
  }

  /** The system drops orphans from its cache, as it may at any time: they read as before. */
  evictOrphans(keeps: () => boolean): number {
    const { size } = this.#pages;
    let evicted = 0;
    for (const [index, page] of this.#unsynced) {
      for (let sector = 0; sector < SECTORS_PER_PAGE; sector++) {
        const bit = 1 << sector;
        if ((page.orphans & bit) === 0 || keeps()) continue;
        const start = sector * SECTOR_BYTES;
        this.#restoreSector(index, page.before ?? NO_BYTES, start, size);
        page.orphans &= ~bit;
        page.sectors &= ~bit;
        evicted += 1;
      }
      if (page.sectors === 0) this.#unsynced.delete(index);
    }
    this.#pages.resize(size);
    return evicted;
  }

  /** Flips one bit of the medium, in both images, without anything becoming unsynced. */
  flipBit(offset: number, bit: number): void {
    const index = Math.floor(offset / PAGE_BYTES);
    const at = offset % PAGE_BYTES;
    const byte = new Uint8Array(1);
    this.#pages.read(byte, 0, 1, offset);
    byte[0] = byte[0]! ^ (1 << bit);
    this.#pages.write(byte, 0, 1, offset);
    const unsynced = this.#unsynced.get(index);
    if (unsynced?.before !== undefined) unsynced.before[at] = unsynced.before[at]! ^ (1 << bit);
  }

  /** Loss of power: leaves one image, in which each unsynced sector is the new or the old one. */
  crash(random: RandomSource, keepSector: number | undefined): SectorFates {
    const survival = survivalFor(random, keepSector);
    const total = this.unsyncedSectors;
    const shrunk = this.#lowestSize < this.#durableSize;
    const shrinkLost = survival === 'none' || (survival !== 'all' && random.chance(0.5));
    let kept = 0;
    if (shrunk && shrinkLost) {
      this.#restoreSectors(this.#durableSize, () => false);
      this.#pages.resize(this.#durableSize);
    } else {
      const keeps = sectorChooser(random, survival, total, keepSector ?? 0.5);
      const size = this.#survivingSize(random, survival);
      kept = this.#restoreSectors(this.#lowestSize, keeps);
      this.#pages.resize(size);
    }
    this.#unsynced.clear();
    this.#lengthOrphaned = false;
    this.sync();
    return { kept, lost: total - kept };
  }

  #survivingSize(random: RandomSource, survival: Survival): number {
    const [low, high] = [this.#lowestSize, this.#pages.size];
    if (survival === 'none' || low >= high) return Math.min(low, high);
    if (survival === 'all') return high;
    // Lengths change in steps as blocks are mapped: the two ends are the likeliest.
    const draw = random.below(3);
    if (draw === 0) return low;
    return draw === 1 ? high : low + random.below(high - low + 1);
  }

  /** Puts the old content back, zero at and after `end`, where `keeps` says no; counts the kept. */
  #restoreSectors(end: number, keeps: (ordinal: number) => boolean): number {
    let ordinal = 0;
    let kept = 0;
    for (const [index, { before, sectors }] of this.#unsynced) {
      for (let sector = 0; sector < SECTORS_PER_PAGE; sector++) {
        if ((sectors & (1 << sector)) === 0) continue;
        if (keeps(ordinal)) kept += 1;
        else this.#restoreSector(index, before ?? NO_BYTES, sector * SECTOR_BYTES, end);
        ordinal += 1;
      }
    }
    return kept;
  }

  #restoreSector(index: number, before: Uint8Array, start: number, end: number): void {
    const position = index * PAGE_BYTES + start;
    const sector = before.slice(start, start + SECTOR_BYTES);
    if (end < position + SECTOR_BYTES) sector.fill(0, Math.max(0, end - position));
    this.#pages.write(sector, 0, SECTOR_BYTES, position);
  }

  /** Keeps the durable content of the pages that `[from, to)` touches, and marks its sectors. */
  #remember(from: number, to: number): void {
    for (let at = from; at < to; ) {
      const index = Math.floor(at / PAGE_BYTES);
      const start = at - index * PAGE_BYTES;
      const end = Math.min(PAGE_BYTES, to - index * PAGE_BYTES);
      let page = this.#unsynced.get(index);
      if (page === undefined) {
        page = { before: this.#pages.page(index)?.slice(), sectors: 0, orphans: 0 };
        this.#unsynced.set(index, page);
      }
      const first = Math.floor(start / SECTOR_BYTES);
      const last = Math.floor((end - 1) / SECTOR_BYTES);
      for (let sector = first; sector <= last; sector++) {
        page.sectors |= 1 << sector;
        page.orphans &= ~(1 << sector);
      }
      at = (index + 1) * PAGE_BYTES;
    }
  }
}

function bitCount(mask: number): number {
  let count = 0;
  for (let bits = mask; bits !== 0; bits &= bits - 1) count += 1;
  return count;
}

function survivalFor(random: RandomSource, keepSector: number | undefined): Survival {
  if (keepSector === undefined) return SURVIVALS[random.below(SURVIVALS.length)] ?? 'none';
  if (keepSector <= 0) return 'none';
  return keepSector >= 1 ? 'all' : 'each';
}

function sectorChooser(
  random: RandomSource,
  survival: Survival,
  total: number,
  keepSector: number,
): (ordinal: number) => boolean {
  if (survival === 'each') return () => random.chance(keepSector);
  if (survival === 'prefix') {
    const count = random.below(total + 1);
    return (ordinal) => ordinal < count;
  }
  return () => survival === 'all';
}
