/**
 * Nodes of a small cluster on a memory network, each with its peer links and a record of what they
 * reported; used by the tests of io/net.
 */

import type { FrameKind } from '../../codec/frames/frame-format.js';
import type { GroupDeclaration } from '../../codec/frames/handshake.js';
import type { LocalIdentity } from '../../codec/frames/handshake-check.js';
import { decodeMessages, isMessageKind } from '../../codec/frames/message-codec.js';
import { type Message, MessageKind } from '../../engine/raft/message.js';
import { Prng } from '../../engine/raft/prng.js';
import { incarnation, logIndex, nodeId, term } from '../../engine/raft/types.js';
import type { Adapter } from '../../io/net/adapter.js';
import type { PeerEvent } from '../../io/net/close-reason.js';
import { ManualClock } from '../../io/net/manual-clock.js';
import { MemoryAdapter } from '../../io/net/memory-adapter.js';
import { MemoryNetwork, type MemoryNetworkOptions } from '../../io/net/memory-network.js';
import type { PeerHandlers } from '../../io/net/peer-handlers.js';
import { type BulkPart, PeerLinks, type PeerLinksOptions } from '../../io/net/peer-links.js';

export interface Received {
  readonly kind: FrameKind;
  readonly from: number;
  readonly body: Uint8Array;
  readonly messages: readonly { readonly group: number; readonly message: Message }[];
}

/** Everything the links of one node reported, in order. */
export class Recorder implements PeerHandlers {
  readonly self: number;
  readonly log: string[] = [];
  readonly frames: Received[] = [];
  readonly tokens: number[] = [];
  readonly events: PeerEvent[] = [];
  address = '';

  constructor(self: number) {
    this.self = self;
  }

  up: PeerHandlers['up'] = (peer, hello, rebooted) => {
    this.log.push(`up ${peer} boot ${hello.bootId}${rebooted ? ' rebooted' : ''}`);
  };

  down: PeerHandlers['down'] = (peer, reason) => {
    this.log.push(`down ${peer} ${reason}`);
  };

  left: PeerHandlers['left'] = (peer) => {
    this.log.push(`left ${peer}`);
  };

  frame: PeerHandlers['frame'] = (peer, kind, bytes, view, offset, length) => {
    const messages: { group: number; message: Message }[] = [];
    const sink = (group: number, message: Message) => messages.push({ group, message });
    if (isMessageKind(kind)) {
      decodeMessages(kind, view, offset, length, peer, nodeId(this.self), sink);
    }
    this.frames.push({
      kind,
      from: peer,
      body: new Uint8Array(bytes.subarray(offset, offset + length)),
      messages,
    });
  };

  released: PeerHandlers['released'] = (token) => {
    this.tokens.push(token);
  };

  event: PeerHandlers['event'] = (event) => {
    this.events.push(event);
  };

  listening: PeerHandlers['listening'] = (address) => {
    this.address = address;
  };

  listenFailed: PeerHandlers['listenFailed'] = (address, code) => {
    this.log.push(`listen ${address} ${code}`);
  };

  reasons(): string[] {
    return this.events.map((event) => event.reason);
  }
}

export interface Node {
  readonly id: number;
  readonly adapter: MemoryAdapter;
  readonly links: PeerLinks;
  readonly seen: Recorder;
}

export interface NodeChange {
  readonly identity?: Partial<LocalIdentity>;
  readonly options?: Partial<PeerLinksOptions>;
  /** Name and address on the network, when another node has the same id. */
  readonly name?: string;
  /** Bulk connections; the identity must say that it takes them. */
  readonly bulk?: BulkPart;
}

export const addressOf = (id: number): string => `node${id}`;

export function identityOf(id: number, bootId = 100 + id): LocalIdentity {
  return {
    clusterId: 7,
    nodeId: nodeId(id),
    incarnation: incarnation(10 + id),
    bootId,
    required: 0,
    optional: 0,
  };
}

export const declared = (group: number): GroupDeclaration => ({
  group,
  nameHash: group * 3,
  entryBytesMax: 1_048_576,
  configurationHash: 5,
});

export function linksOn(
  adapter: Adapter,
  id: number,
  seen: Recorder,
  change: NodeChange = {},
): PeerLinks {
  const options = {
    adapter,
    identity: { ...identityOf(id), ...change.identity },
    listenAddress: change.name ?? addressOf(id),
    peers: [1, 2, 3].map((each) => ({ id: nodeId(each), address: addressOf(each) })),
    groups: [declared(1)],
    random: new Prng(id),
    ...change.options,
  };
  return new PeerLinks(options, seen, change.bulk ?? null);
}

/** These nodes alone are members. */
export function membersOnly(...ids: readonly number[]): NodeChange {
  return { options: { peers: ids.map((id) => ({ id: nodeId(id), address: addressOf(id) })) } };
}

export class Cluster {
  readonly clock = new ManualClock();
  readonly network: MemoryNetwork;
  readonly nodes = new Map<number, Node>();

  constructor(ids: readonly number[], options: MemoryNetworkOptions = {}, change: NodeChange = {}) {
    this.network = new MemoryNetwork(this.clock, options);
    for (const id of ids) this.nodes.set(id, this.start(id, change));
  }

  start(id: number, change: NodeChange = {}): Node {
    const adapter = new MemoryAdapter(this.network, change.name ?? addressOf(id));
    const seen = new Recorder(id);
    const links = linksOn(adapter, id, seen, change);
    links.start();
    const node = { id, adapter, links, seen };
    return node;
  }

  node(id: number): Node {
    return this.nodes.get(id)!;
  }

  run(ms: number): void {
    this.clock.advance(ms);
  }
}

export const heartbeat = (from: number, to: number, round = 1): Message => ({
  kind: MessageKind.heartbeat,
  from: nodeId(from),
  to: nodeId(to),
  term: term(3),
  commit: logIndex(4),
  round,
});

export const append = (from: number, to: number, bytes: number, prev = 0): Message => ({
  kind: MessageKind.append,
  from: nodeId(from),
  to: nodeId(to),
  term: term(3),
  prevIndex: logIndex(prev),
  prevTerm: term(0),
  lastIndex: logIndex(bytes === 0 ? prev : prev + 1),
  entriesTerm: term(bytes === 0 ? 0 : 3),
  commit: logIndex(0),
  round: 0,
  bytes,
  configurations: [],
});

export const voteReply = (from: number, to: number): Message => ({
  kind: MessageKind.voteReply,
  from: nodeId(from),
  to: nodeId(to),
  term: term(3),
  grant: 1,
});
