/**
 * A configuration entry's payload: the full joint description of a group's membership.
 *
 *   u16 version · u16 voters · u16 outgoing · u16 learners · u16 learnersNext · u16 members
 *   u64 ids of each list, in that order
 *   per member: u64 id · u64 incarnation · u16 flags · u16 address length · address (UTF-8)
 *
 * Bits 0 and 1 of the flags are the member's plan: 0 stay, 1 promote, 2 demote, 3 remove. The
 * others are for kinds of members to come: a set one is refused, like an unknown version, by name.
 * Version 1 has no flags and is still read. This file must never judge whether a change is allowed.
 */

import {
  type Configuration,
  incarnation,
  type Member,
  type MemberPlan,
  type NodeId,
  nodeId,
} from '../engine/raft/types.js';
import { readU64, writeU64 } from './u64.js';

const VERSION = 2;
const VERSION_WITHOUT_FLAGS = 1;
const HEADER_BYTES = 12;
const ID_BYTES = 8;
const ADDRESS_LENGTH_BYTES = 2;
const OFFSET_FLAGS = 2 * ID_BYTES;
const MEMBER_HEADER_BYTES = OFFSET_FLAGS + 2 + ADDRESS_LENGTH_BYTES;
const PLAN_BITS = 3;

export function encodeConfiguration(configuration: Configuration): Buffer {
  const lists = [
    configuration.voters,
    configuration.outgoing,
    configuration.learners,
    configuration.learnersNext,
  ];
  const addresses = configuration.members.map((member) => Buffer.from(member.address));
  const ids = lists.reduce((total, list) => total + list.length, 0);
  const members = addresses.reduce((total, text) => total + MEMBER_HEADER_BYTES + text.length, 0);
  const bytes = Buffer.alloc(HEADER_BYTES + ids * ID_BYTES + members);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  view.setUint16(0, VERSION, true);
  for (const [at, list] of lists.entries()) view.setUint16(2 + at * 2, list.length, true);
  view.setUint16(10, configuration.members.length, true);
  let at = HEADER_BYTES;
  for (const id of lists.flat()) {
    writeU64(view, at, id);
    at += ID_BYTES;
  }
  for (const [which, member] of configuration.members.entries()) {
    const text = addresses[which] as Buffer;
    writeU64(view, at, member.id);
    writeU64(view, at + 8, member.incarnation);
    view.setUint16(at + OFFSET_FLAGS, member.plan, true);
    view.setUint16(at + MEMBER_HEADER_BYTES - ADDRESS_LENGTH_BYTES, text.length, true);
    bytes.set(text, at + MEMBER_HEADER_BYTES);
    at += MEMBER_HEADER_BYTES + text.length;
  }
  return bytes;
}

/** Throws a RangeError that says what is wrong when `bytes` is not a configuration. */
export function decodeConfiguration(bytes: Uint8Array): Configuration {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < HEADER_BYTES) throw new RangeError(`configuration of ${bytes.length} bytes`);
  const version = view.getUint16(0, true);
  if (version !== VERSION && version !== VERSION_WITHOUT_FLAGS) {
    throw new RangeError(`configuration of format version ${version}, this build reads ${VERSION}`);
  }
  const hasFlags = version !== VERSION_WITHOUT_FLAGS;
  let at = HEADER_BYTES;
  const readIds = (which: number): NodeId[] => {
    const ids: NodeId[] = [];
    const count = view.getUint16(2 + which * 2, true);
    for (let i = 0; i < count; i += 1, at += ID_BYTES) ids.push(nodeId(readU64(view, at)));
    return ids;
  };
  const voters = readIds(0);
  const outgoing = readIds(1);
  const learners = readIds(2);
  const learnersNext = readIds(3);
  const members: Member[] = [];
  const count = view.getUint16(10, true);
  for (let i = 0; i < count; i += 1) {
    const flags = hasFlags ? view.getUint16(at + OFFSET_FLAGS, true) : 0;
    if ((flags & ~PLAN_BITS) !== 0) {
      const known = `0x${PLAN_BITS.toString(16)}`;
      throw new RangeError(`member flags 0x${flags.toString(16)}, this build knows ${known}`);
    }
    const start = at + (hasFlags ? MEMBER_HEADER_BYTES : OFFSET_FLAGS + ADDRESS_LENGTH_BYTES);
    const length = view.getUint16(start - ADDRESS_LENGTH_BYTES, true);
    if (start + length > bytes.length) throw new RangeError('configuration ends inside a member');
    const address = Buffer.from(bytes.subarray(start, start + length)).toString();
    members.push({
      id: nodeId(readU64(view, at)),
      address,
      incarnation: incarnation(readU64(view, at + 8)),
      plan: flags as MemberPlan,
    });
    at = start + length;
  }
  if (at !== bytes.length)
    throw new RangeError(`configuration has ${bytes.length - at} bytes over`);
  return { voters, outgoing, learners, learnersNext, members };
}
