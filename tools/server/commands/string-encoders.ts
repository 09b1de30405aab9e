/**
 * Writes commands and queries on values from a request's arguments straight into their place.
 *
 * Each encoder belongs to a handler of string-commands.ts that has measured what it writes. Nothing
 * here allocates or looks at options.
 */

import type { Request } from '../../../codec/resp/request-parser.js';
import {
  CommandType,
  commandBytes,
  encodeCommand,
  encodeHead,
  encodeIncrement,
  encodeKey,
  encodePair,
  encodeSetConditional,
  KEY_HEADER_BYTES,
} from '../../../engine/machines/kv/commands.js';
import { encodeQuery, QueryType } from '../../../engine/machines/kv/queries.js';
import { endOf, lengthOf, startOf } from './arguments.js';
import type { Encoder } from './plan.js';

export const encodeSet: Encoder = ({ request }, target, at) =>
  encodeKeyValue(CommandType.set, request, target, at);

export const encodeAppend: Encoder = ({ request }, target, at) =>
  encodeKeyValue(CommandType.append, request, target, at);

function encodeKeyValue(type: CommandType, request: Request, target: Buffer, at: number): number {
  const { buffer, ranges } = request;
  return encodeCommand(target, at, type, buffer, ranges[2]!, ranges[3]!, ranges[4]!, ranges[5]!);
}

export const encodeConditional: Encoder = ({ request, setFlags }, target, at) => {
  const { buffer, ranges } = request;
  return encodeSetConditional(
    target,
    at,
    buffer,
    ranges[2]!,
    ranges[3]!,
    ranges[4]!,
    ranges[5]!,
    setFlags,
  );
};

export const encodeAmount: Encoder = ({ request, amount }, target, at) =>
  encodeIncrement(target, at, request.buffer, startOf(request, 1), endOf(request, 1), amount);

export const encodeDelete: Encoder = ({ request }, target, at) =>
  encodeKeyOnly(CommandType.delete, request, target, at);

export const encodeGetDelete: Encoder = ({ request }, target, at) =>
  encodeKeyOnly(CommandType.getDelete, request, target, at);

function encodeKeyOnly(type: CommandType, request: Request, target: Buffer, at: number): number {
  const end = endOf(request, 1);
  return encodeCommand(target, at, type, request.buffer, startOf(request, 1), end, end, end);
}

export const encodeDeleteMany: Encoder = ({ request, payloadBytes }, target, at) => {
  const length = payloadBytes - commandBytes(0, 0);
  const from = encodeHead(target, at, CommandType.deleteMany, request.buffer, 0, 0, length);
  return encodeKeys(request, target, from);
};

export const encodeSetMany: Encoder = ({ request, payloadBytes }, target, at) => {
  const { buffer } = request;
  const length = payloadBytes - commandBytes(0, 0);
  let to = encodeHead(target, at, CommandType.setMany, buffer, 0, 0, length);
  for (let i = 1; i < request.count; i += 2) {
    const keyEnd = endOf(request, i);
    const valueStart = startOf(request, i + 1);
    to = encodePair(
      target,
      to,
      buffer,
      startOf(request, i),
      keyEnd,
      valueStart,
      endOf(request, i + 1),
    );
  }
  return to;
};

export const encodeGet: Encoder = ({ request }, target, at) =>
  encodeKeyQuery(QueryType.get, request, target, at);

export const encodeValueLength: Encoder = ({ request }, target, at) =>
  encodeKeyQuery(QueryType.valueLength, request, target, at);

function encodeKeyQuery(type: QueryType, request: Request, target: Buffer, at: number): number {
  return encodeQuery(target, at, type, request.buffer, startOf(request, 1), endOf(request, 1));
}

export const encodeGetMany: Encoder = ({ request }, target, at) => {
  const from = encodeQuery(target, at, QueryType.getMany, request.buffer, 0, 0);
  return encodeKeys(request, target, from);
};

/** Every argument but the name, as keys one after the other. */
export function encodeKeys(request: Request, target: Buffer, from: number): number {
  let to = from;
  for (let i = 1; i < request.count; i += 1) {
    to = encodeKey(target, to, request.buffer, startOf(request, i), endOf(request, i));
  }
  return to;
}

/** Bytes that `encodeKeys` writes. */
export function keysBytes(request: Request): number {
  let bytes = 0;
  for (let i = 1; i < request.count; i += 1) bytes += KEY_HEADER_BYTES + lengthOf(request, i);
  return bytes;
}
