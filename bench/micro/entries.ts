/**
 * Log entries as the server makes them: SET commands with keys of 12 bytes, one after the other in
 * entry layout. What every task below the client port works on.
 */

import { EntryKind, entryBytes, writeEntryHeader } from '../../codec/entry.js';
import { CommandType, commandBytes, encodeCommand } from '../../engine/machines/kv/commands.js';

const KEY_BYTES = 12;

export interface Slab {
  readonly buffer: Buffer;
  readonly view: DataView;
  readonly count: number;
}

/** `count` entries with keys spread over `keys`, beginning with key number `firstKey`. */
export function slabOfSets(count: number, valueBytes: number, keys: number, firstKey = 0): Slab {
  const payload = commandBytes(KEY_BYTES, valueBytes);
  const buffer = Buffer.alloc(count * entryBytes(payload));
  const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
  const source = Buffer.alloc(KEY_BYTES + valueBytes, 'v');
  for (let i = 0; i < count; i += 1) {
    const key = ((firstKey + i) * 7919) % keys;
    source.write(`key:${String(key).padStart(KEY_BYTES - 4, '0')}`, 0, 'latin1');
    const at = i * entryBytes(payload);
    const payloadAt = writeEntryHeader(view, at, EntryKind.command, payload, 0);
    encodeCommand(
      ...([buffer, payloadAt, CommandType.set] as const),
      ...([source, 0, KEY_BYTES, KEY_BYTES, source.length] as const),
    );
  }
  return { buffer, view, count };
}
