/**
 * Client operations as the key-value machine's commands and queries, and its answers as results.
 *
 * The machine has no compare-and-set: the simulator adds it as a command type of its own, which
 * sim-machine.ts carries out by a query and a SET. Everything else is the production encoding.
 */

import { EntryMark, entryBytes, writeEntryHeader } from '../../codec/entry.js';
import { INT64_BYTES, readInt64 } from '../../codec/int64.js';
import {
  SESSION_ENTRY_BYTES,
  SESSION_HEAD_BYTES,
  SessionAction,
  writeSessionAction,
  writeSessionHead,
} from '../../codec/session-entry.js';
import { NOT_AN_INTEGER } from '../../engine/machines/kv/apply-command.js';
import {
  CommandType,
  commandBytes,
  encodeCommand,
  encodeIncrement,
  encodeSetConditional,
  SET_FLAGS_BYTES,
  SetFlag,
} from '../../engine/machines/kv/commands.js';
import { encodeQuery, QUERY_HEADER_BYTES, QueryType } from '../../engine/machines/kv/queries.js';
import { RESULT_HEADER_BYTES, ResultStatus } from '../../engine/machines/kv/results.js';
import type { Operation, Place, Request, Result, SessionRequest } from './operation.js';

/** A command type that the machine itself does not know: u32 length of the expected value, both. */
export const COMPARE_AND_SET = 200;
const EXPECTED_LENGTH_BYTES = 4;

/** Values are padded with this, which no value holds, and shown without it. */
const PADDING = '~';

export function padded(value: string, paddingBytes: number): string {
  return paddingBytes === 0 ? value : value + PADDING.repeat(paddingBytes);
}

function unpadded(value: string): string {
  const end = value.indexOf(PADDING);
  return end < 0 ? value : value.slice(0, end);
}

/** The command of a write, or what opens or closes a session, as one entry with its header. */
export function encodeWrite(request: Request, paddingBytes: number, place?: Place): Buffer {
  if (isSessionRequest(request)) return entryOf(EntryMark.session, encodeSessionRequest(request));
  const key = Buffer.from(request.key, 'latin1');
  const command = encodePayload(request, key, paddingBytes);
  if (place === undefined) return entryOf(EntryMark.command, command);
  const payload = Buffer.alloc(SESSION_HEAD_BYTES + command.length);
  payload.set(command, writeSessionHead(viewOf(payload), 0, place.id, place.sequence));
  return entryOf(EntryMark.sessionCommand, payload);
}

function entryOf(mark: EntryMark, payload: Buffer): Buffer {
  const bytes = Buffer.alloc(entryBytes(payload.length));
  bytes.set(payload, writeEntryHeader(viewOf(bytes), 0, mark, payload.length, 0));
  return bytes;
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

function isSessionRequest(request: Request): request is SessionRequest {
  return request.op === 'openSession' || request.op === 'closeSession';
}

function encodeSessionRequest(request: SessionRequest): Buffer {
  const payload = Buffer.alloc(SESSION_ENTRY_BYTES);
  const isOpen = request.op === 'openSession';
  const action = isOpen ? SessionAction.open : SessionAction.close;
  writeSessionAction(viewOf(payload), 0, action, isOpen ? request.ttlMs : request.session);
  return payload;
}

function encodePayload(operation: Operation, key: Buffer, paddingBytes: number): Buffer {
  switch (operation.op) {
    case 'set':
      return simple(CommandType.set, key, padded(operation.value, paddingBytes));
    case 'append':
      return simple(CommandType.append, key, operation.value);
    case 'del':
      return simple(CommandType.delete, key, '');
    case 'setnx': {
      const both = Buffer.concat([key, text(padded(operation.value, paddingBytes))]);
      const length = both.length - key.length;
      const payload = Buffer.alloc(commandBytes(key.length, SET_FLAGS_BYTES + length));
      const { ifAbsent } = SetFlag;
      encodeSetConditional(payload, 0, both, 0, key.length, key.length, both.length, ifAbsent);
      return payload;
    }
    case 'incr': {
      const payload = Buffer.alloc(commandBytes(key.length, INT64_BYTES));
      encodeIncrement(payload, 0, key, 0, key.length, operation.by);
      return payload;
    }
    case 'cas':
      return encodeCas(key, operation.expected, operation.value, paddingBytes);
    case 'get':
      throw new Error('a read is no command');
  }
}

function text(value: string): Buffer {
  return Buffer.from(value, 'latin1');
}

function simple(type: CommandType, key: Buffer, value: string): Buffer {
  const both = Buffer.concat([key, text(value)]);
  const payload = Buffer.alloc(commandBytes(key.length, both.length - key.length));
  encodeCommand(payload, 0, type, both, 0, key.length, key.length, both.length);
  return payload;
}

function encodeCas(key: Buffer, expected: string, value: string, paddingBytes: number): Buffer {
  const before = text(padded(expected, paddingBytes));
  const head = Buffer.alloc(1 + EXPECTED_LENGTH_BYTES);
  head[0] = COMPARE_AND_SET;
  head.writeUInt32LE(before.length, 1);
  const set = simple(CommandType.set, key, padded(value, paddingBytes));
  return Buffer.concat([head, before, set]);
}

/** The parts of a compare-and-set: the value it expects, and the SET to carry out. */
export function decodeCas(buffer: Buffer, start: number): { expected: Buffer; setAt: number } {
  const length = buffer.readUInt32LE(start + 1);
  const at = start + 1 + EXPECTED_LENGTH_BYTES;
  return { expected: buffer.subarray(at, at + length), setAt: at + length };
}

/** The answer of a compare-and-set: whether it took effect. */
export function casAnswer(took: boolean): Buffer {
  const bytes = Buffer.alloc(RESULT_HEADER_BYTES + INT64_BYTES);
  bytes[0] = ResultStatus.integer;
  bytes.writeUInt32LE(took ? 1 : 0, RESULT_HEADER_BYTES);
  return bytes;
}

/** The query of a GET, without its length. */
export function encodeGet(key: string): Buffer {
  const bytes = text(key);
  const query = Buffer.alloc(QUERY_HEADER_BYTES + bytes.length);
  encodeQuery(query, 0, QueryType.get, bytes, 0, bytes.length);
  return query;
}

/** What the answer of the machine means for this operation. */
export function decodeResult(operation: Request, bytes: Buffer, rejected: boolean): Result {
  if (operation.op === 'openSession') return Number(bytes.readBigUInt64LE(0));
  if (operation.op === 'closeSession') return bytes[0] ?? 0;
  if (rejected) {
    const isType = bytes.toString() === NOT_AN_INTEGER;
    if (operation.op !== 'incr') throw new Error(`a command was rejected: ${bytes.toString()}`);
    return { error: isType ? 'notInteger' : 'overflow' };
  }
  const status = bytes[0];
  if (status === ResultStatus.integer) {
    const value = readInt64(bytes, RESULT_HEADER_BYTES);
    return operation.op === 'incr' ? String(value) : Number(value);
  }
  if (status === ResultStatus.value) {
    return unpadded(bytes.toString('latin1', RESULT_HEADER_BYTES));
  }
  if (operation.op === 'setnx') return status === ResultStatus.ok ? 1 : 0;
  return null;
}
