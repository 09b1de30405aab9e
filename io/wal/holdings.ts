/**
 * Which segment holds which entries that are still part of a group's log, as ranges by index: from
 * it follows which segments nobody needs any more, and who keeps the oldest one.
 *
 * One range per group and segment, however many entries: a request costs the same whatever it
 * holds. It must never touch a disk; what it answers is true of what was staged, not of what is
 * durable, and the caller minds the difference.
 */

/** Entries `[first, last]` of a group that lie in one segment. */
export interface Holding {
  readonly group: number;
  readonly segment: number;
  first: number;
  last: number;
  /** Bytes of their records; an estimate once the range was cut. */
  bytes: number;
}

export class Holdings {
  /** Each group's ranges, ascending by index. Copies lie in newer segments than what follows. */
  readonly #groups = new Map<number, Holding[]>();
  readonly #perSegment = new Map<number, number>();

  isHeld(segment: number): boolean {
    return this.#perSegment.has(segment);
  }

  /** Whether the range, found earlier, still lies where it did; it may have shrunk. */
  has(range: Holding): boolean {
    return this.#groups.get(range.group)?.includes(range) === true;
  }

  /** Ranges that lie in the segment. Looks at every range of the log. */
  of(segment: number): Holding[] {
    const found: Holding[] = [];
    for (const ranges of this.#groups.values()) {
      for (const range of ranges) if (range.segment === segment) found.push(range);
    }
    return found;
  }

  append(added: Holding): void {
    const ranges = this.#rangesOf(added.group);
    const newest = ranges.at(-1);
    if (newest?.segment === added.segment && newest.last === added.first - 1) {
      newest.last = added.last;
      newest.bytes += added.bytes;
      return;
    }
    ranges.push(added);
    this.#count(added.segment, 1);
  }

  /** True when a range went or shrank. */
  truncate(group: number, after: number): boolean {
    const ranges = this.#rangesOf(group);
    let changed = false;
    while (ranges.length > 0 && ranges.at(-1)!.first > after) {
      this.#count(ranges.pop()!.segment, -1);
      changed = true;
    }
    const newest = ranges.at(-1);
    if (newest === undefined || newest.last <= after) return changed;
    shrink(newest, newest.first, after);
    return true;
  }

  /** True when a range went or shrank. */
  compact(group: number, upTo: number): boolean {
    const ranges = this.#rangesOf(group);
    let gone = 0;
    while (gone < ranges.length && ranges[gone]!.last <= upTo) gone += 1;
    for (const { segment } of ranges.splice(0, gone)) this.#count(segment, -1);
    const oldest = ranges[0];
    if (oldest === undefined || oldest.first > upTo) return gone > 0;
    shrink(oldest, upTo + 1, oldest.last);
    return true;
  }

  reset(group: number): boolean {
    return this.truncate(group, 0);
  }

  /** Entries of `copied` lie there now: it takes the place of the range of exactly these. */
  move(copied: Holding): void {
    const ranges = this.#rangesOf(copied.group);
    const at = ranges.findIndex(({ first }) => first === copied.first);
    const old = ranges[at];
    if (old === undefined || old.last !== copied.last) {
      throw new Error(`assertion failed: group ${copied.group} moves what it does not hold`);
    }
    ranges[at] = copied;
    this.#count(old.segment, -1);
    this.#count(copied.segment, 1);
  }

  #rangesOf(group: number): Holding[] {
    let ranges = this.#groups.get(group);
    if (ranges === undefined) {
      ranges = [];
      this.#groups.set(group, ranges);
    }
    return ranges;
  }

  #count(segment: number, change: 1 | -1): void {
    const count = (this.#perSegment.get(segment) ?? 0) + change;
    if (count === 0) this.#perSegment.delete(segment);
    else this.#perSegment.set(segment, count);
  }
}

function shrink(range: Holding, first: number, last: number): void {
  const share = (last - first + 1) / (range.last - range.first + 1);
  range.bytes = Math.ceil(range.bytes * share);
  range.first = first;
  range.last = last;
}
