/**
 * Random identities of production: incarnations, log ids, boot ids.
 *
 * They must never come from a seeded generator outside the simulator (two nodes of one seed would
 * be one), which is why whoever needs one takes a function of this shape.
 */

import { randomBytes } from 'node:crypto';

/** A random integer of 48 bits, never 0 (0 means "not recorded"). */
export function randomU48(): number {
  for (;;) {
    const value = randomBytes(6).readUIntLE(0, 6);
    if (value !== 0) return value;
  }
}
