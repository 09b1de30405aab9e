/**
 * What an operator reads about snapshot files that were found damaged: where they are now, and
 * which older ones were removed for them.
 *
 * It must never say less than what was done: nothing of a data directory goes silently.
 */

import { DAMAGED_KEPT_MAX, type SetAside } from '../io/snapshots/snapshot-store.js';

/** Follows the reason, without its full stop; empty when the file is where it was. */
export function placeText({ setAsideAs, removed }: SetAside): string {
  const kept = setAsideAs === null ? '' : `. It is kept as ${setAsideAs}`;
  return removed.length === 0 ? kept : `${kept}; ${removedText(removed)}`;
}

export function removedText(paths: readonly string[]): string {
  const bound = `${DAMAGED_KEPT_MAX} damaged snapshots of a group are kept`;
  return `${bound}, older ones are removed: ${paths.join(', ')}`;
}
