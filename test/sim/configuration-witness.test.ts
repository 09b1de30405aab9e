/**
 * What the witness of configurations must see: a replica that goes by an older one than is
 * committed up to where it has committed, or by another one of the same index.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { RaftLog } from '../../engine/raft/log.js';
import { bootstrapConfiguration, Membership, withRecord } from '../../engine/raft/membership.js';
import type { CoreState } from '../../engine/raft/state.js';
import {
  type ConfigurationEntry,
  incarnation,
  logIndex,
  NO_INDEX,
  NO_TERM,
  nodeId,
} from '../../engine/raft/types.js';
import { ConfigurationWitness } from '../../tools/sim/configuration-witness.js';

const MEMBERS = [1, 2, 3].map((id) => ({ id: nodeId(id), address: `node-${id}` }));
const BOOTSTRAP = bootstrapConfiguration(MEMBERS);

/** The configuration at `index` says that replica 3 lives `life`. */
function entryAt(index: number, life = 33): ConfigurationEntry {
  const configuration = withRecord(BOOTSTRAP, nodeId(3), incarnation(life));
  return { index: logIndex(index), configuration };
}

/** A replica that has committed `committed` entries and holds these configurations. */
function replica(committed: number, ...entries: ConfigurationEntry[]): CoreState {
  const last = logIndex(9);
  const base = { generation: 0, compacted: NO_INDEX, compactedTerm: NO_TERM };
  const log = new RaftLog({ last, ...base, termRuns: [], extents: [] });
  log.committed = logIndex(committed);
  return { membership: new Membership(BOOTSTRAP, entries), log } as CoreState;
}

test('whoever has not committed a configuration need not go by it', () => {
  const witness = new ConfigurationWitness();
  assert.equal(witness.sees(1, replica(6, entryAt(5))), null);
  assert.equal(witness.sees(2, replica(4)), null);
  assert.equal(witness.sees(3, replica(4, entryAt(5, 44))), null);
});

test('a replica that has lost a committed configuration is reported', () => {
  const witness = new ConfigurationWitness();
  assert.equal(witness.sees(1, replica(6, entryAt(3), entryAt(5))), null);
  assert.equal(witness.sees(2, replica(6, entryAt(3))), 'node 2 at 6 goes by 3, not by 5');
});

test('a replica that has another configuration at the same index is reported', () => {
  const witness = new ConfigurationWitness();
  assert.equal(witness.sees(1, replica(6, entryAt(5))), null);
  const broken = witness.sees(2, replica(6, entryAt(5, 44)));
  assert.equal(broken, 'node 2 has another configuration at 5 than another had');
});

test('what a replica brings that has forgotten less is learnt as well', () => {
  const witness = new ConfigurationWitness();
  assert.equal(witness.sees(1, replica(8, entryAt(7))), null);
  assert.equal(witness.sees(2, replica(6, entryAt(5))), null);
  assert.equal(witness.sees(3, replica(6, entryAt(5))), null);
  assert.equal(witness.sees(3, replica(6)), 'node 3 at 6 goes by 0, not by 5');
});
