/**
 * What all records in a block's body share: padding to 8 bytes, the configuration that ends a
 * record's head, and a cursor that never reads past the body.
 *
 *   configuration   ┌───────────┬────────────┬─────┬───────────────────────┐
 *                   │ index u64 │ length u32 │ 0   │ bytes, zeros to 8     │
 *                   └───────────┴────────────┴─────┴───────────────────────┘
 *
 * This file must never know which record it is in.
 */

import { readU64, writeU64 } from '../../codec/u64.js';

const OFFSET_INDEX = 0;
const OFFSET_LENGTH = OFFSET_INDEX + 8;
const OFFSET_RESERVED = OFFSET_LENGTH + 4;
export const CONFIGURATION_HEAD_BYTES = OFFSET_RESERVED + 4;

/** A configuration as the log keeps it: opaque bytes under the index that made it. */
export interface WalConfiguration {
  readonly index: number;
  readonly bytes: Uint8Array;
}

const NO_CONFIGURATION: WalConfiguration = { index: 0, bytes: new Uint8Array(0) };

export function padded(bytes: number): number {
  return Math.ceil(bytes / 8) * 8;
}

/** Writes head and bytes of a configuration (null: an empty one) and returns where it ends. */
export function writeConfiguration(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  configuration: WalConfiguration | null,
): number {
  const length = configuration?.bytes.length ?? 0;
  const start = at + CONFIGURATION_HEAD_BYTES;
  writeU64(view, at + OFFSET_INDEX, configuration?.index ?? 0);
  view.setUint32(at + OFFSET_LENGTH, length, true);
  view.setUint32(at + OFFSET_RESERVED, 0, true);
  if (configuration !== null) bytes.set(configuration.bytes, start);
  bytes.fill(0, start + length, start + padded(length));
  return start + padded(length);
}

/** Reads bounded values; every overrun is one answer, `false`, and the caller names the place. */
export class RecordCursor {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #end: number;
  at: number;

  constructor(bytes: Uint8Array, view: DataView, start: number, end: number) {
    this.#bytes = bytes;
    this.#view = view;
    this.#end = end;
    this.at = start;
  }

  has(length: number): boolean {
    return length <= this.#end - this.at;
  }

  u32(offset: number): number {
    return this.#view.getUint32(this.at + offset, true);
  }

  u64(offset: number): number {
    return readU64(this.#view, this.at + offset);
  }

  /** Steps over a configuration and returns a copy of it; null when it does not fit. */
  configuration(): WalConfiguration | null {
    if (!this.has(CONFIGURATION_HEAD_BYTES)) return null;
    const index = this.u64(OFFSET_INDEX);
    const length = this.u32(OFFSET_LENGTH);
    this.at += CONFIGURATION_HEAD_BYTES;
    // Most requests carry none: nothing is allocated for them.
    if (length === 0 && index === 0) return NO_CONFIGURATION;
    if (!this.has(padded(length))) return null;
    const bytes = this.#bytes.slice(this.at, this.at + length);
    this.at += padded(length);
    return { index, bytes };
  }
}
