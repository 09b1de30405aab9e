/**
 * What a caller says of client sessions, checked before anything is taken; how it becomes bytes;
 * and what an error in a session adds, so that the caller knows how to go on.
 *
 * Sessions themselves are in the replicated state (runtime/sessions.ts). This file must never keep
 * one.
 */

import { EntryMark } from '../codec/entry.js';
import {
  SESSION_ENTRY_BYTES,
  SESSION_HEAD_BYTES,
  SessionAction,
  writeSessionAction,
  writeSessionHead,
} from '../codec/session-entry.js';
import { readU64 } from '../codec/u64.js';
import { refuseArgument } from './call-arguments.js';
import type { BatchOptions, Channel, CompletionSink } from './channel.js';
import type { Replication } from './config-groups.js';
import { ErrorNumber, RingraftError } from './errors.js';
import { shown } from './errors-shown.js';
import type { CallOptions, ProposeResult } from './group-calls.js';
import {
  SESSION_TTL_MS_DEFAULT,
  SESSION_TTL_MS_MAX,
  SESSION_TTL_MS_MIN,
} from './runtime/sessions.js';

/** A client session, as `openSession` answers it: plain numbers, to be kept or handed on. */
export interface Session {
  /** Unique in its group for ever. */
  readonly id: number;
  /** Without a command for longer than this, by the clock of the log, it is gone. */
  readonly ttlMs: number;
}

/** The place of a command in a session: a command that is sent again keeps both numbers. */
export interface SessionPlace {
  readonly id: number;
  /**
   * From 1, another one for each command. Of `proposeMany` it is the first command's, and the
   * others follow one by one.
   */
  readonly sequence: number;
}

export interface OpenSessionOptions extends CallOptions {
  /** False: a follower refuses with `ERR_NOT_LEADER` instead of forwarding. Default true. */
  readonly forward?: boolean;
  /** As of `propose`. */
  readonly replication?: Replication;
  /**
   * Milliseconds without a command, by the clock of the log, after which the session is gone: from
   * one second to 30 days. Default: one hour.
   */
  readonly ttlMs?: number;
}

export type CloseSessionOptions = Omit<OpenSessionOptions, 'ttlMs'>;

const { MAX_SAFE_INTEGER } = Number;

export function ttlOf(ttlMs: unknown = SESSION_TTL_MS_DEFAULT): number {
  const isWhole = typeof ttlMs === 'number' && Number.isSafeInteger(ttlMs);
  if (isWhole && ttlMs >= SESSION_TTL_MS_MIN && ttlMs <= SESSION_TTL_MS_MAX) return ttlMs;
  const range = `from ${SESSION_TTL_MS_MIN} to ${SESSION_TTL_MS_MAX} (30 days)`;
  const rule = `must be a whole number of milliseconds ${range}`;
  return refuseArgument(`ttlMs is ${shown(ttlMs)}, ${rule}; leave it out for one hour`);
}

export function checkSessionId(id: unknown): asserts id is number {
  if (Number.isSafeInteger(id) && (id as number) >= 1) return;
  refuseArgument(`session id is ${shown(id)}, must be the id that openSession answered`);
}

/** `count` commands begin at this place. */
export function checkPlace(place: unknown, count: number): asserts place is SessionPlace {
  if (typeof place !== 'object' || place === null) {
    refuseArgument(`session is ${shown(place)}, must be an object such as { id, sequence: 1 }`);
  }
  const { id, sequence } = place as Partial<SessionPlace>;
  checkSessionId(id);
  const isWhole = Number.isSafeInteger(sequence) && (sequence as number) >= 1;
  if (isWhole && (sequence as number) + count - 1 <= MAX_SAFE_INTEGER) return;
  const remedy = 'count up from 1 in each session, and repeat a command with its own sequence';
  refuseArgument(`sequence is ${shown(sequence)}, must be a whole number from 1; ${remedy}`);
}

/** The place of the command `i` places later. */
export function placeAfter(place: SessionPlace | undefined, i: number): SessionPlace | undefined {
  return place && { id: place.id, sequence: place.sequence + i };
}

/** Room for a command, as `channel.claimWrite`; its place in a session is written already. */
export function claimCommand(
  channel: Pick<Channel, 'claimWrite' | 'claimEntry' | 'writeView'>,
  payloadBytes: number,
  place: SessionPlace | undefined,
  options: BatchOptions,
  sink: CompletionSink,
  token: number,
): number {
  if (place === undefined) return channel.claimWrite(payloadBytes, options, sink, token);
  const bytes = SESSION_HEAD_BYTES + payloadBytes;
  const at = channel.claimEntry(EntryMark.sessionCommand, bytes, options, sink, token);
  return at < 0 ? at : writeSessionHead(channel.writeView, at, place.id, place.sequence);
}

/** Puts an entry that opens a session with this ttl, or closes one; a negative number as above. */
export function claimSessionEntry(
  channel: Pick<Channel, 'claimEntry' | 'writeView'>,
  action: SessionAction,
  argument: number,
  options: BatchOptions,
  sink: CompletionSink,
  token: number,
): number {
  const at = channel.claimEntry(EntryMark.session, SESSION_ENTRY_BYTES, options, sink, token);
  if (at >= 0) writeSessionAction(channel.writeView, at, action, argument);
  return at;
}

/** Makes the one claim, and resolves with what came of it. */
type CollectOne = (
  claim: (sink: CompletionSink, i: number) => number,
) => Promise<readonly ProposeResult[]>;

export async function openSession(
  channel: Pick<Channel, 'claimEntry' | 'writeView'>,
  ttl: unknown,
  options: BatchOptions,
  collect: CollectOne,
): Promise<Session> {
  const ttlMs = ttlOf(ttl);
  const answer = only(
    await collect((sink, i) =>
      claimSessionEntry(channel, SessionAction.open, ttlMs, options, sink, i),
    ),
  );
  const view = new DataView(answer.buffer, answer.byteOffset, answer.length);
  return { id: readU64(view, 0), ttlMs };
}

export async function closeSession(
  channel: Pick<Channel, 'claimEntry' | 'writeView'>,
  id: unknown,
  options: BatchOptions,
  collect: CollectOne,
): Promise<boolean> {
  checkSessionId(id);
  const answer = only(
    await collect((sink, i) =>
      claimSessionEntry(channel, SessionAction.close, id, options, sink, i),
    ),
  );
  return answer[0] === 1;
}

/** The value of the one call that was made, or its error, thrown. */
export function only([result]: readonly ProposeResult[]): Buffer {
  if (result === undefined) throw new RingraftError(ErrorNumber.closed);
  if (!result.ok) throw result.error;
  return result.value;
}

const SAFE_TO_REPEAT = 'repeat it with the same session and sequence: it is executed once at most';
const HEAD_COUNTS = `a session takes ${SESSION_HEAD_BYTES} bytes of it`;

/** What there is to add to an error of a command at this place; empty when there is nothing. */
export function sessionDetail({ id, sequence }: SessionPlace, code: ErrorNumber): string {
  const place = `session ${id}, sequence ${sequence}`;
  if (code === ErrorNumber.sessionUnknown || code === ErrorNumber.sessionForgotten) return place;
  if (code === ErrorNumber.outcomeUnknown) return `${place}; ${SAFE_TO_REPEAT}`;
  return code === ErrorNumber.tooLarge ? `${place}; ${HEAD_COUNTS}` : '';
}
