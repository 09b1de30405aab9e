/**
 * A model of what a log must hold while it is truncated, compacted, reset and copied, and a random
 * caller that submits to a real log and keeps the model beside it.
 *
 * It knows requests, acknowledgements and where entries are said to lie; it must never look into a
 * segment, nor know when the log gives one back.
 */

import assert from 'node:assert/strict';
import type { Prng } from '../../engine/raft/prng.js';
import { logIndex } from '../../engine/raft/types.js';
import { BlockIndex } from '../../engine/runtime/block-index.js';
import type { Disk } from '../../io/disk/disk.js';
import { LogReader } from '../../io/wal/log-reader.js';
import type { OpenedWal, Wal } from '../../io/wal/wal.js';
import type { LogPoint, PersistRequest, RecoveredGroup } from '../../io/wal/wal-types.js';
import { DIRECTORY, entryTexts, readBack, run } from './wal-harness.js';

/** A group's log as the model has it; never changed, only replaced. */
export interface ModelGroup {
  readonly generation: number;
  readonly base: LogPoint;
  /** Entries from `base.index + 1` on: term and payload. */
  readonly entries: readonly { readonly term: number; readonly text: string }[];
  /** The newest term of the group's leaders. */
  readonly term: number;
}

export type Model = ReadonlyMap<number, ModelGroup>;

export const EMPTY: ModelGroup = {
  generation: 0,
  base: { index: 0, term: 0 },
  entries: [],
  term: 1,
};

export function lastOf({ base, entries }: ModelGroup): number {
  return base.index + entries.length;
}

export function termAt(group: ModelGroup, index: number): number {
  if (index === group.base.index) return group.base.term;
  return group.entries[index - group.base.index - 1]?.term ?? 0;
}

/** The group after a request. */
export function after(group: ModelGroup, request: PersistRequest): ModelGroup {
  let { base, entries } = group;
  if (request.reset !== undefined) [base, entries] = [request.reset, []];
  if (request.truncateAfter !== undefined) {
    entries = entries.slice(0, request.truncateAfter - base.index);
  }
  for (const one of request.runs) {
    entries = [...entries, ...entryTexts(one).map((text) => ({ term: one.term, text }))];
  }
  const { compact } = request;
  if (compact !== undefined && compact.index > base.index) {
    entries = entries.slice(compact.index - base.index);
    base = compact;
  }
  return { generation: request.generation, base, entries, term: request.term };
}

/** What a recovered group holds, with every entry read back; null when it is not that. */
export function differs(disk: Disk, found: RecoveredGroup | undefined, model: ModelGroup): boolean {
  if (found === undefined) return lastOf(model) > 0 || model.generation > 0;
  const same =
    found.generation === model.generation &&
    found.compacted.index === model.base.index &&
    found.compacted.term === model.base.term &&
    found.first === model.base.index + 1 &&
    found.last === lastOf(model);
  if (!same) return true;
  const texts = model.entries.map(({ text }) => text);
  return JSON.stringify(readBack(disk, found)) !== JSON.stringify(texts);
}

/** One life of a log under a random caller. */
export class RandomCaller {
  readonly wal: Wal;
  /** The model after each request that was submitted; the first is what the life began with. */
  readonly models: Model[];
  /** How many requests of this life are acknowledged. */
  acknowledged = 0;
  moves = 0;
  readonly #disk: Disk;
  readonly #prng: Prng;
  readonly #seq = new Map<number, number>();
  readonly #blocks = new Map<number, BlockIndex>();
  /** Submitted and not acknowledged: first index and bytes of what was in it. */
  readonly #pending: { group: number; seq: number; first: number; bytes: number }[] = [];

  constructor(disk: Disk, prng: Prng, opened: OpenedWal, model: Model) {
    this.wal = opened.wal;
    this.#disk = disk;
    this.#prng = prng;
    this.models = [model];
    for (const { group, locations } of opened.groups) {
      this.#blocks.set(group, new BlockIndex(locations));
    }
  }

  get model(): Model {
    return this.models.at(-1)!;
  }

  groupOf(group: number): ModelGroup {
    return this.model.get(group) ?? EMPTY;
  }

  #blocksOf(group: number): BlockIndex {
    const known = this.#blocks.get(group) ?? new BlockIndex([]);
    this.#blocks.set(group, known);
    return known;
  }

  /** Submits; false when the log had no room, and then nothing happened. */
  submit(group: number, parts: Partial<PersistRequest>): boolean {
    const before = this.groupOf(group);
    const changes = parts.truncateAfter !== undefined || parts.reset !== undefined;
    const generation = before.generation + (changes ? 1 : 0);
    const seq = (this.#seq.get(group) ?? 0) + 1;
    const request = { group, seq, generation, term: before.term, runs: [], ...parts };
    const model = new Map(this.model).set(group, after(before, request));
    // Before the call: a loss of power inside it may or may not have taken the request.
    this.models.push(model);
    for (let attempt = 0; !this.wal.stage(request); attempt += 1) {
      if (attempt < 3) {
        this.commit();
        continue;
      }
      this.models.pop();
      return false;
    }
    this.#seq.set(group, seq);
    const blocks = this.#blocksOf(group);
    if (parts.reset !== undefined) blocks.truncateAfter(logIndex(0));
    if (parts.truncateAfter !== undefined) blocks.truncateAfter(logIndex(parts.truncateAfter));
    const bytes = request.runs.reduce((sum, one) => sum + one.bytes.length, 0);
    this.#pending.push({ group, seq, first: request.runs[0]?.first ?? 0, bytes });
    return true;
  }

  commit(): void {
    for (const { group, seq, segment, offset } of this.wal.commit(0)) {
      const at = this.#pending.findIndex((one) => one.group === group && one.seq === seq);
      const { first, bytes } = this.#pending.splice(at, 1)[0]!;
      if (first > 0) this.#blocksOf(group).add(first, bytes, segment, offset);
      this.acknowledged += 1;
    }
    while (this.wal.reclaim());
    for (const moved of this.wal.takeMoved()) {
      this.#blocksOf(moved.group).moved(moved);
      this.moves += 1;
    }
    this.wal.recycleFreed();
  }

  /** What the log named as pinning it forgets all that is in it. */
  snapshotPinning(): number {
    const pinning = this.wal.takePinning();
    for (const group of pinning) this.compact(group, lastOf(this.groupOf(group)));
    return pinning.length;
  }

  compact(group: number, index: number): boolean {
    return this.submit(group, { compact: { index, term: termAt(this.groupOf(group), index) } });
  }

  append(group: number, count: number, size: number): boolean {
    const { term } = this.groupOf(group);
    const first = lastOf(this.groupOf(group)) + 1;
    return this.submit(group, { runs: [run(group, term, first, count, size)] });
  }

  /** Something that a core might submit. */
  step(groups: number): void {
    const prng = this.#prng;
    const group = 1 + prng.below(groups);
    const known = this.groupOf(group);
    const last = lastOf(known);
    const within = known.base.index + prng.below(last - known.base.index + 1);
    switch (prng.below(10)) {
      case 0: {
        const term = known.term + 1;
        const runs = [run(group, term, within + 1, 1 + prng.below(2), prng.below(300))];
        this.submit(group, { term, truncateAfter: within, runs });
        break;
      }
      case 1:
        this.compact(group, within);
        break;
      case 2:
        if (prng.chance(0.2)) {
          const point = { index: within + prng.below(20), term: known.term + 1 };
          const runs = prng.chance(0.5) ? [run(group, point.term, point.index + 1, 1, 50)] : [];
          this.submit(group, { term: point.term, reset: point, runs });
        }
        break;
      case 3:
        this.submit(group, { hardState: { term: 1, vote: 1 } });
        break;
      default:
        this.append(group, 1 + prng.below(3), prng.below(400));
    }
    if (prng.chance(0.5)) this.commit();
    if (prng.chance(0.1)) this.wal.seal();
  }

  /** Reads every acknowledged entry from where it is said to lie. */
  assertReadable(): void {
    this.commit();
    assert.equal(this.#pending.length, 0);
    const reader = new LogReader(this.#disk, DIRECTORY);
    for (const [group, model] of this.model) {
      const last = lastOf(model);
      const texts: string[] = [];
      for (let first = model.base.index + 1; first <= last; ) {
        const location = this.#blocksOf(group).find(logIndex(first));
        assert.ok(location !== undefined, `group ${group} entry ${first} has a location`);
        const reach = this.#blocksOf(group).reach(logIndex(first), logIndex(last));
        const termOf = (index: number): number => termAt(model, index);
        const wanted = { group, location, first, last: reach, bytesMax: 1 << 20, termOf };
        const runs = reader.read(wanted);
        const where = `segment ${location.segment} byte ${location.offset}`;
        assert.ok(runs.length > 0, `group ${group} entry ${first} is readable at ${where}`);
        for (const found of runs) {
          texts.push(...entryTexts(found));
          first += found.count;
        }
        assert.equal(first, reach + 1, 'a reader comes as far as the index says');
      }
      assert.deepEqual(
        texts,
        model.entries.map(({ text }) => text),
      );
    }
    reader.close();
  }
}
