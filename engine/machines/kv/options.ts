/**
 * The options of a key-value machine. All members of a group must be given the same, since limits
 * decide which commands are rejected; the engine's configuration hash is what compares them.
 */

export interface KvOptions {
  /** Largest value in bytes, whether set or appended to. Default 16 MiB. */
  readonly valueBytesMax: number;
  /** Largest answer of KEYS, MGET and the like, in bytes. Default 32 MiB. */
  readonly answerBytesMax: number;
  /**
   * Size of the chunks a snapshot is yielded in. Default 256 KiB. A pull takes about a millisecond
   * whatever this is, and brings an empty chunk when that was not enough to fill one.
   */
  readonly snapshotChunkBytes: number;
  /** Seed of the key hash. A SCAN cursor is good on every node that has the same. Default 0. */
  readonly hashSeed: number;
}

const DEFAULTS: KvOptions = {
  valueBytesMax: 16 * 1024 * 1024,
  answerBytesMax: 32 * 1024 * 1024,
  snapshotChunkBytes: 256 * 1024,
  hashSeed: 0,
};

/** Inclusive bounds by option. A record with header and key must stay below 2^30 bytes. */
const BOUNDS: Record<keyof KvOptions, readonly [number, number]> = {
  valueBytesMax: [1, 512 * 1024 * 1024],
  answerBytesMax: [1024, 1024 * 1024 * 1024],
  snapshotChunkBytes: [16, 64 * 1024 * 1024],
  hashSeed: [0, 0xffff_ffff],
};

/** Fills in defaults; throws one error that names every problem. */
export function kvOptions(given: unknown): KvOptions {
  if (given === undefined || given === null) return DEFAULTS;
  if (typeof given !== 'object') {
    throw new TypeError(`key-value machine options must be an object, not ${typeof given}`);
  }
  const options = { ...DEFAULTS };
  const problems: string[] = [];
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(BOUNDS, name)) {
      problems.push(`unknown option ${name} (there are ${Object.keys(BOUNDS).join(', ')})`);
      continue;
    }
    const [low, high] = BOUNDS[name as keyof KvOptions];
    if (Number.isInteger(value) && value >= low && value <= high) {
      options[name as keyof KvOptions] = value;
    } else {
      problems.push(`${name} must be an integer from ${low} to ${high}, not ${String(value)}`);
    }
  }
  if (problems.length > 0) throw new RangeError(`key-value machine: ${problems.join('; ')}`);
  return options;
}
