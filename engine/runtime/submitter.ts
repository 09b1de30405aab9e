/**
 * Hands what the core decided to storage, with where its entries lie in the arena, and remembers it
 * until it is durable: then the block index knows where on disk the entries are.
 *
 * It must never decide what is written, only say how.
 */

import { encodeConfiguration } from '../../codec/configuration.js';
import type { Persist } from '../raft/ready.js';
import type { BlockIndex } from './block-index.js';
import type { GroupLog } from './group-log.js';
import type { ArenaRun, StoragePort } from './ports.js';

interface SubmittedEntries {
  readonly seq: number;
  readonly first: number;
  readonly bytes: number;
}

export class Submitter {
  readonly #log: GroupLog;
  readonly #blocks: BlockIndex;
  readonly #storage: StoragePort;
  #submitted: SubmittedEntries[] = [];
  /** The next submission holds entries that clients proposed. */
  #holdsProposals = false;

  constructor(log: GroupLog, blocks: BlockIndex, storage: StoragePort) {
    this.#log = log;
    this.#blocks = blocks;
    this.#storage = storage;
  }

  proposalsPlaced(): void {
    this.#holdsProposals = true;
  }

  submit(persist: Persist): void {
    const runs: ArenaRun[] = [];
    for (const { term, range } of persist.runs) {
      for (const piece of this.#log.pieces(range.first, range.last)) {
        const { first, last, position, bytes } = piece;
        runs.push({ term, first, count: last - first + 1, position, bytes });
      }
    }
    const configured = persist.configuration;
    const configuration =
      configured === null
        ? null
        : { index: configured.index, bytes: encodeConfiguration(configured.configuration) };
    if (runs.length > 0) {
      const bytes = runs.reduce((total, run) => total + run.bytes, 0);
      this.#submitted.push({ seq: persist.seq, first: runs[0]!.first, bytes });
    }
    const usesReserve = !this.#holdsProposals;
    this.#holdsProposals = false;
    this.#storage.submit({ ...persist, runs, configuration, usesReserve });
  }

  /** Submissions up to `seq` are durable, in the block at (segment, offset) or before it. */
  stored(seq: number, segment: number, offset: number): void {
    while (this.#submitted.length > 0 && this.#submitted[0]!.seq <= seq) {
      // Also of entries that were truncated since: what is left of them lies in that block.
      const { first, bytes } = this.#submitted.shift()!;
      this.#blocks.add(first, bytes, segment, offset);
    }
  }
}
