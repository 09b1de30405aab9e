/**
 * What the links of a node are told of one group: its configuration, and whether the leader is one
 * that it names.
 *
 * While it is not, the configuration may be one that all others have left long ago, and whoever
 * leads now may be a stranger here: its links must let strangers in. Nothing here sends anything.
 */

import { encodeConfiguration } from '../../codec/configuration.js';
import { findMember } from '../raft/membership.js';
import type { Raft } from '../raft/raft.js';
import type { Ready } from '../raft/ready.js';
import type { NetworkPort } from './ports.js';

export class MembershipNews {
  readonly #network: Pick<NetworkPort, 'configure'>;
  #isLost = true;

  constructor(network: Pick<NetworkPort, 'configure'>) {
    this.#network = network;
  }

  /** Once a turn; rarely is there anything to say. */
  tell({ configuration, leader }: Raft, { soft, configuration: news }: Ready): void {
    if (soft === null && news === null) return;
    const isLost = findMember(configuration, leader) === undefined;
    if (isLost === this.#isLost && news === null) return;
    this.#isLost = isLost;
    this.#network.configure(encodeConfiguration(configuration), isLost);
  }
}
