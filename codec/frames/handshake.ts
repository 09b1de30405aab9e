/**
 * HELLO, REFUSE and GROUPS: what two nodes say before anything else, and how it lies in a frame
 * body.
 *
 *   HELLO, byte 0     4         6             8            10           12         16
 *         ┌───────────┬─────────┬─────────────┬────────────┬────────────┬──────────┬──────────┐
 *         │ magic RGRF│ version │ version min │ head bytes │ group count│ required │ optional │ …
 *         │ u32       │ u16     │ u16         │ u16        │ u16        │ u32 bits │ u32 bits │
 *         └───────────┴─────────┴─────────────┴────────────┴────────────┴──────────┴──────────┘
 *        20       24       28         32           40            48        head bytes
 *         ┌────────┬────────┬──────────┬────────────┬─────────────┬─────────┬─────────────────┐
 *       … │ from   │ target │ reserved │ cluster id │ incarnation │ boot id │ group × count   │
 *         │ u32    │ u32    │ u32 = 0  │ u64        │ u64         │ u64     │ 16 bytes each   │
 *         └────────┴────────┴──────────┴────────────┴─────────────┴─────────┴─────────────────┘
 *   head, from 56 on, if there is more of it:  address bytes u16 │ address, UTF-8
 *   group:  id u32 │ name hash u32 │ entryBytesMax u32 │ bootstrap configuration hash u32
 *   GROUPS: group × n, nothing else        REFUSE: code u16 │ text bytes u16 │ text, UTF-8
 *
 * The first 8 bytes mean the same in every version. A longer head is legal: newer optional fields.
 * The hash is 0 for a node that began with nobody and was added later.
 * This file reads and writes; whether a HELLO is acceptable is decided in handshake-check.ts.
 */

import { type Incarnation, incarnation, type NodeId, nodeId } from '../../engine/raft/types.js';
import { readU64, writeU64 } from '../u64.js';
import { FRAME_HEADER_BYTES, FrameKind, GREETING_BYTES_MAX, makeFrame } from './frame-format.js';

export const PROTOCOL_VERSION = 1;
export const PROTOCOL_VERSION_MIN = 1;

/** What every node must say alike of a group, else the two must not exchange its log. */
export interface GroupDeclaration {
  readonly group: number;
  /** Hash of the group's name. */
  readonly nameHash: number;
  readonly entryBytesMax: number;
  /** Hash of the bootstrap configuration, the record at index 0. */
  readonly configurationHash: number;
}

export interface Hello {
  readonly version: number;
  readonly versionMin: number;
  /** Feature bits without which the sender does not talk. */
  readonly required: number;
  /** Feature bits the sender understands. */
  readonly optional: number;
  readonly clusterId: number;
  readonly from: NodeId;
  /** The node the sender believes to talk to. */
  readonly target: NodeId;
  /** Random identity of the sender's data. */
  readonly incarnation: Incarnation;
  /** Random identity of the sender's process. */
  readonly bootId: number;
  /** Where the sender is reached, for a node that does not know it; '' when it does not say. */
  readonly address: string;
  readonly groups: readonly GroupDeclaration[];
}

export const RefuseCode = {
  malformed: 1,
  version: 2,
  feature: 3,
  wrongCluster: 4,
  wrongTarget: 5,
  ownId: 6,
  unknownNode: 7,
  duplicateNode: 8,
  configMismatch: 9,
  /** The node with the larger id dials; this connection was opened from the wrong side. */
  direction: 10,
  /** The node was a member and is none any more; said on open connections, too. */
  removed: 11,
} as const;
export type RefuseCode = (typeof RefuseCode)[keyof typeof RefuseCode];

export interface Refusal {
  readonly code: RefuseCode;
  /** One sentence with both values and, where there is one, the remedy. */
  readonly text: string;
}

/** "RGRF" read as a little-endian word. */
const MAGIC = 0x4652_4752;
const OFFSET_MAGIC = 0;
const OFFSET_VERSION = OFFSET_MAGIC + 4;
const OFFSET_VERSION_MIN = OFFSET_VERSION + 2;
const OFFSET_HEAD_BYTES = OFFSET_VERSION_MIN + 2;
const OFFSET_GROUP_COUNT = OFFSET_HEAD_BYTES + 2;
const OFFSET_REQUIRED = OFFSET_GROUP_COUNT + 2;
const OFFSET_OPTIONAL = OFFSET_REQUIRED + 4;
const OFFSET_FROM = OFFSET_OPTIONAL + 4;
const OFFSET_TARGET = OFFSET_FROM + 4;
const OFFSET_RESERVED = OFFSET_TARGET + 4;
const OFFSET_CLUSTER = OFFSET_RESERVED + 4;
const OFFSET_INCARNATION = OFFSET_CLUSTER + 8;
const OFFSET_BOOT = OFFSET_INCARNATION + 8;
const HEAD_BYTES = OFFSET_BOOT + 8;

const GROUP_BYTES = 16;
const ADDRESS_LENGTH_BYTES = 2;
/** A longer address is not said. */
const ADDRESS_BYTES_MAX = 256;

/** The address as the head holds it; empty when it is not said. */
function addressField(address: string): Uint8Array {
  const text = new TextEncoder().encode(address);
  if (text.length === 0 || text.length > ADDRESS_BYTES_MAX) return new Uint8Array(0);
  const field = new Uint8Array(ADDRESS_LENGTH_BYTES + text.length);
  new DataView(field.buffer).setUint16(0, text.length, true);
  field.set(text, ADDRESS_LENGTH_BYTES);
  return field;
}

/** How many groups fit into a HELLO with this address; the others follow in GROUPS frames. */
export function helloGroupsMax(address: string): number {
  const head = FRAME_HEADER_BYTES + HEAD_BYTES + addressField(address).length;
  return Math.floor((GREETING_BYTES_MAX - head) / GROUP_BYTES);
}

/** How many groups one GROUPS frame holds at most. */
export const GROUPS_FRAME_MAX = 4096;

const REFUSE_HEAD_BYTES = 4;
const REFUSE_TEXT_BYTES_MAX = 400;

function writeGroups(view: DataView, offset: number, groups: readonly GroupDeclaration[]): void {
  let at = offset;
  for (const each of groups) {
    view.setUint32(at, each.group, true);
    view.setUint32(at + 4, each.nameHash, true);
    view.setUint32(at + 8, each.entryBytesMax, true);
    view.setUint32(at + 12, each.configurationHash, true);
    at += GROUP_BYTES;
  }
}

function readGroups(view: DataView, offset: number, count: number): GroupDeclaration[] {
  const groups: GroupDeclaration[] = [];
  for (let at = offset; groups.length < count; at += GROUP_BYTES) {
    groups.push({
      group: view.getUint32(at, true),
      nameHash: view.getUint32(at + 4, true),
      entryBytesMax: view.getUint32(at + 8, true),
      configurationHash: view.getUint32(at + 12, true),
    });
  }
  return groups;
}

/** A whole HELLO frame. Groups past `helloGroupsMax` are left to GROUPS frames. */
export function encodeHello(hello: Hello): Uint8Array {
  const groups = hello.groups.slice(0, helloGroupsMax(hello.address));
  const address = addressField(hello.address);
  const headBytes = HEAD_BYTES + address.length;
  const body = new Uint8Array(headBytes + groups.length * GROUP_BYTES);
  const view = new DataView(body.buffer);
  view.setUint32(OFFSET_MAGIC, MAGIC, true);
  view.setUint16(OFFSET_VERSION, hello.version, true);
  view.setUint16(OFFSET_VERSION_MIN, hello.versionMin, true);
  view.setUint16(OFFSET_HEAD_BYTES, headBytes, true);
  view.setUint16(OFFSET_GROUP_COUNT, groups.length, true);
  view.setUint32(OFFSET_REQUIRED, hello.required, true);
  view.setUint32(OFFSET_OPTIONAL, hello.optional, true);
  view.setUint32(OFFSET_FROM, hello.from, true);
  view.setUint32(OFFSET_TARGET, hello.target, true);
  writeU64(view, OFFSET_CLUSTER, hello.clusterId);
  writeU64(view, OFFSET_INCARNATION, hello.incarnation);
  writeU64(view, OFFSET_BOOT, hello.bootId);
  body.set(address, HEAD_BYTES);
  writeGroups(view, headBytes, groups);
  return makeFrame(FrameKind.hello, body);
}

const malformed = (text: string): Refusal => ({ code: RefuseCode.malformed, text });

/** What keeps these bytes from being a HELLO that this version can read; null when nothing does. */
function helloProblem(view: DataView, offset: number, length: number): Refusal | null {
  if (length < OFFSET_HEAD_BYTES || view.getUint32(offset + OFFSET_MAGIC, true) !== MAGIC) {
    return malformed('not a ringraft HELLO');
  }
  const version = view.getUint16(offset + OFFSET_VERSION, true);
  const versionMin = view.getUint16(offset + OFFSET_VERSION_MIN, true);
  if (version < PROTOCOL_VERSION_MIN || versionMin > PROTOCOL_VERSION) {
    const here = `${PROTOCOL_VERSION_MIN} to ${PROTOCOL_VERSION}`;
    const text = `protocol ${versionMin} to ${version} there, ${here} here: upgrade the older node`;
    return { code: RefuseCode.version, text };
  }
  if (length < HEAD_BYTES) return malformed(`HELLO of ${length} bytes is too short`);
  const head = view.getUint16(offset + OFFSET_HEAD_BYTES, true);
  const count = view.getUint16(offset + OFFSET_GROUP_COUNT, true);
  if (head < HEAD_BYTES || head + count * GROUP_BYTES !== length) {
    return malformed(`HELLO of ${length} bytes announces ${head} and ${count} groups`);
  }
  const from = view.getUint32(offset + OFFSET_FROM, true);
  if (from === 0) return malformed('HELLO from node 0');
  return addressFits(view, offset, head - HEAD_BYTES) ? null : malformed('HELLO: address is cut');
}

/** Of a head that has more than what every version has; what follows the address is newer. */
function addressBytes(view: DataView, offset: number): number {
  return view.getUint16(offset + HEAD_BYTES, true);
}

function addressFits(view: DataView, offset: number, rest: number): boolean {
  if (rest === 0) return true;
  if (rest < ADDRESS_LENGTH_BYTES) return false;
  return ADDRESS_LENGTH_BYTES + addressBytes(view, offset) <= rest;
}

function readAddress(view: DataView, offset: number, head: number): string {
  if (head === HEAD_BYTES) return '';
  const start = view.byteOffset + offset + HEAD_BYTES + ADDRESS_LENGTH_BYTES;
  const bytes = new Uint8Array(view.buffer, start, addressBytes(view, offset)).slice();
  const text = new TextDecoder().decode(bytes);
  // It is dialled and shown: what no address has in it is none.
  return /^[\x21-\x7e]*$/.test(text) ? text : '';
}

/** The HELLO in `[offset, offset + length)`, or why it is none. Never throws. */
export function decodeHello(view: DataView, offset: number, length: number): Hello | Refusal {
  const problem = helloProblem(view, offset, length);
  if (problem !== null) return problem;
  const head = view.getUint16(offset + OFFSET_HEAD_BYTES, true);
  const count = view.getUint16(offset + OFFSET_GROUP_COUNT, true);
  try {
    return {
      version: view.getUint16(offset + OFFSET_VERSION, true),
      versionMin: view.getUint16(offset + OFFSET_VERSION_MIN, true),
      required: view.getUint32(offset + OFFSET_REQUIRED, true),
      optional: view.getUint32(offset + OFFSET_OPTIONAL, true),
      from: nodeId(view.getUint32(offset + OFFSET_FROM, true)),
      target: nodeId(view.getUint32(offset + OFFSET_TARGET, true)),
      clusterId: readU64(view, offset + OFFSET_CLUSTER),
      incarnation: incarnation(readU64(view, offset + OFFSET_INCARNATION)),
      bootId: readU64(view, offset + OFFSET_BOOT),
      address: readAddress(view, offset, head),
      groups: readGroups(view, offset + head, count),
    };
  } catch (error) {
    return malformed(`HELLO: ${(error as Error).message}`);
  }
}

/** A whole GROUPS frame of at most `GROUPS_FRAME_MAX` groups. */
export function encodeGroups(groups: readonly GroupDeclaration[]): Uint8Array {
  const listed = groups.slice(0, GROUPS_FRAME_MAX);
  const body = new Uint8Array(listed.length * GROUP_BYTES);
  writeGroups(new DataView(body.buffer), 0, listed);
  return makeFrame(FrameKind.groups, body);
}

/** The groups of a GROUPS body, or null when it is not a whole number of them. */
export function decodeGroups(
  view: DataView,
  offset: number,
  length: number,
): GroupDeclaration[] | null {
  if (length % GROUP_BYTES !== 0) return null;
  return readGroups(view, offset, length / GROUP_BYTES);
}

/** A whole REFUSE frame; the text is cut to fit. */
export function encodeRefuse(refusal: Refusal): Uint8Array {
  const text = new TextEncoder().encode(refusal.text).subarray(0, REFUSE_TEXT_BYTES_MAX);
  const body = new Uint8Array(REFUSE_HEAD_BYTES + text.length);
  const view = new DataView(body.buffer);
  view.setUint16(0, refusal.code, true);
  view.setUint16(2, text.length, true);
  body.set(text, REFUSE_HEAD_BYTES);
  return makeFrame(FrameKind.refuse, body);
}

/** Codes that this version does not know read as `malformed`; the text is made fit for one line. */
export function decodeRefuse(view: DataView, offset: number, length: number): Refusal {
  if (length < REFUSE_HEAD_BYTES) return malformed('REFUSE without a reason');
  const code = view.getUint16(offset, true);
  const known = Object.values(RefuseCode).find((each) => each === code) ?? RefuseCode.malformed;
  const announced = Math.min(view.getUint16(offset + 2, true), REFUSE_TEXT_BYTES_MAX);
  const bytes = Math.min(announced, length - REFUSE_HEAD_BYTES);
  const start = view.byteOffset + offset + REFUSE_HEAD_BYTES;
  const text = new TextDecoder().decode(new Uint8Array(view.buffer, start, bytes).slice());
  return { code: known, text: text.replace(/[^\x20-\x7e]/g, '?') };
}
