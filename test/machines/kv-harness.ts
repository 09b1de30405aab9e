/**
 * Drives a key-value machine by hand: commands as a batch, queries, results in readable form.
 *
 * `keyValue` is a machine; `Model` is the same promised behaviour over a plain Map, to compare
 * with. Bytes are written as latin1 strings, so that any byte can be a character.
 */

import { addInt64, type Int64, parseInt64, readInt64 } from '../../codec/int64.js';
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
  PAIR_HEADER_BYTES,
  SET_FLAGS_BYTES,
} from '../../engine/machines/kv/commands.js';
import createKvMachine, { type KvMachine } from '../../engine/machines/kv/kv-machine.js';
import {
  encodeQuery,
  encodeScan,
  QueryType,
  SCAN_OFFSET_PATTERN,
} from '../../engine/machines/kv/queries.js';
import {
  ARRAY_OFFSET_ITEMS,
  ITEM_NIL,
  ResultStatus,
  SCAN_RESULT_OFFSET_CURSOR,
  SCAN_RESULT_OFFSET_ITEMS,
} from '../../engine/machines/kv/results.js';
import type { ApplyBatch } from '../../engine/state-machine.js';

export type Result =
  | 'OK'
  | null
  | Int64
  | { readonly value: string }
  | { readonly items: readonly (string | null)[]; readonly cursor?: number }
  | { readonly error: string };

export function keyValue(options?: unknown): KvMachine {
  return createKvMachine({ groupName: 'kv', groupId: 1, nodeId: 1, options });
}

/** Gives the machine an image, cut as it comes. */
export function restore(machine: KvMachine, chunks: Iterable<Uint8Array>): void {
  const restoration = machine.restore();
  for (const chunk of chunks) restoration.chunk(chunk);
  restoration.finish();
}

const bytesOf = (text: string) => Buffer.from(text, 'latin1');

function command(type: CommandType, key: string, value: string): Buffer {
  const source = bytesOf(key + value);
  const target = Buffer.alloc(commandBytes(key.length, value.length));
  encodeCommand(target, 0, type, source, 0, key.length, key.length, source.length);
  return target;
}

/** Encoded commands. */
export const set = (key: string, value: string) => command(CommandType.set, key, value);
export const del = (key: string) => command(CommandType.delete, key, '');
export const append = (key: string, value: string) => command(CommandType.append, key, value);
export const getDelete = (key: string) => command(CommandType.getDelete, key, '');
export const clear = () => command(CommandType.clear, '', '');

export function increment(key: string, amount: Int64): Buffer {
  const target = Buffer.alloc(commandBytes(key.length, 8));
  encodeIncrement(target, 0, bytesOf(key), 0, key.length, amount);
  return target;
}

export function setConditional(key: string, value: string, flags: number): Buffer {
  const source = bytesOf(key + value);
  const target = Buffer.alloc(commandBytes(key.length, SET_FLAGS_BYTES + value.length));
  const { length } = key;
  encodeSetConditional(target, 0, source, 0, length, length, source.length, flags);
  return target;
}

export function setMany(pairs: readonly (readonly [string, string])[]): Buffer {
  let length = 0;
  for (const [key, value] of pairs) length += PAIR_HEADER_BYTES + key.length + value.length;
  const target = Buffer.alloc(commandBytes(0, length));
  let at = encodeHead(target, 0, CommandType.setMany, target, 0, 0, length);
  for (const [key, value] of pairs) {
    const source = bytesOf(key + value);
    at = encodePair(target, at, source, 0, key.length, key.length, source.length);
  }
  return target;
}

export function deleteMany(keys: readonly string[]): Buffer {
  const length = keys.reduce((sum, key) => sum + KEY_HEADER_BYTES + key.length, 0);
  const target = Buffer.alloc(commandBytes(0, length));
  let at = encodeHead(target, 0, CommandType.deleteMany, target, 0, 0, length);
  for (const key of keys) at = encodeKey(target, at, bytesOf(key), 0, key.length);
  return target;
}

/** Commands one after the other in one buffer, as the arena holds them. */
class Batch implements ApplyBatch {
  readonly buffer: Buffer;
  readonly results: Result[] = [];
  readonly term = 1;
  readonly timeMs = 0;
  readonly context = { groupName: 'kv', groupId: 0, nodeId: 1, options: null };
  readonly wanted: boolean;
  index = 0;
  start = 0;
  end = 0;
  readonly #commands: readonly Buffer[];

  constructor(commands: readonly Buffer[], wanted: boolean) {
    this.buffer = Buffer.concat(commands);
    this.#commands = commands;
    this.wanted = wanted;
  }

  get data(): Uint8Array {
    return this.buffer.subarray(this.start, this.end);
  }

  next(): boolean {
    if (this.index === this.#commands.length) return false;
    this.start = this.end;
    this.end = this.start + this.#commands[this.index]!.length;
    this.index += 1;
    return true;
  }

  reply(bytes: Uint8Array): void {
    this.results.push(readable(bytes));
  }

  reject(reason: Uint8Array | string): void {
    this.results.push({ error: Buffer.from(reason as string).toString() });
  }
}

/** Applies commands and returns their results. */
export function apply(machine: Pick<KvMachine, 'apply'>, ...commands: Buffer[]): Result[] {
  const batch = new Batch(commands, true);
  machine.apply(batch);
  return batch.results;
}

/** Applies commands that nobody waits for. */
export function applyUnwanted(machine: KvMachine, ...commands: Buffer[]): Result[] {
  const batch = new Batch(commands, false);
  machine.apply(batch);
  return batch.results;
}

export function query(machine: KvMachine, type: QueryType, body = ''): Result {
  const target = Buffer.alloc(1 + body.length);
  encodeQuery(target, 0, type, bytesOf(body), 0, body.length);
  return readable(machine.query(target));
}

export const get = (machine: KvMachine, key: string) => query(machine, QueryType.get, key);

export function queryMany(machine: KvMachine, type: QueryType, keys: readonly string[]): Result {
  const parts = keys.map((key) => {
    const target = Buffer.alloc(KEY_HEADER_BYTES + key.length);
    encodeKey(target, 0, bytesOf(key), 0, key.length);
    return target;
  });
  return query(machine, type, Buffer.concat(parts).toString('latin1'));
}

export interface ScanStep {
  readonly cursor: number;
  readonly keys: readonly string[];
}

export function scan(machine: KvMachine, cursor: number, count: number, pattern = '*'): ScanStep {
  const target = Buffer.alloc(SCAN_OFFSET_PATTERN + pattern.length);
  encodeScan(target, 0, cursor, count, bytesOf(pattern), 0, pattern.length);
  const answer = readable(machine.query(target));
  if (answer === null || typeof answer !== 'object' || !('items' in answer)) {
    throw new Error(`not a scan's answer: ${JSON.stringify(answer)}`);
  }
  return { cursor: answer.cursor ?? 0, keys: answer.items.map(String) };
}

function readItems(bytes: Buffer, from: number): (string | null)[] {
  const items: (string | null)[] = [];
  for (let at = from; at < bytes.length; ) {
    const length = bytes.readUInt32LE(at);
    at += 4;
    items.push(length === ITEM_NIL ? null : bytes.toString('latin1', at, at + length));
    if (length !== ITEM_NIL) at += length;
  }
  if (items.length !== bytes.readUInt32LE(from - 4)) throw new Error('wrong count of items');
  return items;
}

function readable(result: Uint8Array): Result {
  const bytes = Buffer.from(result);
  switch (bytes[0]) {
    case ResultStatus.ok:
      return 'OK';
    case ResultStatus.nil:
      return null;
    case ResultStatus.integer:
      return readInt64(bytes, 1);
    case ResultStatus.value:
      return { value: bytes.toString('latin1', 1) };
    case ResultStatus.array:
      return { items: readItems(bytes, ARRAY_OFFSET_ITEMS) };
    case ResultStatus.scan: {
      const cursor = bytes.readUInt32LE(SCAN_RESULT_OFFSET_CURSOR);
      return { cursor, items: readItems(bytes, SCAN_RESULT_OFFSET_ITEMS) };
    }
    default:
      return { error: bytes.toString('utf8', 1) };
  }
}

/** What the machine holds, read through its queries. */
export function contents(machine: KvMachine): Map<string, string> {
  const all = query(machine, QueryType.keys, '*');
  const keys = all !== null && typeof all === 'object' && 'items' in all ? all.items : [];
  const entries = keys.map((key): [string, string] => {
    const found = get(machine, String(key));
    return [
      String(key),
      found !== null && typeof found === 'object' && 'value' in found ? found.value : '?',
    ];
  });
  return new Map(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

export const sorted = (map: ReadonlyMap<string, string>) =>
  new Map([...map].sort(([a], [b]) => (a < b ? -1 : 1)));

/** The counter's new value, or the error. */
export function modelIncrement(map: Map<string, string>, key: string, amount: Int64): Result {
  const text = Buffer.from(map.get(key) ?? '0', 'latin1');
  const before = parseInt64(text, 0, text.length);
  if (before === null) return { error: 'value is not an integer or out of range' };
  const sum = addInt64(before, amount);
  if (sum === null) return { error: 'increment or decrement would overflow' };
  map.set(key, String(sum));
  return sum;
}
