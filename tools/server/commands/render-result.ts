/**
 * From the key-value machine's result bytes to a reply, in the dialect of the request.
 *
 * All that has to be remembered about a request until its result arrives is one small number, its
 * shape. This file must not need anything else, since by then the request's bytes are gone.
 */

import { readInt64 } from '../../../codec/int64.js';
import type { ReplyWriter } from '../../../codec/resp/reply.js';
import { readU32 } from '../../../engine/machines/kv/commands.js';
import {
  ARRAY_OFFSET_COUNT,
  ARRAY_OFFSET_ITEMS,
  ITEM_HEADER_BYTES,
  ITEM_NIL,
  RESULT_HEADER_BYTES,
  ResultStatus,
  SCAN_RESULT_OFFSET_COUNT,
  SCAN_RESULT_OFFSET_CURSOR,
  SCAN_RESULT_OFFSET_ITEMS,
} from '../../../engine/machines/kv/results.js';
import { quoteForLine } from './quoting.js';

export const ReplyShape = {
  /** As the result says. */
  plain: 0,
  /** `+OK`, whatever the result says: the seed's DEL. */
  alwaysOk: 1,
  /** `:1` for done, `:0` for nil: SETNX. */
  flag: 2,
  /** A value as a status line: TYPE. */
  simple: 3,
  /** An array as one bulk string of quoted lines, for a dialect without arrays: the inline KEYS. */
  lines: 4,
  /** Not of the state machine: the id of a client session as u64, and whether one was open. */
  sessionId: 5,
  sessionClosed: 6,
} as const;
export type ReplyShape = (typeof ReplyShape)[keyof typeof ReplyShape];

/** Added to a shape: the reply may use RESP3. */
export const RESP3_SHAPE = 0x80;

/** Writes the reply for the result in `[start, end)`. */
export function renderResult(
  reply: ReplyWriter,
  shapeAndProtocol: number,
  result: Buffer,
  start: number,
  end: number,
): void {
  reply.resp3 = (shapeAndProtocol & RESP3_SHAPE) !== 0;
  const shape = shapeAndProtocol & ~RESP3_SHAPE;
  if (shape === ReplyShape.sessionId) {
    reply.integer(result.readBigUInt64LE(start));
    return;
  }
  const status = result[start];
  if (shape === ReplyShape.sessionClosed) {
    reply.integer(status ?? 0);
    return;
  }
  if (shape === ReplyShape.alwaysOk && status !== ResultStatus.error) {
    reply.ok();
    return;
  }
  switch (status) {
    case ResultStatus.ok:
      if (shape === ReplyShape.flag) reply.integer(1);
      else reply.ok();
      break;
    case ResultStatus.nil:
      if (shape === ReplyShape.flag) reply.integer(0);
      else reply.nil();
      break;
    case ResultStatus.value:
      if (shape === ReplyShape.simple) reply.simple(text(result, start, end));
      else reply.bulk(result, start + RESULT_HEADER_BYTES, end);
      break;
    case ResultStatus.integer:
      reply.integer(readInt64(result, start + RESULT_HEADER_BYTES));
      break;
    case ResultStatus.array:
      if (shape === ReplyShape.lines) renderLines(reply, result, start);
      else renderItems(reply, result, start + ARRAY_OFFSET_COUNT, start + ARRAY_OFFSET_ITEMS);
      break;
    case ResultStatus.scan:
      renderScan(reply, result, start);
      break;
    case ResultStatus.error:
      renderRejection(reply, text(result, start, end));
      break;
    default:
      throw new Error(`key-value result of unknown status ${status}`);
  }
}

/** Writes the error reply for a command that the state machine rejected with this text. */
export function renderRejection(reply: ReplyWriter, reason: string): void {
  reply.error(`ERR ${reason}`);
}

function text(result: Buffer, start: number, end: number): string {
  return result.toString('utf8', start + RESULT_HEADER_BYTES, end);
}

function renderItems(reply: ReplyWriter, result: Buffer, countAt: number, itemsAt: number): void {
  const count = readU32(result, countAt);
  reply.array(count);
  let at = itemsAt;
  for (let i = 0; i < count; i += 1) {
    const length = readU32(result, at);
    at += ITEM_HEADER_BYTES;
    if (length === ITEM_NIL) {
      reply.nil();
    } else {
      reply.bulk(result, at, at + length);
      at += length;
    }
  }
}

function renderScan(reply: ReplyWriter, result: Buffer, start: number): void {
  reply.array(2);
  reply.bulkText(String(readU32(result, start + SCAN_RESULT_OFFSET_CURSOR)));
  const countAt = start + SCAN_RESULT_OFFSET_COUNT;
  renderItems(reply, result, countAt, start + SCAN_RESULT_OFFSET_ITEMS);
}

function renderLines(reply: ReplyWriter, result: Buffer, start: number): void {
  const lines: string[] = [];
  let at = start + ARRAY_OFFSET_ITEMS;
  for (let left = readU32(result, start + ARRAY_OFFSET_COUNT); left > 0; left -= 1) {
    const length = readU32(result, at);
    at += ITEM_HEADER_BYTES;
    lines.push(quoteForLine(result, at, at + length));
    at += length;
  }
  reply.bulkText(lines.join('\n'));
}
