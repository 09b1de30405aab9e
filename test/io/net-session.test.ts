/**
 * One connection as a state machine: what opens it, and every way in which it ends, each with its
 * name. No socket and no clock is involved.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FrameKind, GREETING_BYTES_MAX, makeFrame } from '../../codec/frames/frame-format.js';
import {
  encodeGroups,
  encodeHello,
  encodeRefuse,
  type Hello,
  type Refusal,
  RefuseCode,
} from '../../codec/frames/handshake.js';
import { bulkIdentity, Feature, helloTo } from '../../codec/frames/handshake-check.js';
import type { SnapshotChunkHead } from '../../codec/frames/snapshot-frames.js';
import { Prng } from '../../engine/raft/prng.js';
import { NOBODY, type NodeId, nodeId } from '../../engine/raft/types.js';
import { PEER_LIMITS } from '../../io/net/peer-options.js';
import { PeerSession, type PeerSessionOutput } from '../../io/net/peer-session.js';
import { concat, frameOf } from '../codec/frame-samples.js';
import { chunkFrame, chunkOf } from '../codec/snapshot-samples.js';
import { append, declared, heartbeat, identityOf, voteReply } from './net-harness.js';

class Wire implements PeerSessionOutput {
  readonly sent: Uint8Array[] = [];
  readonly log: string[] = [];
  refusal: Refusal | null = null;
  hello: Hello | null = null;

  transmit(frame: Uint8Array): void {
    this.sent.push(frame);
  }
  ping(): void {
    this.log.push('ping');
  }
  admit(): Refusal | null {
    return this.refusal;
  }
  opened(hello: Hello): void {
    this.hello = hello;
    this.log.push(`opened ${hello.from}`);
  }
  frame(kind: FrameKind): void {
    this.log.push(`frame ${kind}`);
  }
  ended(reason: string, detail: string, flush: boolean): void {
    this.log.push(`ended ${reason}${flush ? ' flushed' : ''}`);
    this.detail = detail;
  }
  detail = '';
}

const groups = new Map([1, 2].map((id) => [id, declared(id)]));

function session(id: number, expected: NodeId, table = groups): { wire: Wire; end: PeerSession } {
  const wire = new Wire();
  const end = new PeerSession(identityOf(id), table, PEER_LIMITS, expected, wire, 0);
  return { wire, end };
}

/** An accepted connection of node 1, and the HELLO that node 2 sends on it. */
function accepted(): { wire: Wire; end: PeerSession } {
  return session(1, NOBODY);
}
const helloOf2 = (change: Partial<Hello> = {}): Uint8Array =>
  encodeHello({ ...helloTo(nodeId(1), identityOf(2), groups), ...change });

test('both sides say HELLO and are open', () => {
  const dialler = session(2, nodeId(1));
  const acceptor = accepted();
  dialler.end.connected(1);
  acceptor.end.receive(dialler.wire.sent[0]!, 2);
  dialler.end.receive(acceptor.wire.sent[0]!, 3);
  assert.deepEqual(dialler.wire.log, ['opened 1']);
  assert.deepEqual(acceptor.wire.log, ['opened 2']);
  assert.equal(acceptor.wire.hello?.bootId, 102);
  assert.equal(dialler.wire.hello?.target, 2);
});

test('frames that follow a HELLO in the same bytes are delivered after it', () => {
  const { wire, end } = accepted();
  const frames = [frameOf(heartbeat(2, 1), 1), frameOf(append(2, 1, 5000), 1)];
  end.receive(concat([helloOf2(), ...frames]), 1);
  assert.deepEqual(wire.log, ['opened 2', 'frame 7', 'frame 5']);
});

test('nothing but HELLO is read before the handshake', () => {
  const early = [
    frameOf(voteReply(2, 1), 1),
    makeFrame(FrameKind.ping, new Uint8Array(0)),
    encodeRefuse({ code: RefuseCode.version, text: 'no' }),
    encodeGroups([declared(1)]),
  ];
  for (const frame of early) {
    const { wire, end } = accepted();
    end.receive(concat([frame, helloOf2()]), 1);
    assert.deepEqual(wire.log, ['ended unexpectedFrame']);
  }
});

test('a frame above 1 KiB before the handshake ends the session, whole or announced', () => {
  const { wire, end } = accepted();
  end.receive(makeFrame(FrameKind.hello, new Uint8Array(GREETING_BYTES_MAX)).subarray(0, 12), 1);
  assert.deepEqual(wire.log, ['ended oversized']);
  assert.ok(end.bufferBytes < 64);
});

test('each refused HELLO is answered by REFUSE and ends under its own name', () => {
  const cases: [string, Uint8Array][] = [
    ['wrongCluster', helloOf2({ clusterId: 1 })],
    ['wrongTarget', helloOf2({ target: nodeId(9) })],
    ['ownId', helloOf2({ from: nodeId(1) })],
    ['version', helloOf2({ version: 5, versionMin: 5 })],
    ['feature', helloOf2({ required: 1 << 20 })],
    ['configMismatch', helloOf2({ groups: [{ ...declared(2), entryBytesMax: 1 }] })],
    ['malformedHello', makeFrame(FrameKind.hello, new Uint8Array(70))],
  ];
  for (const [reason, hello] of cases) {
    const { wire, end } = accepted();
    end.receive(hello, 1);
    assert.deepEqual(wire.log, [`ended ${reason} flushed`]);
    const other = session(2, nodeId(1));
    other.end.connected(1);
    other.end.receive(concat(wire.sent), 2);
    assert.deepEqual(other.wire.log, ['ended refusedByPeer']);
    assert.match(other.wire.detail, new RegExp(`^${reason}: `));
  }
});

test('the owner may refuse what the handshake itself would accept', () => {
  const { wire, end } = accepted();
  wire.refusal = { code: RefuseCode.unknownNode, text: 'node 2 is not a member' };
  end.receive(helloOf2(), 1);
  assert.deepEqual(wire.log, ['ended unknownNode flushed']);
});

test('whoever dialled one node and reached another refuses it', () => {
  const { wire, end } = session(3, nodeId(1));
  end.connected(0);
  end.receive(encodeHello(helloTo(nodeId(3), identityOf(2), groups)), 1);
  assert.deepEqual(wire.log, ['ended wrongTarget flushed']);
  assert.match(wire.detail, /dialled node 1, node 2 answered/);
});

test('a handshake that trickles in does not extend its 2 s', () => {
  const { wire, end } = accepted();
  const hello = helloOf2();
  for (let i = 0; i < 19; i += 1) {
    end.receive(hello.subarray(i, i + 1), i * 100);
    end.tick(i * 100);
  }
  assert.deepEqual(wire.log, []);
  assert.equal(end.deadlineMs(), 2000);
  end.tick(2000);
  assert.deepEqual(wire.log, ['ended handshakeTimeout']);
});

const FOREIGN: readonly (readonly [string | null, Buffer])[] = [
  ['HTTP', Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')],
  ['HTTP', Buffer.from('OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n')],
  ['HTTP', Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')],
  ['TLS', Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, 0x55, 0x12])],
  ['RESP', Buffer.from('*2\r\n$7\r\nCOMMAND\r\n$4\r\nDOCS\r\n')],
  ['text', Buffer.from('GET a/key/of/a/client\r\n')],
  ['text', Buffer.from('SET a 1\r\nSET b 2\r\n')],
  [null, Buffer.from('SSH-2.0-OpenSSH_9.6\r\n')],
  [null, Buffer.alloc(100)],
];

test('bytes of a well-known protocol are named on the port for peers, with the remedy', () => {
  for (const [protocol, bytes] of FOREIGN) {
    for (const chunk of [bytes.length, 5, 1]) {
      const { wire, end } = accepted();
      for (let at = 0; at < bytes.length; at += chunk) {
        end.receive(bytes.subarray(at, at + chunk), 1);
      }
      assert.deepEqual(wire.log, ['ended badFrame']);
      const hex = bytes
        .subarray(0, 12)
        .toString('hex')
        .replace(/..(?=.)/g, '$& ');
      const shown = `magic, after ${hex}`;
      const remedy = 'bytes: this is the port for peers; clients use --client (';
      const words = protocol === null ? shown : `${protocol} ${remedy}${shown}`;
      assert.ok(wire.detail.startsWith(words), wire.detail);
    }
  }
});

test('what is too short to be judged a frame is named when its sender waits or leaves', () => {
  const waits = accepted();
  waits.end.receive(Buffer.from('PING\r\n'), 1);
  waits.end.tick(2000);
  assert.deepEqual(waits.wire.log, ['ended handshakeTimeout']);
  assert.match(waits.wire.detail, /^text bytes: this is the port for peers; clients use --client/);
  const leaves = accepted();
  leaves.end.receive(Buffer.from('*0\r\n'), 1);
  leaves.end.disconnected('end');
  assert.deepEqual(leaves.wire.log, ['ended disconnected']);
  assert.match(leaves.wire.detail, /^end, RESP bytes: this is the port for peers; clients/);
});

test('whoever dialled a port that is none for peers is told to check the address', () => {
  for (const answer of ['HTTP/1.1 400 Bad Request\r\n', '-ERR Protocol error: x\r\n']) {
    const { wire, end } = session(3, nodeId(1));
    end.connected(0);
    end.receive(Buffer.from(answer), 1);
    assert.deepEqual(wire.log, ['ended badFrame']);
    const remedy = 'what answers there is no port for peers; check the address of node 1';
    assert.match(wire.detail, new RegExp(`^(?:HTTP|RESP) bytes: ${remedy} \\(magic, after `));
  }
});

test('a connection attempt that nobody answers ends after its own time', () => {
  const { wire, end } = session(2, nodeId(1));
  end.tick(1999);
  end.tick(2000);
  assert.deepEqual(wire.log, ['ended dialTimeout']);
  assert.equal(end.deadlineMs(), Number.POSITIVE_INFINITY);
});

test('an open session pings when it said nothing and ends when it hears nothing', () => {
  const { wire, end } = accepted();
  end.receive(helloOf2(), 100);
  assert.equal(end.deadlineMs(), 600);
  end.tick(600);
  end.sent(900);
  assert.equal(end.deadlineMs(), 1400);
  end.tick(1400);
  end.tick(1900);
  end.tick(2100);
  assert.deepEqual(wire.log.slice(1), ['ping', 'ping', 'ping', 'ended idle']);
});

test('time that this process lost is not held against the peer', () => {
  const { wire, end } = accepted();
  end.receive(helloOf2(), 100);
  end.forgive(9000, 9600);
  end.tick(9600);
  assert.equal(wire.log.includes('ended idle'), false);
});

test('once open, a flipped bit, an unknown kind or a wrong length ends the session', () => {
  const flipped = frameOf(voteReply(2, 1), 1);
  flipped[15] = flipped[15]! ^ 2;
  const cases: [string, Uint8Array][] = [
    ['badFrame', flipped],
    ['badFrame', Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')],
    ['unexpectedFrame', makeFrame(200 as FrameKind, new Uint8Array(8))],
    ['unexpectedFrame', helloOf2()],
    ['badMessage', makeFrame(FrameKind.heartbeat, new Uint8Array(33))],
    ['badMessage', makeFrame(FrameKind.heartbeat, new Uint8Array(0))],
    ['badMessage', makeFrame(FrameKind.forwarded, new Uint8Array(8))],
    ['refusedByPeer', encodeRefuse({ code: RefuseCode.duplicateNode, text: 'twice' })],
    ['malformedHello', makeFrame(FrameKind.groups, new Uint8Array(17))],
  ];
  for (const [reason, bytes] of cases) {
    const { wire, end } = accepted();
    end.receive(helloOf2(), 1);
    end.receive(bytes, 2);
    end.receive(frameOf(voteReply(2, 1), 1), 3);
    assert.match(wire.log[1] ?? '', new RegExp(`^ended ${reason}`));
    assert.equal(wire.log.length, 2);
  }
});

test('groups that do not fit into HELLO follow it and are compared as well', () => {
  const many = new Map(Array.from({ length: 200 }, (_, i) => [i, declared(i)]));
  const dialler = session(2, nodeId(1), many);
  const acceptor = session(1, NOBODY, many);
  dialler.end.connected(0);
  acceptor.end.receive(dialler.wire.sent[0]!, 1);
  dialler.end.receive(concat(acceptor.wire.sent), 2);
  acceptor.end.receive(concat(dialler.wire.sent.slice(1)), 3);
  assert.deepEqual(acceptor.wire.log, ['opened 2']);
  assert.deepEqual(dialler.wire.log, ['opened 1']);
  acceptor.end.receive(encodeGroups([{ ...declared(199), configurationHash: 6 }]), 4);
  assert.equal(acceptor.wire.log[1], 'ended configMismatch flushed');
  assert.match(acceptor.wire.detail, /group 199: configurationHash 6 there, 5 here/);
});

test('20,000 mutated conversations end at most once, never throw and keep little memory', () => {
  const random = new Prng(99);
  const frames = [voteReply(2, 1), heartbeat(2, 1), append(2, 1, 900)].map((m) => frameOf(m, 1));
  const original = concat([helloOf2(), ...frames, encodeGroups([declared(9)])]);
  for (let run = 0; run < 20_000; run += 1) {
    const { wire, end } = accepted();
    const bytes = original.slice();
    for (let edits = random.between(1, 3); edits > 0; edits -= 1) {
      bytes[random.below(bytes.length)] = random.below(256);
    }
    const cut = random.below(bytes.length);
    end.receive(bytes.subarray(0, cut), 1);
    assert.ok(end.isOpen || end.isEnded || end.bufferBytes <= GREETING_BYTES_MAX);
    end.receive(bytes.subarray(cut), 2);
    assert.ok(wire.log.filter((line) => line.startsWith('ended')).length <= 1);
  }
});

/** A bulk connection that node 2 dials to fetch from node 1, and where its chunks land. */
function fetching(): { wire: Wire; end: PeerSession; landed: number[] } {
  const wire = new Wire();
  const landed: number[] = [];
  const identity = { ...identityOf(2), optional: Feature.bulk };
  const sink = {
    space: (head: SnapshotChunkHead) => new Uint8Array(head.packed.storedBytes),
    landed: (head: SnapshotChunkHead) => landed.push(head.packed.chunk),
  };
  const end = new PeerSession(identity, groups, PEER_LIMITS, nodeId(1), wire, 0, sink);
  end.connected(0);
  return { wire, end, landed };
}

const identityOf1 = { ...identityOf(1), optional: Feature.bulk };
const bulkAnswer = encodeHello(helloTo(nodeId(2), bulkIdentity(identityOf1), groups));
const ordinaryAnswer = encodeHello(helloTo(nodeId(2), identityOf1, groups));

test('chunks that follow the HELLO in the same bytes land after it', () => {
  const { wire, end, landed } = fetching();
  const frames = [1, 2].map((chunk) => chunkOf(chunk, 3000));
  const bytes = concat(frames.map(({ head, stored }) => chunkFrame(head, stored)));
  end.receive(concat([bulkAnswer, bytes]), 1);
  assert.deepEqual(wire.log, ['opened 1']);
  assert.deepEqual(landed, [1, 2]);
  assert.ok(end.isBulk && end.isOpen);
});

test('a connection that is answered as another sort than it was dialled ends', () => {
  const bulk = fetching();
  bulk.end.receive(ordinaryAnswer, 1);
  assert.deepEqual(bulk.wire.log, ['ended feature flushed']);
  assert.equal(bulk.wire.detail, 'a connection dialled as bulk was answered as ordinary');
  const wire = new Wire();
  const identity = { ...identityOf(2), optional: Feature.bulk };
  const ordinary = new PeerSession(identity, groups, PEER_LIMITS, nodeId(1), wire, 0);
  ordinary.connected(0);
  ordinary.receive(bulkAnswer, 1);
  assert.equal(wire.detail, 'a connection dialled as ordinary was answered as bulk');
});

test('before its HELLO a fetched-from node sends no chunk', () => {
  const { wire, end, landed } = fetching();
  const { head, stored } = chunkOf(1, 100);
  end.receive(chunkFrame(head, stored), 1);
  assert.deepEqual(wire.log, ['ended unexpectedFrame']);
  assert.deepEqual(landed, []);
});

test('a chunk that cannot be one, or is damaged, ends the connection', () => {
  const { head, stored } = chunkOf(1, 100);
  const frame = chunkFrame(head, stored);
  const damaged = frame.slice();
  damaged[damaged.length - 1] = damaged.at(-1)! ^ 1;
  const body = new Uint8Array(200).fill(0xff);
  const malformed = makeFrame(FrameKind.snapshotChunk, body);
  const huge = makeFrame(FrameKind.snapshotChunk, new Uint8Array(5_000_000));
  const cases: readonly [Uint8Array, string, string][] = [
    [damaged, 'badFrame', 'checksum'],
    [malformed, 'badMessage', 'a chunk of a snapshot with a malformed head'],
    [huge, 'oversized', 'length'],
    [makeFrame(FrameKind.snapshotFetch, body), 'badMessage', 'kind 51 of 200 bytes'],
  ];
  for (const [bytes, reason, detail] of cases) {
    const { wire, end, landed } = fetching();
    end.receive(bulkAnswer, 1);
    end.receive(bytes, 2);
    assert.deepEqual(wire.log, ['opened 1', `ended ${reason}`]);
    assert.equal(wire.detail, detail);
    assert.deepEqual(landed, []);
  }
});
