/**
 * ADD, REMOVE and TRANSFER: what is asked of the group, and what is replied to each of its answers.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import type { MemberChange } from '../../engine/admin-calls.js';
import { ErrorNumber, RingraftError } from '../../engine/errors.js';
import { nodeId } from '../../engine/raft/types.js';
import { Connection } from './commands-harness.js';

const client = new Connection();

test('ADD and REMOVE ask for a change and answer OK once it is made', async () => {
  const asked: MemberChange[] = [];
  const changeMembers = async (change: MemberChange) => {
    asked.push(change);
    return { index: 9 };
  };
  for (const line of ['ADD 4 127.0.0.1:5004', 'add 4 host:1 learner', 'REMOVE 2']) {
    assert.equal(await client.asked(line, { changeMembers }), '+OK');
  }
  assert.deepEqual(asked, [
    { put: [{ id: 4, address: '127.0.0.1:5004', as: 'voter' }] },
    { put: [{ id: 4, address: 'host:1', as: 'learner' }] },
    { remove: [2] },
  ]);
});

test('DRYRUN answers the arithmetic and changes nothing', async () => {
  const quorum = { voters: [1, 3, 4], needed: 2, answering: [1] };
  const planMembers = async () => quorum;
  const text = 'of nodes 1, 3, 4 at least 2 must answer, and node 1 does';
  const reply = `$${text.length}\r\n${text}`;
  assert.equal(await client.asked('ADD 4 h:1 DRYRUN', { planMembers }), reply);
  assert.equal(await client.asked('REMOVE 2 dryrun', { planMembers }), reply);
  const nothing = await client.asked('REMOVE 9 DRYRUN', { planMembers: async () => null });
  assert.match(nothing, /nothing would change/);
});

test('TRANSFER names a node, or leaves the choice', async () => {
  const targets: (number | undefined)[] = [];
  const transferLeadership = async (target?: number) => {
    targets.push(target);
    return { leader: 2, term: 5 };
  };
  assert.equal(await client.asked('TRANSFER 2', { transferLeadership }), '+OK');
  assert.equal(await client.asked('TRANSFER', { transferLeadership }), '+OK');
  assert.deepEqual(targets, [2, undefined]);
});

test('what the group refuses is replied with its reason', async () => {
  const refuse = (number: ErrorNumber, details = {}) => {
    return { changeMembers: () => Promise.reject(new RingraftError(number, details)) };
  };
  const { notLeader, membership, outcomeUnknown, closed } = ErrorNumber;
  const elsewhere = refuse(notLeader, { leader: nodeId(3) });
  assert.equal(await client.asked('REMOVE 2', elsewhere), '-REDIRECT 3');
  assert.equal(await client.asked('REMOVE 2', refuse(notLeader)), '-ERR no leader');
  const busy = refuse(membership, { detail: 'another change is under way' });
  assert.match(await client.asked('REMOVE 2', busy), /^-ERR membership: .*: another change is/);
  const unknown = refuse(outcomeUnknown, { text: 'outcome unknown: it goes on' });
  assert.equal(await client.asked('REMOVE 2', unknown), '-ERR outcome unknown: it goes on');
  assert.match(await client.asked('REMOVE 2', refuse(closed)), /^-ERR membership: the engine is/);
});

test('wrong arguments are told by value, rule and remedy', () => {
  assert.match(client.inline('ADD x h:1'), /^-ERR node id "x" must be the number of a node/);
  assert.match(client.inline('REMOVE 0'), /^-ERR node id "0" must be/);
  assert.match(client.inline('ADD 4 h:1 VOTER'), /^-ERR "VOTER" is not known here; .*LEARNER/);
  assert.match(client.inline('REMOVE 4 now'), /^-ERR "now" is not known here; it may be DRYRUN/);
  assert.match(client.inline('TRANSFER 2 3'), /^-ERR TRANSFER takes one node id/);
  assert.match(client.inline('ADD 4'), /wrong number of arguments for 'add'/);
});
