/**
 * The segments of the log that is open, oldest first: their bytes, and which of them are free.
 *
 * Only the longest free beginning may go, never the last one, which is being written. It must never
 * touch a disk: files are renamed or removed by whoever takes the numbers.
 */

export interface SegmentSize {
  readonly segment: number;
  readonly bytes: number;
}

export class SegmentList {
  readonly #segments: SegmentSize[];
  #freed: number[] = [];
  #bytes = 0;

  constructor(found: readonly SegmentSize[]) {
    this.#segments = [...found];
    for (const { bytes } of found) this.#bytes += bytes;
  }

  /** Bytes of those that are not free. */
  get bytes(): number {
    return this.#bytes;
  }

  get count(): number {
    return this.#segments.length;
  }

  get oldest(): number {
    return this.#segments[0]!.segment;
  }

  /** The oldest one whose file is still in the hands of the log. */
  get oldestFile(): number {
    return this.#freed[0] ?? this.oldest;
  }

  add(added: SegmentSize): void {
    this.#segments.push(added);
    this.#bytes += added.bytes;
  }

  /** Frees the oldest ones as long as nobody holds them; true when there was any. */
  free(isHeld: (segment: number) => boolean): boolean {
    const before = this.#segments.length;
    while (this.#segments.length > 1 && !isHeld(this.oldest)) {
      const { segment, bytes } = this.#segments.shift()!;
      this.#freed.push(segment);
      this.#bytes -= bytes;
    }
    return this.#segments.length < before;
  }

  /** Segments that were freed since the last call, ascending. */
  takeFreed(): readonly number[] {
    const freed = this.#freed;
    this.#freed = [];
    return freed;
  }
}
