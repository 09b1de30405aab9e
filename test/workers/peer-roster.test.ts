/**
 * Whom a node links to, from what its groups say: the union, addresses that changed last, groups
 * that do not name the node.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { nodeId } from '../../engine/raft/types.js';
import { PeerRoster } from '../../workers/peer-roster.js';

const members = (...spelled: readonly string[]) =>
  spelled.map((each) => {
    const [id = '', address = ''] = each.split('=');
    return { id: nodeId(Number(id)), address };
  });
const START = members('2=b', '3=c');
const shown = (roster: PeerRoster): string =>
  roster.peers.map(({ id, address }) => `${id}=${address}`).join(' ');

test('until a group has said something, its peers are those of the start', () => {
  const roster = new PeerRoster(nodeId(1), 2, START);
  assert.equal(shown(roster), '2=b 3=c');
  roster.learn(0, members('1=a', '2=b'), false);
  assert.equal(shown(roster), '2=b 3=c');
  roster.learn(1, members('1=a', '2=b'), false);
  assert.equal(shown(roster), '2=b');
  assert.ok(!roster.letsStrangersIn);
});

test('the peers are the members of all groups, this node left out', () => {
  const roster = new PeerRoster(nodeId(1), 2, START);
  roster.learn(0, members('1=a', '2=b', '3=c'), false);
  roster.learn(1, members('1=a', '4=d'), false);
  assert.equal(shown(roster), '2=b 3=c 4=d');
  roster.learn(0, members('1=a', '3=c'), false);
  assert.equal(shown(roster), '3=c 4=d');
});

test('what a start spells differently counts until a configuration changes the address', () => {
  const roster = new PeerRoster(nodeId(1), 1, members('2=given', '3=c'));
  roster.learn(0, members('1=a', '2=recorded', '3=c'), false);
  assert.equal(shown(roster), '2=given 3=c');
  roster.learn(0, members('1=a', '2=recorded', '3=c', '4=d'), false);
  assert.equal(shown(roster), '2=given 3=c 4=d');
  roster.learn(0, members('1=a', '2=moved', '3=c', '4=d'), false);
  assert.equal(shown(roster), '2=moved 3=c 4=d');
});

test('of two addresses the one counts that came into force last, also by a rollback', () => {
  const roster = new PeerRoster(nodeId(1), 2, []);
  roster.learn(0, members('1=a', '2=old'), false);
  roster.learn(1, members('1=a', '2=old'), false);
  roster.learn(1, members('1=a', '2=new'), false);
  assert.equal(shown(roster), '2=new');
  roster.learn(0, members('1=a', '2=old', '3=c'), false);
  assert.equal(shown(roster), '2=new 3=c', 'a change elsewhere says nothing about node 2');
  roster.learn(1, members('1=a', '2=old'), false);
  assert.equal(shown(roster), '2=old 3=c');
});

test('a node that was removed and comes again may do so at another address', () => {
  const roster = new PeerRoster(nodeId(1), 1, START);
  roster.learn(0, members('1=a', '2=b', '3=c'), false);
  roster.learn(0, members('1=a', '2=b'), false);
  roster.learn(0, members('1=a', '2=b', '3=elsewhere'), false);
  assert.equal(shown(roster), '2=b 3=elsewhere');
});

test('of a group that does not name this node nobody is dialled: it waits', () => {
  const roster = new PeerRoster(nodeId(9), 2, []);
  roster.learn(0, [], false);
  roster.learn(1, members('9=self', '1=a'), false);
  assert.equal(shown(roster), '1=a');
  assert.ok(roster.letsStrangersIn);
  roster.learn(0, members('2=b', '3=c'), false);
  assert.equal(shown(roster), '1=a');
  roster.learn(0, members('2=b', '9=self'), false);
  assert.equal(shown(roster), '1=a 2=b');
  assert.ok(!roster.letsStrangersIn);
});

test('a group without a leader that its configuration names lets strangers in', () => {
  const roster = new PeerRoster(nodeId(1), 2, START);
  assert.ok(roster.letsStrangersIn, 'nothing is known yet');
  roster.learn(0, members('1=a', '2=b'), false);
  assert.ok(roster.letsStrangersIn);
  roster.learn(1, members('1=a', '2=b'), false);
  assert.ok(!roster.letsStrangersIn);
  roster.learn(0, members('1=a', '2=b'), true);
  assert.ok(roster.letsStrangersIn);
  assert.equal(shown(roster), '2=b', 'it dials none');
});
