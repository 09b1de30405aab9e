/**
 * Decides whether two nodes may talk: a pure comparison of who we are with what the other side
 * says.
 *
 * What needs more than the two HELLOs (membership, an id that is already connected) is asked of the
 * connection's owner afterwards. This file must never accept what it does not understand.
 */

import { type Incarnation, NOBODY, type NodeId } from '../../engine/raft/types.js';
import {
  type GroupDeclaration,
  type Hello,
  PROTOCOL_VERSION,
  PROTOCOL_VERSION_MIN,
  type Refusal,
  RefuseCode,
} from './handshake.js';

/** Feature bits of the protocol; an unknown bit that the other side requires ends the handshake. */
export const Feature = {
  /** Followers hand proposals to the leader (FORWARD and FORWARDED frames). */
  forwarding: 1,
  /** Large frames may come in parts (PART frames); else they travel whole. */
  parts: 2,
  /** FORWARD frames say for which term's leader they are meant. */
  forwardTerms: 4,
  /** Leaders offer snapshots (kind 12), heartbeat replies say when one is needed. */
  snapshots: 8,
  /**
   * Takes bulk connections, if optional; if required, this connection is one: it carries snapshots
   * and nothing else. Ordinary connections never require it.
   */
  bulk: 16,
  /**
   * A group of this node began with nobody: it waits to be added, or was added later. Its
   * configuration hash is 0, which is nobody's mismatch.
   */
  joins: 32,
} as const;
const FEATURES_KNOWN =
  Feature.forwarding | Feature.parts | Feature.forwardTerms | Feature.snapshots | Feature.joins;
/** The configuration hash of a group that began with nobody. */
const NO_CONFIGURATION = 0;

/** Who we are, as the handshake proves it. */
export interface LocalIdentity {
  readonly clusterId: number;
  readonly nodeId: NodeId;
  readonly incarnation: Incarnation;
  readonly bootId: number;
  /** Where we are reached; left out: it is not said. */
  readonly address?: string;
  /** Feature bits we do not talk without. */
  readonly required: number;
  /** Every feature bit we use when the other side has it too. */
  readonly optional: number;
}

export type GroupTable = ReadonlyMap<number, GroupDeclaration>;

/** Names of the set bits, for people: `forwarding, bit 7`. */
export function featureNames(bits: number): string {
  const names: string[] = [];
  for (let bit = 0; bit < 32; bit += 1) {
    const mask = (1 << bit) >>> 0;
    if ((bits & mask) === 0) continue;
    const known = Object.entries(Feature).find(([, value]) => value === mask);
    names.push(known === undefined ? `bit ${bit}` : known[0]);
  }
  return names.join(', ');
}

/** Whether the sender of this HELLO uses a feature when we do. */
export function hasFeature(hello: Hello, feature: number): boolean {
  return ((hello.required | hello.optional) & feature) !== 0;
}

/** Whether the sender of this HELLO means a bulk connection. */
export function isBulkHello(hello: Hello): boolean {
  return (hello.required & Feature.bulk) !== 0;
}

/** Who we are on a bulk connection. */
export function bulkIdentity(local: LocalIdentity): LocalIdentity {
  return { ...local, required: local.required | Feature.bulk };
}

/** The HELLO that we say to `target`. */
export function helloTo(target: NodeId, local: LocalIdentity, groups: GroupTable): Hello {
  return {
    version: PROTOCOL_VERSION,
    versionMin: PROTOCOL_VERSION_MIN,
    required: local.required,
    optional: (local.required | local.optional | FEATURES_KNOWN) >>> 0,
    clusterId: local.clusterId,
    from: local.nodeId,
    target,
    incarnation: local.incarnation,
    bootId: local.bootId,
    address: local.address ?? '',
    groups: [...groups.values()],
  };
}

function checkFeatures(local: LocalIdentity, hello: Hello): Refusal | null {
  const ours = local.required | local.optional | FEATURES_KNOWN;
  const missingHere = (hello.required & ~ours) >>> 0;
  if (missingHere !== 0) {
    const text = `node ${hello.from} requires ${featureNames(missingHere)}, unknown here`;
    return { code: RefuseCode.feature, text };
  }
  const missingThere = (local.required & ~(hello.required | hello.optional)) >>> 0;
  if (missingThere === 0) return null;
  const text = `node ${local.nodeId} requires ${featureNames(missingThere)}, unknown there`;
  return { code: RefuseCode.feature, text };
}

/** Compares the groups that both sides have; one that only one side knows is no mismatch. */
export function checkGroups(ours: GroupTable, theirs: readonly GroupDeclaration[]): Refusal | null {
  for (const their of theirs) {
    const our = ours.get(their.group);
    if (our === undefined) continue;
    for (const field of ['nameHash', 'entryBytesMax', 'configurationHash'] as const) {
      if (our[field] === their[field] || isUnknown(field, our, their)) continue;
      const text = `group ${their.group}: ${field} ${their[field]} there, ${our[field]} here`;
      const remedy = field === 'configurationHash' ? BEGAN_DIFFERENTLY : '';
      return { code: RefuseCode.configMismatch, text: `${text}${remedy}` };
    }
  }
  return null;
}

const BEGAN_DIFFERENTLY =
  '. The two began with different members: a node without data comes in by --join';

/** A node that began with nobody says nothing of who began the group. */
function isUnknown(field: string, our: GroupDeclaration, their: GroupDeclaration): boolean {
  if (field !== 'configurationHash') return false;
  return [our.configurationHash, their.configurationHash].includes(NO_CONFIGURATION);
}

/**
 * Why this HELLO is refused, or null. `expected` is whom we dialled; nobody when they dialled us.
 */
export function checkHello(
  local: LocalIdentity,
  groups: GroupTable,
  hello: Hello,
  expected: NodeId,
): Refusal | null {
  if (hello.clusterId !== local.clusterId) {
    const text = `cluster id ${hello.clusterId} there, ${local.clusterId} here`;
    return { code: RefuseCode.wrongCluster, text };
  }
  if (hello.from === local.nodeId) {
    const text = `node id ${hello.from} is my own: two nodes have it, or an address is wrong`;
    return { code: RefuseCode.ownId, text };
  }
  if (hello.target !== local.nodeId) {
    const text = `node ${hello.target} was wanted, this is node ${local.nodeId}: check the address`;
    return { code: RefuseCode.wrongTarget, text };
  }
  if (expected !== NOBODY && hello.from !== expected) {
    const text = `dialled node ${expected}, node ${hello.from} answered: check the address`;
    return { code: RefuseCode.wrongTarget, text };
  }
  return checkFeatures(local, hello) ?? checkGroups(groups, hello.groups);
}
