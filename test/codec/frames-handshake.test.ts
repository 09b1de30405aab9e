/**
 * HELLO, REFUSE and GROUPS: round trips, and every refusal by its name and with both values.
 * Whatever the bytes, reading them never throws.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  FRAME_HEADER_BYTES,
  FrameKind,
  frameKind,
  GREETING_BYTES_MAX,
} from '../../codec/frames/frame-format.js';
import {
  decodeGroups,
  decodeHello,
  decodeRefuse,
  encodeGroups,
  encodeHello,
  encodeRefuse,
  type GroupDeclaration,
  type Hello,
  helloGroupsMax,
  PROTOCOL_VERSION,
  type Refusal,
  RefuseCode,
} from '../../codec/frames/handshake.js';
import {
  checkHello,
  Feature,
  featureNames,
  helloTo,
  type LocalIdentity,
} from '../../codec/frames/handshake-check.js';
import { Prng } from '../../engine/raft/prng.js';
import { incarnation, NOBODY, nodeId } from '../../engine/raft/types.js';
import { viewOf } from './frame-samples.js';

const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const declarations: fc.Arbitrary<GroupDeclaration> = fc
  .record({ group: u32, nameHash: u32, entryBytesMax: u32, configurationHash: u32 })
  .map((each) => ({ ...each }));

const local: LocalIdentity = {
  clusterId: 7,
  nodeId: nodeId(1),
  incarnation: incarnation(11),
  bootId: 111,
  required: 0,
  optional: 0,
};
const group = { group: 3, nameHash: 5, entryBytesMax: 1_048_576, configurationHash: 9 };
const ours = new Map([[3, group]]);
const good: Hello = helloTo(nodeId(1), { ...local, nodeId: nodeId(2) }, ours);

function bodyOf(frame: Uint8Array): [DataView, number, number] {
  return [viewOf(frame), FRAME_HEADER_BYTES, frame.length - FRAME_HEADER_BYTES];
}

function refusalOf(change: Partial<Hello>, expected = NOBODY): Refusal | null {
  return checkHello(local, ours, { ...good, ...change }, expected);
}

test('a HELLO comes back as it was', () => {
  const hellos = fc
    .record({
      version: fc.constant(PROTOCOL_VERSION),
      versionMin: fc.constant(1),
      required: u32,
      optional: u32,
      clusterId: fc.maxSafeNat(),
      from: fc.integer({ min: 1, max: 0xffff_ffff }).map(nodeId),
      target: u32.map(nodeId),
      incarnation: fc.maxSafeNat().map(incarnation),
      bootId: fc.maxSafeNat(),
      address: fc.constantFrom('', '10.0.0.1:5001', 'h'.repeat(256)),
      groups: fc.array(declarations, { maxLength: helloGroupsMax('h'.repeat(256)) }),
    })
    .map((each): Hello => ({ ...each }));
  fc.assert(
    fc.property(hellos, (hello) => {
      assert.deepEqual(decodeHello(...bodyOf(encodeHello(hello))), hello);
    }),
  );
});

test('a HELLO never exceeds the limit before the handshake, however many groups there are', () => {
  const groups = Array.from({ length: 500 }, (_, i) => ({ ...group, group: i }));
  const frame = encodeHello({ ...good, groups });
  assert.ok(frame.length <= GREETING_BYTES_MAX);
  assert.ok(frame.length + 16 > GREETING_BYTES_MAX);
  const back = decodeHello(...bodyOf(frame));
  assert.ok('groups' in back && back.groups.length === helloGroupsMax(''));
  assert.deepEqual(decodeGroups(...bodyOf(encodeGroups(groups))), groups);
  assert.equal(decodeGroups(viewOf(new Uint8Array(40)), 0, 17), null);
});

test('a HELLO with a longer head of a newer version is read', () => {
  const hello = { ...good, address: '10.0.0.1:5001' };
  const body = encodeHello(hello).slice(FRAME_HEADER_BYTES);
  const [head, groups] = [body.slice(0, body.length - 16), body.slice(body.length - 16)];
  const longer = new Uint8Array([...head, 1, 2, 3, 4, 5, 6, 7, 8, ...groups]);
  viewOf(longer).setUint16(8, head.length + 8, true);
  assert.deepEqual(decodeHello(viewOf(longer), 0, longer.length), hello);
});

test('a HELLO without an address is the one of earlier builds, and read like theirs', () => {
  const body = encodeHello(good).slice(FRAME_HEADER_BYTES);
  assert.equal(viewOf(body).getUint16(8, true), 56);
  assert.equal(body.length, 56 + 16);
  const back = decodeHello(viewOf(body), 0, body.length);
  assert.ok('address' in back && back.address === '');
});

test('an address that is cut, or none that can be dialled, is no address', () => {
  const body = encodeHello({ ...good, address: 'host:1', groups: [] }).slice(FRAME_HEADER_BYTES);
  viewOf(body).setUint16(56, 7, true);
  const cut = decodeHello(viewOf(body), 0, body.length);
  assert.deepEqual(cut, { code: RefuseCode.malformed, text: 'HELLO: address is cut' });
  for (const address of ['a\nb', 'a b', 'h'.repeat(257)]) {
    const back = decodeHello(...bodyOf(encodeHello({ ...good, address })));
    assert.ok('address' in back && back.address === '', address);
  }
});

test('a HELLO without the magic, too short, or with contradicting lengths is malformed', () => {
  const body = encodeHello(good).slice(FRAME_HEADER_BYTES);
  for (let length = 0; length < body.length; length += 1) {
    const result = decodeHello(viewOf(body), 0, length);
    assert.ok('code' in result && result.code === RefuseCode.malformed, `${length} bytes`);
  }
  body[0] = 0x47;
  const wrong = decodeHello(viewOf(body), 0, body.length);
  assert.deepEqual(wrong, { code: RefuseCode.malformed, text: 'not a ringraft HELLO' });
});

test('random HELLO bodies never throw', () => {
  const random = new Prng(3);
  const addressed = { ...good, address: '10.0.0.1:5001' };
  const original = encodeHello(addressed).slice(FRAME_HEADER_BYTES);
  for (let run = 0; run < 5000; run += 1) {
    const body = original.slice();
    for (let i = 0; i < 3; i += 1) body[random.below(body.length)] = random.below(256);
    const result = decodeHello(viewOf(body), 0, random.below(body.length + 1));
    if (!('code' in result)) checkHello(local, ours, result, NOBODY);
    decodeRefuse(viewOf(body), 0, random.below(body.length + 1));
  }
});

test('a node without a common protocol version is refused with both ranges', () => {
  const hello = { ...good, version: 9, versionMin: 8 };
  const result = decodeHello(...bodyOf(encodeHello(hello)));
  assert.ok('code' in result);
  assert.equal(result.code, RefuseCode.version);
  assert.match(result.text, /protocol 8 to 9 there, 1 to 1 here/);
  const newer = decodeHello(...bodyOf(encodeHello({ ...good, version: 9, versionMin: 1 })));
  assert.ok('groups' in newer);
});

test('a good HELLO is accepted, dialled or not', () => {
  assert.equal(refusalOf({}), null);
  assert.equal(refusalOf({}, nodeId(2)), null);
});

test('another cluster, another target, the own id and an unexpected node are refused', () => {
  const cluster = refusalOf({ clusterId: 8 });
  assert.deepEqual(cluster, { code: RefuseCode.wrongCluster, text: 'cluster id 8 there, 7 here' });
  const target = refusalOf({ target: nodeId(3) });
  assert.equal(target?.code, RefuseCode.wrongTarget);
  assert.match(target?.text ?? '', /node 3 was wanted, this is node 1/);
  assert.equal(refusalOf({ from: nodeId(1) })?.code, RefuseCode.ownId);
  const other = refusalOf({}, nodeId(3));
  assert.equal(other?.code, RefuseCode.wrongTarget);
  assert.match(other?.text ?? '', /dialled node 3, node 2 answered/);
});

test('a required feature that one side does not know is refused by name', () => {
  const unknown = refusalOf({ required: 1 << 7 });
  assert.equal(unknown?.code, RefuseCode.feature);
  assert.match(unknown?.text ?? '', /node 2 requires bit 7, unknown here/);
  assert.equal(refusalOf({ required: Feature.forwarding }), null);
  assert.equal(refusalOf({ optional: 0xffff_ffff }), null);
  const demanding = { ...local, required: (1 << 31) >>> 0 };
  const missing = checkHello(demanding, ours, good, NOBODY);
  assert.match(missing?.text ?? '', /node 1 requires bit 31, unknown there/);
  assert.equal(featureNames(Feature.forwarding | 64), 'forwarding, bit 6');
});

test('a build without snapshots is refused by the name of what it lacks, and so refuses us', () => {
  const ours = { ...local, required: Feature.forwardTerms | Feature.snapshots };
  const older = { ...good, required: Feature.forwardTerms, optional: Feature.forwardTerms | 3 };
  const refusal = checkHello(ours, new Map(), older, NOBODY);
  assert.equal(refusal?.code, RefuseCode.feature);
  assert.equal(refusal?.text, 'node 1 requires snapshots, unknown there');
  assert.equal(checkHello(ours, new Map(), { ...older, optional: 15 }, NOBODY), null);
  // An older build knows three bits: the fourth is one that it must not overlook.
  assert.equal(helloTo(nodeId(2), ours, new Map()).required & ~7, Feature.snapshots);
});

test('a group that is configured differently is refused by field with both values', () => {
  const groups = [{ ...group, entryBytesMax: 65_536 }];
  const refusal = refusalOf({ groups });
  assert.equal(refusal?.code, RefuseCode.configMismatch);
  assert.equal(refusal?.text, 'group 3: entryBytesMax 65536 there, 1048576 here');
  for (const field of ['nameHash', 'configurationHash'] as const) {
    const other = refusalOf({ groups: [{ ...group, [field]: 1 }] });
    assert.match(other?.text ?? '', new RegExp(`group 3: ${field} 1 there`));
  }
  assert.equal(refusalOf({ groups: [{ ...group, group: 4, nameHash: 1 }] }), null);
});

test('a group that began with nobody is no mismatch, where both know the rule', () => {
  const joined = [{ ...group, configurationHash: 0 }];
  assert.equal(refusalOf({ groups: joined }), null);
  const joiner = { ...local, required: Feature.joins };
  const known = new Map([[3, { ...group, configurationHash: 0 }]]);
  assert.equal(checkHello(joiner, known, good, NOBODY), null);
  const earlier = { ...good, optional: good.optional & ~Feature.joins };
  const refusal = checkHello(joiner, known, earlier, NOBODY);
  assert.equal(refusal?.text, 'node 1 requires joins, unknown there');
  const other = refusalOf({ groups: [{ ...group, configurationHash: 1 }] });
  assert.match(other?.text ?? '', /1 there, 9 here\. .* began with different members: .* --join$/);
});

test('a REFUSE carries code and text; hostile text is made harmless', () => {
  const refusal = { code: RefuseCode.duplicateNode, text: 'node id 3 is in use' };
  const frame = encodeRefuse(refusal);
  assert.equal(frameKind(viewOf(frame), 0), FrameKind.refuse);
  assert.deepEqual(decodeRefuse(...bodyOf(frame)), refusal);
  const hostile = encodeRefuse({ code: RefuseCode.version, text: 'a\r\nb\x1b[31m\u{1F600}' });
  assert.match(decodeRefuse(...bodyOf(hostile)).text, /^[\x20-\x7e]*$/);
  const long = encodeRefuse({ code: RefuseCode.version, text: 'x'.repeat(5000) });
  assert.ok(long.length <= GREETING_BYTES_MAX);
  const unknown = { code: 999 as RefuseCode, text: 'newer' };
  assert.equal(decodeRefuse(...bodyOf(encodeRefuse(unknown))).code, RefuseCode.malformed);
});
