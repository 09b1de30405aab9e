/**
 * Where the entries of one recovered group lie: stretches by index, one per 64 KiB or segment.
 *
 * Stretches never overlap; between them there may be gaps as long as the replay goes on, of entries
 * whose copies are still to come. It must never know a term.
 */

/** A chunk is closed once it holds this much of a group, or when the segment changes. */
export const CHUNK_BYTES = 64 * 1024;

/** A stretch of one group's entries that begins in the block at `segment`, `offset`. */
export interface Chunk {
  readonly first: number;
  readonly last: number;
  readonly segment: number;
  readonly offset: number;
  /** Entry bytes from `first` to `last`; null once the chunk was cut. */
  readonly bytes: number | null;
}

export class ChunkList {
  readonly #chunks: Chunk[] = [];

  get all(): readonly Chunk[] {
    return this.#chunks;
  }

  /** Adds what follows everything that is here. */
  append(added: Chunk): void {
    this.#insert(this.#chunks.length, added);
  }

  #insert(at: number, added: Chunk): void {
    const before = this.#chunks[at - 1];
    if (before !== undefined && joins(before, added)) {
      const bytes = before.bytes! + added.bytes!;
      this.#chunks[at - 1] = { ...before, last: added.last, bytes };
    } else {
      this.#chunks.splice(at, 0, added);
    }
  }

  truncate(after: number): void {
    while ((this.#chunks.at(-1)?.first ?? 0) > after) this.#chunks.pop();
    const newest = this.#chunks.at(-1);
    if (newest === undefined || newest.last <= after) return;
    this.#chunks[this.#chunks.length - 1] = { ...newest, last: after, bytes: null };
  }

  compact(upTo: number): void {
    const gone = this.#chunks.findIndex(({ last }) => last > upTo);
    this.#chunks.splice(0, gone < 0 ? this.#chunks.length : gone);
    const oldest = this.#chunks[0];
    if (oldest === undefined || oldest.first > upTo) return;
    this.#chunks[0] = { ...oldest, first: upTo + 1, bytes: null };
  }

  covers(index: number): boolean {
    return this.#chunks.some(({ first, last }) => first <= index && index <= last);
  }

  /** Puts a chunk in the place of whatever lies at its indexes. */
  replace(copy: Chunk): void {
    const left = this.#chunks.filter(({ first }) => first < copy.first);
    const right = this.#chunks.filter(({ last }) => last > copy.last);
    const before = left.map((chunk) => cut(chunk, chunk.first, copy.first - 1));
    const after = right.map((chunk) => cut(chunk, copy.last + 1, chunk.last));
    this.#chunks.splice(0, this.#chunks.length, ...before);
    this.#insert(before.length, copy);
    this.#chunks.push(...after);
  }

  /** The first stretch of `[first, last]` that no chunk covers; null when all is covered. */
  gap(first: number, last: number): { readonly first: number; readonly last: number } | null {
    let next = first;
    for (const chunk of this.#chunks) {
      if (chunk.first > next) return { first: next, last: chunk.first - 1 };
      next = chunk.last + 1;
    }
    return next <= last ? { first: next, last } : null;
  }
}

function joins(before: Chunk, added: Chunk): boolean {
  if (before.bytes === null || added.bytes === null || before.bytes >= CHUNK_BYTES) return false;
  // What lies between the two blocks in the file is scanned over, so only forward.
  const inOrder = before.segment === added.segment && before.offset <= added.offset;
  return inOrder && before.last === added.first - 1;
}

/** The part of a chunk within these bounds. */
function cut(chunk: Chunk, from: number, to: number): Chunk {
  const first = Math.max(chunk.first, from);
  const last = Math.min(chunk.last, to);
  return first === chunk.first && last === chunk.last
    ? chunk
    : { ...chunk, first, last, bytes: null };
}
