/**
 * How far the learners of a group are, by the word of its leader: looked at once a second, only
 * while this replica leads and there are learners, and told by an event.
 *
 * Nothing waits for it and nothing may be decided by it: the core promotes by its own rule
 * (catch-up.ts).
 */

import type { Raft } from '../raft/raft.js';
import { type NodeId, Role } from '../raft/types.js';
import type { LearnerProgress } from '../status.js';
import type { CompletionPort } from './ports.js';

const LOOK_MS = 1000;

export class CatchUpWatch {
  readonly #raft: Raft;
  readonly #completions: CompletionPort;
  readonly #before = new Map<NodeId, { readonly lag: number; readonly at: number }>();
  #lookAt = Number.POSITIVE_INFINITY;

  constructor(raft: Raft, completions: CompletionPort) {
    this.#raft = raft;
    this.#completions = completions;
  }

  get deadline(): number {
    return this.#lookAt;
  }

  /** Role or configuration are other ones: watches from now on, or does not any more. */
  changed(now: number): void {
    const { role, configuration } = this.#raft;
    const watches = role === Role.leader && configuration.learners.length > 0;
    if (watches) {
      this.#lookAt = Math.min(this.#lookAt, now);
      return;
    }
    if (this.#lookAt !== Number.POSITIVE_INFINITY) this.#tell([]);
    this.end();
  }

  tick(now: number): void {
    if (now < this.#lookAt) return;
    this.#lookAt = now + LOOK_MS;
    this.#tell(this.#raft.configuration.learners.map((id) => this.#look(id, now)));
  }

  #look(id: NodeId, now: number): LearnerProgress {
    const progress = this.#raft.state.progress.get(id);
    const match = progress?.match ?? 0;
    const state = progress?.state ?? 'probe';
    const lag = Math.max(this.#raft.lastIndex - match, 0);
    const before = this.#before.get(id);
    const nearer = before === undefined ? 0 : before.lag - lag;
    const isNear = lag === 0 && state === 'replicate';
    const tookMs = before === undefined ? 0 : now - before.at;
    const leftMs = isNear ? 0 : nearer > 0 ? Math.round((lag / nearer) * tookMs) : null;
    this.#before.set(id, { lag, at: now });
    return { id, match, lag, state, leftMs };
  }

  #tell(learners: readonly LearnerProgress[]): void {
    this.#completions.event({ kind: 'catchUp', learners });
  }

  /** Nothing is watched any more. */
  end(): void {
    this.#lookAt = Number.POSITIVE_INFINITY;
    this.#before.clear();
  }
}
