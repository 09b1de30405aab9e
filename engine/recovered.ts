/**
 * From what recovery found on disk to what the core starts from, for one group: plain values in,
 * plain values out. It must never decide whether what was found may be used.
 */

import { decodeConfiguration } from '../codec/configuration.js';
import { raisedTo } from '../io/wal/term-floor.js';
import type { RecoveredGroup } from '../io/wal/wal-types.js';
import { EMPTY_LOG, type RecoveredLog } from './raft/log.js';
import type { Recovered } from './raft/state.js';
import { logIndex, nodeId, term } from './raft/types.js';
import type { StoredSnapshot } from './runtime/snapshot-port.js';

/** What is known of a group beside its part of the log. */
export interface FoundBeside {
  readonly membership: Pick<Recovered, 'bootstrap' | 'configurations'>;
  readonly snapshot: StoredSnapshot | undefined;
  readonly inDoubt: boolean;
  /** See io/wal/term-floor.ts; and this node's id. */
  readonly termFloor: number;
  readonly self: number;
}

/** `found`: the group's part of the log; undefined when the log does not know it. */
export function recoveredFrom(found: RecoveredGroup | undefined, beside: FoundBeside): Recovered {
  const { membership, inDoubt, termFloor, self } = beside;
  const snapshot = recoveredSnapshot(beside.snapshot);
  const nothing = { term: 0, vote: 0 };
  const hard = found ?? (inDoubt ? raisedTo(termFloor, self, nothing) : nothing);
  return {
    ...membership,
    hardState: { term: term(hard.term), vote: nodeId(hard.vote) },
    log: found === undefined ? EMPTY_LOG : recoveredLog(found),
    snapshot,
    inDoubt,
  };
}

function recoveredLog(found: RecoveredGroup): RecoveredLog {
  const { compacted } = found;
  return {
    last: logIndex(found.last),
    generation: found.generation,
    compacted: logIndex(compacted.index),
    compactedTerm: term(compacted.term),
    termRuns: found.termRuns.map((run) => ({ first: logIndex(run.first), term: term(run.term) })),
    extents: found.extents.map(({ last, bytes }) => ({ last: logIndex(last), bytes })),
  };
}

function recoveredSnapshot(stored: StoredSnapshot | undefined): Recovered['snapshot'] {
  if (stored === undefined) return null;
  const { point, configuration } = stored;
  const index = logIndex(configuration.index);
  const decoded = decodeConfiguration(Buffer.from(configuration.bytes));
  return { point, configuration: { index, configuration: decoded } };
}
