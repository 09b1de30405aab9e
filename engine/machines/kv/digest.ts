/**
 * A fingerprint of a whole store that does not depend on where anything lies: every record is
 * hashed in two ways and the hashes are summed.
 *
 * It walks all keys and values, some hundred milliseconds for a million small records: a tool for
 * tests and comparisons, never for the data path.
 */

import { hashBytes } from './bytes.js';
import type { Store } from './store.js';

const SEED_LOW = 0x9e37_79b9;
const SEED_HIGH = 0x7f4a_7c15;

/** `keys-high-low`, for instance `2-0a1b2c3d-4e5f6071`. */
export function digestStore(store: Store): string {
  const { records } = store;
  let low = 0;
  let high = 0;
  store.visitAll((handle) => {
    const bytes = records.bytes(handle);
    const keyStart = records.keyStart(handle);
    const valueStart = records.valueStart(handle);
    const valueEnd = records.valueEnd(handle);
    // The value's hash is seeded with the key's, so that neither bytes nor pairs can be exchanged.
    const lowKey = hashBytes(bytes, keyStart, valueStart, SEED_LOW);
    const highKey = hashBytes(bytes, keyStart, valueStart, SEED_HIGH);
    low = (low + hashBytes(bytes, valueStart, valueEnd, lowKey)) >>> 0;
    high = (high + hashBytes(bytes, valueStart, valueEnd, highKey)) >>> 0;
  });
  return `${store.keys}-${hex(high)}-${hex(low)}`;
}

function hex(word: number): string {
  return word.toString(16).padStart(8, '0');
}
