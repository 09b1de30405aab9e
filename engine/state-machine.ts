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
 * ends means nothing and differs from node to node: also large results and snapshots end one early.
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
  /**
   * Whether the result is of use: somebody on this node waits for it, or a client session keeps it.
   * It may steer work, never state.
   */
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

/** Takes an image, see `StateMachine.restore`. Whatever it throws stops the group on this node. */
export interface Restoration {
  /**
   * The next bytes of the image, in order and cut anywhere; they are lent for the call. A chunk
   * that cannot be right is best refused here, by throwing.
   */
  chunk(bytes: Uint8Array): void;
  /** The image is whole. Throws when it is not; once it returns, the machine is in that state. */
  finish(): void;
}

/**
 * What replicates. All calls are synchronous and come from one thread, one at a time; a call that
 * takes longer than half a heartbeat is counted and named in the group's status.
 *
 * An exception out of `apply` stops this group on this node with `ERR_STATE_MACHINE`, the index
 * named, and leaves the process and the other groups running: a command that is merely wrong is
 * answered by `batch.reject`. An exception out of `restore`, or out of what it returns, stops the
 * group in the same way. One out of `query` fails that read alone, with `ERR_REJECTED` and its
 * message; one out of `snapshot`, or out of its iterator, fails that snapshot alone.
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
   * The state as it is at this call, as chunks that are pulled one at a time while `apply` goes on
   * in between: what `apply` changes meanwhile must not show. Each `next` is one slice of work, at
   * best below a millisecond; a chunk is lent until the following one, so one buffer can serve them
   * all. It may be empty: nothing was found in this slice. Ending the iterator early releases the
   * image.
   *
   * The body of a generator function runs at the first `next` only, so the engine asks for the
   * first chunk at once: a generator that copies what it needs before its first `yield` is right.
   */
  snapshot(): Iterable<Uint8Array>;
  /**
   * Begins to replace the state by an image that `snapshot` once yielded; what was there before may
   * be let go at once. Until `finish` has returned the machine is asked nothing else. Another
   * `restore` begins anew, and what the one before had got is dropped with it.
   */
  restore(): Restoration;
  /**
   * Bytes that a running image holds because `apply` was about to change them and nobody has pulled
   * them yet. While there are more than 8 MiB, the engine lets `batch.next` end the batch and goes
   * on when chunks were pulled. Without it a machine is given commands as they come, and so is one
   * of callbacks on the main thread (hosted-machine.ts), which is not asked. Cheap: it is asked at
   * every entry while an image runs.
   */
  imageBacklogBytes?(): number;
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
