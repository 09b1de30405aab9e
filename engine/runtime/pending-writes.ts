/**
 * Who waits for which log index on this node: batches of proposals, in order of index.
 *
 * A batch is bound to (first index, term) when a leader appended it. When an index is applied with
 * that term the result is the batch's; with another term the entry was replaced and the command was
 * certainly not executed. Nothing here knows how a result is delivered.
 */

interface BoundBatch {
  readonly batch: number;
  readonly first: number;
  readonly last: number;
  readonly term: number;
}

/**
 * A part of a batch: entries `[offset, offset + count)` of it lie at `[first, last]` of the log.
 */
export interface BatchPart {
  readonly batch: number;
  readonly offset: number;
  readonly first: number;
  readonly last: number;
}

export interface Claims {
  /** Parts whose entries are applied now, ascending and disjoint. */
  readonly wanted: readonly BatchPart[];
  /** Parts whose entries were replaced by another leader's. */
  readonly lost: readonly BatchPart[];
}

const NOTHING: Claims = { wanted: [], lost: [] };

export class PendingWrites {
  /** Ascending by first index; ranges overlap only where leaders replaced each other's entries. */
  readonly #bound: BoundBatch[] = [];
  /** Entries of batches up to here were claimed; the newest term among them. */
  #claimedUpTo = 0;
  #claimedTerm = 0;

  /** The highest index that anybody here waits for; 0 when nobody waits. */
  get lastIndex(): number {
    return this.#bound.reduce((last, bound) => Math.max(last, bound.last), 0);
  }

  /** A leader appended the batch's `count` entries at `first` in `term`. */
  bind(batch: number, first: number, count: number, term: number): void {
    let at = this.#bound.length;
    while (at > 0 && (this.#bound[at - 1] as BoundBatch).first > first) at -= 1;
    this.#bound.splice(at, 0, { batch, first, last: first + count - 1, term });
  }

  /** Entries up to here went to the machine already: nobody can wait for them any more. */
  get claimedUpTo(): number {
    return this.#claimedUpTo;
  }

  /**
   * Whether an entry appended in `term` that is not applied yet never will be: terms only grow
   * along a log, and one of a later term is committed before it.
   */
  isOvertaken(term: number): boolean {
    return term < this.#claimedTerm;
  }

  /** Entries `[first, last]`, all of `term`, are applied now: who wanted them, who lost them. */
  claim(first: number, last: number, term: number): Claims {
    const head = this.#bound[0];
    const isLaterTerm = term > this.#claimedTerm;
    this.#claimedUpTo = last;
    this.#claimedTerm = Math.max(this.#claimedTerm, term);
    if (head === undefined || (head.first > last && !isLaterTerm)) return NOTHING;
    const wanted: BatchPart[] = [];
    const lost: BatchPart[] = [];
    for (const bound of this.#bound) {
      if (bound.first > last) break;
      const from = Math.max(bound.first, first);
      const to = Math.min(bound.last, last);
      if (from > to) continue;
      const part = { batch: bound.batch, offset: from - bound.first, first: from, last: to };
      (bound.term === term ? wanted : lost).push(part);
    }
    let done = 0;
    while (done < this.#bound.length && (this.#bound[done] as BoundBatch).first <= last) {
      if ((this.#bound[done] as BoundBatch).last > last) break;
      done += 1;
    }
    this.#bound.splice(0, done);
    if (isLaterTerm) lost.push(...this.#takeOvertaken());
    return { wanted, lost };
  }

  /**
   * Entries up to `last`, the newest of `term`, will never be seen here one by one: a snapshot
   * stands for them. Who waited for one of them, and will not learn whether it is among them.
   */
  skipUpTo(last: number, term: number): BatchPart[] {
    const parts = this.#bound
      .filter((bound) => bound.first <= last || bound.term < term)
      .map((bound) => {
        const first = Math.max(bound.first, this.#claimedUpTo + 1);
        const end = bound.term < term ? bound.last : Math.min(bound.last, last);
        return { batch: bound.batch, offset: first - bound.first, first, last: end };
      })
      .filter((part) => part.first <= part.last);
    const rest = this.#bound.filter((bound) => bound.last > last && bound.term >= term);
    this.#bound.splice(0, this.#bound.length, ...rest);
    this.#claimedUpTo = Math.max(this.#claimedUpTo, last);
    this.#claimedTerm = Math.max(this.#claimedTerm, term);
    return parts;
  }

  #takeOvertaken(): BatchPart[] {
    const overtaken = this.#bound.filter((bound) => this.isOvertaken(bound.term));
    if (overtaken.length === 0) return [];
    const rest = this.#bound.filter((bound) => !this.isOvertaken(bound.term));
    this.#bound.splice(0, this.#bound.length, ...rest);
    return this.#unclaimed(overtaken);
  }

  /** Everything that still waits, when the group ends. */
  drain(): BatchPart[] {
    return this.#unclaimed(this.#bound.splice(0));
  }

  #unclaimed(bounds: readonly BoundBatch[]): BatchPart[] {
    const waiting = bounds.filter((bound) => bound.last > this.#claimedUpTo);
    return waiting.map((bound) => {
      const first = Math.max(bound.first, this.#claimedUpTo + 1);
      return { batch: bound.batch, offset: first - bound.first, first, last: bound.last };
    });
  }
}
