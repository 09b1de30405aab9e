/**
 * The public contract of a user's state machine: what the engine calls, what it hands over, and
 * what it expects in return.
 *
 * A machine lives in the consensus worker of its group, is used by that one thread only, and must
 * be deterministic: the same entries give the same state, the same replies and the same rejections
 * on every node. The only time it may see is `timeMs`. It must never do input or output, start a
 * timer, draw a random number, or keep a reference to bytes it was lent.
 */

/**
 * A run of committed entries, walked in order of index like a cursor:
 * `while (batch.next()) { … }`. Every property describes the current entry and changes at the
 * next call of `next`; nothing here may be kept after `apply` returns. Where a batch begins and
 * ends means nothing and differs from node to node: also large results end one early.
 */
export interface ApplyBatch {
  /** Moves to the next entry; false when the batch is exhausted. Called before the first entry. */
  next(): boolean;
  /** Position in the group's log. Grows, with gaps where the engine keeps entries of its own. */
  readonly index: number;
  readonly term: number;
  /** The leader's clock, milliseconds since the Unix epoch, never decreasing along the log. */
  readonly timeMs: number;
  /** The memory that holds the command at `[start, end)`. Shared with other threads: read only. */
  readonly buffer: Buffer;
  readonly start: number;
  readonly end: number;
  /** The command as a view of its own, for machines that do not count nanoseconds. */
  readonly data: Uint8Array;
  /** What this machine is: group, node and the group's `machineOptions`. */
  readonly context: MachineContext;
  /** Whether somebody on this node waits for the result. It may steer work, never state. */
  readonly wanted: boolean;
  /**
   * The result of the current entry. The bytes are copied before the call returns, so one buffer
   * can serve every reply. An entry without `reply` or `reject` answers with no bytes.
   */
  reply(bytes: Uint8Array): void;
  /**
   * A deterministic refusal: the proposer gets an error value, the log goes on. The first answer to
   * an entry counts. `reply` and `reject` throw a TypeError when they are given anything else.
   */
  reject(reason: Uint8Array | string): void;
}

/**
 * What replicates. All calls are synchronous and come from one thread, one at a time; a call that
 * takes longer than half a heartbeat is counted and named in the group's status.
 *
 * An exception out of `apply` or `restore` stops this group on this node with `ERR_STATE_MACHINE`,
 * the index named, and leaves the process and the other groups running: a command that is merely
 * wrong is answered by `batch.reject`. An exception out of `query` fails that read alone, with
 * `ERR_REJECTED` and its message.
 */
export interface StateMachine {
  /**
   * Applies committed commands in order, each exactly once between `restore` and the end. The whole
   * batch is applied when it returns, so it stops the group like an exception
   * - when it leaves commands unread, by not calling `next` until that says false. Batches are cut
   *   differently on each node: what was skipped here, another node would apply.
   * - when it returns anything, such as the promise of an async function. None of the commands that
   *   this call was given is then answered as executed, but for results already on their way.
   */
  apply(batch: ApplyBatch): void;
  /**
   * Answers a read; must leave the replicated state untouched. The query is lent for the call, and
   * the answer is copied before the machine is called again, so one buffer can serve every answer.
   * A read whose answer is no Uint8Array fails alone, with `ERR_STATE_MACHINE` and what it was.
   */
  query(query: Uint8Array): Uint8Array;
  /**
   * The state as it is at this call, as chunks the caller pulls one at a time while `apply` goes on
   * in between. Chunks belong to the caller. Ending the iterator early releases the image.
   */
  snapshot(): Iterable<Uint8Array>;
  /**
   * Replaces the state by an image that `snapshot` once yielded. The bytes come in the same order,
   * cut anywhere; each chunk is lent until the next is asked for.
   */
  restore(chunks: Iterable<Uint8Array>): void;
  /** A few figures about the machine; cheap. The engine does not call it: `query` may show them. */
  stats?(): Record<string, number | string>;
  /**
   * A fingerprint of the replicated state, equal on nodes that applied the same entries. The engine
   * does not call it either: it is for tests, and for a `query` that compares nodes.
   */
  digest?(): string;
}

/** What a machine is told about itself when it is made, and again with every batch. */
export interface MachineContext {
  readonly groupName: string;
  readonly groupId: number;
  readonly nodeId: number;
  /** The group's `machineOptions`, structured-cloned; the factory validates them. */
  readonly options: unknown;
}

/** The default export of a machine module. It throws on options that it does not understand. */
export type StateMachineFactory = (context: MachineContext) => StateMachine;
