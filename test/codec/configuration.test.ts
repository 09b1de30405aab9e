/**
 * The payload of configuration entries: what comes back, what version 1 looked like, and what is
 * refused by name.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeConfiguration, encodeConfiguration } from '../../codec/configuration.js';
import { type Configuration, incarnation, MemberPlan, nodeId } from '../../engine/raft/types.js';

const CONFIGURATION: Configuration = {
  voters: [nodeId(1), nodeId(2)],
  outgoing: [nodeId(2), nodeId(3)],
  learners: [nodeId(4)],
  learnersNext: [nodeId(3)],
  members: [
    {
      id: nodeId(1),
      address: '127.0.0.1:5001',
      incarnation: incarnation(2 ** 47 + 5),
      plan: MemberPlan.stay,
    },
    {
      id: nodeId(2),
      address: 'größe.example:5002',
      incarnation: incarnation(0),
      plan: MemberPlan.remove,
    },
    { id: nodeId(3), address: '', incarnation: incarnation(7), plan: MemberPlan.demote },
    { id: nodeId(4), address: '[::1]:5004', incarnation: incarnation(8), plan: MemberPlan.promote },
  ],
};

/** Offset of the first member's flags: after the header, six ids, its own id and incarnation. */
const FIRST_FLAGS = 12 + 6 * 8 + 16;

test('a configuration comes back whole', () => {
  assert.deepEqual(decodeConfiguration(encodeConfiguration(CONFIGURATION)), CONFIGURATION);
});

test('version 1, which has no flags, is still read', () => {
  // version 1 · one voter · no other list · one member: id 9, incarnation 5, address "a:1"
  const head = '010001000000000000000100';
  const [voter, life, length, address] = ['0900000000000000', '0500000000000000', '0300', '613a31'];
  const bytes = Buffer.from([head, voter, voter, life, length, address].join(''), 'hex');
  assert.deepEqual(decodeConfiguration(bytes), {
    voters: [9],
    outgoing: [],
    learners: [],
    learnersNext: [],
    members: [{ id: 9, address: 'a:1', incarnation: 5, plan: 0 }],
  });
});

test('an unknown version and an unknown flag are refused by name', () => {
  const version = encodeConfiguration(CONFIGURATION);
  version.writeUInt16LE(3, 0);
  assert.throws(() => decodeConfiguration(version), /format version 3, this build reads 2/);
  const flags = encodeConfiguration(CONFIGURATION);
  flags.writeUInt16LE(0x8004, FIRST_FLAGS);
  assert.throws(() => decodeConfiguration(flags), /member flags 0x8004, this build knows 0x3/);
});

test('a payload cut at any byte is refused, never read as another', () => {
  const bytes = encodeConfiguration(CONFIGURATION);
  for (let end = 0; end < bytes.length; end += 1) {
    assert.throws(() => decodeConfiguration(bytes.subarray(0, end)), RangeError, `${end}`);
  }
  assert.throws(() => decodeConfiguration(Buffer.concat([bytes, Buffer.alloc(1)])), /1 bytes over/);
});
