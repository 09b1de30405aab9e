/**
 * One bug that the simulator must find: a textual change of one source file of a copy of the tree,
 * and what the runs that hunt it are like.
 *
 * A pattern must occur exactly once, so that it cannot rot unnoticed.
 */

import type { FaultFamily } from '../../tools/sim/fault-families.js';

export interface Mutant {
  readonly name: string;
  /** What the bug is, in one line. */
  readonly what: string;
  readonly file: string;
  readonly find: string;
  readonly replace: string;
  /** Nodes of the clusters that hunt it; three when absent. */
  readonly nodes?: number;
  /** Families of faults that the runs draw from; all when absent. */
  readonly faults?: readonly FaultFamily[];
  /** Part of `npm test`; the others are run by hand. */
  readonly inTests?: true;
}
