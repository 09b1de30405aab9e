/**
 * The flags that say when a node takes snapshots, what they are like and how long its log may be:
 * one table, which `ringraft server` reads and the cluster commands hand on.
 *
 * Names, bounds and defaults only: it must import no code of the server.
 */

import { REMEDIES } from '../../engine/config-names.js';
import {
  SNAPSHOT_DEFAULTS as DEFAULTS,
  SNAPSHOT_RULES,
  type SnapshotSettings,
} from '../../engine/snapshot-settings.js';
import { type OptionValues, optional, value } from '../cli/command.js';
import { bytes, duration, integer, oneOf } from '../cli/value-rules.js';

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;
const DAY_MS = 24 * 3_600_000;

export const snapshotFlags = {
  'snapshot-threshold': value(
    integer(1, Number.MAX_SAFE_INTEGER, 100_000),
    DEFAULTS.threshold,
    'entries since the last snapshot that make the next one due',
  ),
  'snapshot-log-bytes': value(
    bytes(1, Number.MAX_SAFE_INTEGER, '64m'),
    DEFAULTS.logBytes,
    'bytes of entries since the last snapshot that make the next one due',
  ),
  'snapshot-interval': value(
    duration(0, 365 * DAY_MS, '1h'),
    DEFAULTS.interval,
    'time after which a snapshot is due if anything was written; 0: never by time',
  ),
  'snapshot-min-interval': value(
    duration(0, DAY_MS, '60s'),
    DEFAULTS.minInterval,
    'time between two snapshots at least; a log that grows too long, and SNAPSHOT, override it',
  ),
  'snapshot-max-size': value(
    bytes(0, Number.MAX_SAFE_INTEGER, '100m'),
    DEFAULTS.maxSize,
    'bytes of an image; a larger one is warned of, and taken all the same; 0: none is',
  ),
  'snapshot-retain': value(
    integer(1, 100, 2),
    DEFAULTS.retain,
    'complete snapshots kept; with two a damaged one falls back to the one before',
  ),
  'snapshot-trailing': value(
    integer(0, Number.MAX_SAFE_INTEGER, 5000),
    DEFAULTS.trailingEntries,
    'entries kept in the log behind the newest snapshot, for nodes that lag a little',
  ),
  'snapshot-chunk': value(
    bytes(64 * KIB, 4 * MIB, '1m', SNAPSHOT_RULES.chunkSize.multipleOf),
    DEFAULTS.chunkSize,
    'bytes of the image per chunk of a file, a multiple of 4k; beyond 1m alike on every node',
  ),
  'snapshot-compression': value(
    oneOf(['on', 'off']),
    'on',
    'pack chunks by LZ4 where that saves an eighth, or store them as they are',
  ),
  'snapshot-rate': value(
    bytes(0, Number.MAX_SAFE_INTEGER, '50m'),
    DEFAULTS.transferRate,
    'bytes per second of snapshots sent to all nodes that fetch one; 0: no limit',
  ),
} as const;

export const maxLogFlag = optional(
  bytes(256 * MIB, 16 * KIB * GIB, '4g'),
  'bytes of the whole log: from half of it on snapshots are asked for, at all of it new writes ' +
    'are refused as busy; what is under way and files for later use come on top; default 1g',
);

const ONE_LEVEL = REMEDIES.compressionLevel as string;
const ON_OFF = 'give --snapshot-compression on or off';
const MAX_LOG = 'give --max-log, the size of the whole log';

/** Names that are no flag, and what does their work or why nothing does. */
export const snapshotRemedies: Readonly<Record<string, string>> = {
  'snapshot-compression-level': ONE_LEVEL,
  'compression-level': ONE_LEVEL,
  compression: ON_OFF,
  'compression-enabled': ON_OFF,
  'max-log-size': MAX_LOG,
  'max-log-bytes': MAX_LOG,
};

/** The engine's settings from the flags of a command line. */
export function snapshotSettings(options: OptionValues<typeof snapshotFlags>): SnapshotSettings {
  const maxSize = options['snapshot-max-size'];
  return {
    threshold: options['snapshot-threshold'],
    logBytes: options['snapshot-log-bytes'],
    interval: options['snapshot-interval'],
    minInterval: options['snapshot-min-interval'],
    ...(maxSize === 0 ? {} : { maxSize }),
    retain: options['snapshot-retain'],
    trailingEntries: options['snapshot-trailing'],
    chunkSize: options['snapshot-chunk'],
    compression: options['snapshot-compression'] === 'on',
    transferRate: options['snapshot-rate'],
  };
}
