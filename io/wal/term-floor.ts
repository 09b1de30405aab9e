/**
 * What a replica may still promise when a block that recovery cut may have held a newer term or
 * vote of it: nothing below the floor, and no second vote in the floor's term.
 *
 * The floor is the largest `termMax` of the frames that were cut, over all groups in them: higher
 * than needed costs an election, lower would cost the promise. This file must never lower a term.
 */

const U32_MAX = 0xffff_ffff;

export interface StoredHardState {
  readonly term: number;
  /** 0: nobody. */
  readonly vote: number;
}

/** A term as a frame holds it: terms grow by one per election, so the bound is never met. */
export function frameTerm(term: number): number {
  return Math.min(term, U32_MAX);
}

/**
 * The hard state of a group in doubt. A vote for this node itself stands for "cast, and nobody
 * knows for whom": it is never given to another candidate of that term. A vote that is known is
 * kept, for a replica casts one in a term. Floor 0: no hard state was cut.
 */
export function raisedTo(
  floor: number,
  self: number,
  { term, vote }: StoredHardState,
): StoredHardState {
  const unknown = floor > term || (floor === term && floor > 0 && vote === 0);
  return unknown ? { term: floor, vote: self } : { term, vote };
}
