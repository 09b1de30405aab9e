/**
 * Whom a node links to: the members of its groups' configurations, as each group last said them;
 * for a group that has said nothing yet those of the start.
 *
 * Of a group whose configuration does not name this node nobody is dialled, but whoever leads it
 * may dial: the node waits to be added. So may strangers while a group knows no leader that its
 * configuration names, as others may have left that configuration long ago. Where groups name
 * different addresses of a node, the one counts that came into force here last; at the start that
 * is the start's. Pure: it never sends, and never looks at who votes.
 */

import { type NodeId, nodeId } from '../engine/raft/types.js';
import type { PeerAddress } from '../io/net/peer-handlers.js';

type Addresses = ReadonlyMap<NodeId, string>;

export class PeerRoster {
  readonly #self: NodeId;
  readonly #start: readonly NodeId[];
  /** By group; null: it has said nothing yet. */
  readonly #groups: (Addresses | null)[];
  /** By group: no leader is known there that its configuration names. */
  readonly #lost: boolean[];
  /** The address of each node that counts; also of former members, which may come again. */
  readonly #addresses: Map<NodeId, string>;

  constructor(self: NodeId, groups: number, start: readonly PeerAddress[]) {
    this.#self = self;
    this.#start = start.map(({ id }) => id);
    this.#groups = Array.from({ length: groups }, () => null);
    this.#lost = Array.from({ length: groups }, () => true);
    this.#addresses = new Map(start.map(({ id, address }) => [id, address]));
  }

  /** The configuration that is in force in a group from now on, or again after a rollback. */
  learn(
    group: number,
    members: readonly { readonly id: number; readonly address: string }[],
    isLost: boolean,
  ): void {
    this.#lost[group] = isLost;
    const before = this.#groups[group];
    const said = new Map(members.map(({ id, address }) => [nodeId(id), address]));
    for (const [id, address] of said) {
      // What a start is given may spell an address differently than what is on record.
      const isFirst = before === null && this.#addresses.has(id);
      if (!isFirst && before?.get(id) !== address) this.#addresses.set(id, address);
    }
    this.#groups[group] = said;
    this.#forget();
  }

  /** Addresses are kept for as long as somebody names their node. */
  #forget(): void {
    for (const id of [...this.#addresses.keys()]) {
      const isNamed = this.#groups.some((said) => said?.has(id) ?? this.#start.includes(id));
      if (!isNamed) this.#addresses.delete(id);
    }
  }

  /** This node left out, ascending by id. */
  get peers(): PeerAddress[] {
    const ids = new Set(this.#groups.flatMap((said) => this.#peersOf(said)));
    ids.delete(this.#self);
    return [...ids]
      .sort((a, b) => a - b)
      .map((id) => ({ id, address: this.#addresses.get(id) ?? '' }));
  }

  #peersOf(said: Addresses | null): readonly NodeId[] {
    if (said === null) return this.#start;
    return said.has(this.#self) ? [...said.keys()] : [];
  }

  /** Whoever proves the cluster may come: see above. */
  get letsStrangersIn(): boolean {
    const isWaiting = this.#groups.some((said) => said !== null && !said.has(this.#self));
    return isWaiting || this.#lost.some((isLost) => isLost);
  }
}
