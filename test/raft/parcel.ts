/**
 * A message under way in a test cluster, and what it promises.
 */

import assert from 'node:assert/strict';
import { describeMessage, messageName } from '../../engine/raft/describe.js';
import { type Message, MessageKind, VoteGrant } from '../../engine/raft/message.js';
import { type Incarnation, logIndex } from '../../engine/raft/types.js';
import type { Entry } from './entries.js';
import type { Replica } from './replica.js';

/** A message under way over one connection, with the entries of its range. */
export interface Parcel {
  readonly number: number;
  readonly message: Message;
  readonly entries: readonly Entry[];
  /** The lives of both ends: a restart of either end breaks the connection. */
  readonly fromBoot: number;
  readonly toBoot: number;
  readonly incarnation: Incarnation;
}

/** Votes and acknowledgements are promises: nothing leaves that a crash could make untrue. */
export function checkPromise({ records, raft }: Replica, message: Message): void {
  const { kind, term } = message;
  if (kind === MessageKind.preVote || kind === MessageKind.preVoteReply) return;
  if (kind === MessageKind.readIndex) return;
  assert.ok(
    records.hardState.term >= term,
    `${messageName(kind)} waits for its term to be durable`,
  );
  if (kind === MessageKind.vote) {
    assert.equal(records.hardState.vote, message.from, 'a vote for itself is durable');
  } else if (kind === MessageKind.voteReply && message.grant !== VoteGrant.refused) {
    assert.equal(records.hardState.vote, message.to, 'a granted vote is durable');
  } else if (kind === MessageKind.appendReply && message.accepted && message.match > 0) {
    if (message.match < raft.state.log.compacted) return;
    assert.equal(records.termAt(message.match), raft.termAt(message.match), 'so is what matches');
  }
}

/** A receiver finds the configurations of an append in the bytes that came with it. */
export function withConfigurations(parcel: Parcel): Message {
  const { message, entries } = parcel;
  if (message.kind !== MessageKind.append) return message;
  const configurations = entries.flatMap(({ configuration }, at) =>
    configuration === null ? [] : [{ index: logIndex(message.prevIndex + 1 + at), configuration }],
  );
  return { ...message, configurations };
}

/** `describeMessage` of what is under way. */
export function describeParcel(parcel: Parcel): string {
  return describeMessage(withConfigurations(parcel));
}
