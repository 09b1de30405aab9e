/**
 * The options of `ringraft load`, as data: the one place that names them, their bounds and
 * defaults.
 *
 * The command line and `runLoad` share them. This must import no code of the generator: the command
 * table reads it to print a help page.
 */

import { flag, type OptionValues, optional, required, value } from '../cli/command.js';
import { addresses, bytes, duration, integer, text, type ValueRule } from '../cli/value-rules.js';

export const KEYS_MAX = 100_000_000;
export const IN_FLIGHT_MAX = 1_000_000;
const CONNECTIONS_MAX = 10_000;
/** A session remembers 1,024 sequences: nothing without an answer may lie further back. */
export const SESSION_WINDOW_MAX = 512;
const VALUE_BYTES_MAX = 64 * 1024 * 1024;
const RATE_MAX = 100_000_000;
const TIME_MS_MAX = 24 * 3_600_000;

/** The share of reads: `reads:writes` as in `9:1`, or a fraction as in `0.9`. */
export const ratio: ValueRule<number> = {
  placeholder: 'R:W',
  expects: 'reads:writes, such as 9:1, or the share of reads from 0 to 1, such as 0.9',
  example: '9:1',
  parse: (given) => {
    const parts = /^(\d+(?:\.\d+)?):(\d+(?:\.\d+)?)$/.exec(given);
    if (parts === null) {
      const share = /^\d*\.?\d+$/.test(given) ? Number(given) : Number.NaN;
      return share >= 0 && share <= 1 ? share : undefined;
    }
    const reads = Number(parts[1]);
    const all = reads + Number(parts[2]);
    return all > 0 ? reads / all : undefined;
  },
  print: (share) => (share === 0 ? '0:1' : String(share)),
};

export const loadOptions = {
  targets: required(
    addresses('127.0.0.1:5101,127.0.0.1:5102'),
    'client addresses of the nodes; the leader among them is found and followed',
  ),
  connections: value(integer(1, CONNECTIONS_MAX, 4), 4, 'connections to the leader'),
  'in-flight': value(
    integer(1, IN_FLIGHT_MAX, 1024),
    1024,
    'commands awaiting a reply, over all connections together',
  ),
  rate: optional(
    integer(1, RATE_MAX, 20_000),
    'commands per second over all connections, at their times whatever the answers do: latencies ' +
      'count from those times, and --in-flight is what may wait at most; default: as many as go',
  ),
  'value-size': value(bytes(0, VALUE_BYTES_MAX, '256'), 16, 'bytes of each value written'),
  keys: value(
    integer(1, KEYS_MAX, 100_000),
    100_000,
    'how many keys, of 12 bytes each, chosen uniformly',
  ),
  ratio: value(ratio, 0, 'reads to writes; 0:1 writes only'),
  duration: value(duration(1, TIME_MS_MAX, '30s'), 10_000, 'how long to measure'),
  warmup: value(duration(0, TIME_MS_MAX, '5s'), 2000, 'how long to run before measuring'),
  timeout: value(
    duration(10, TIME_MS_MAX, '5s'),
    5000,
    'give up on a reply, and on finding a leader to begin with, after this',
  ),
  fill: flag('write every key once before the warm-up, so that reads find values'),
  spread: flag('connect to all targets in turn instead of to the leader only'),
  sessions: flag(
    'write in a session per connection, and send what got no answer again until it gets one',
  ),
  json: optional(
    text('FILE', 'a file to write, or - for the standard output', 'report.json'),
    'write the report as JSON to FILE, or to the standard output',
    { bare: '-' },
  ),
  quiet: flag('no progress lines'),
} as const;

type CommandLine = OptionValues<typeof loadOptions>;

/** What `runLoad` takes: the command's options without those that say where output goes. */
export interface LoadOptions {
  readonly targets: CommandLine['targets'];
  readonly connections: number;
  readonly inFlight: number;
  /** Commands per second over all connections; 0: as many as `inFlight` lets. */
  readonly rate: number;
  readonly valueSize: number;
  readonly keys: number;
  /** The share of reads, 0 to 1. */
  readonly readShare: number;
  readonly durationMs: number;
  readonly warmupMs: number;
  readonly timeoutMs: number;
  readonly fill: boolean;
  readonly spread: boolean;
  /** Each connection writes in a session, and sends again what got no answer. */
  readonly sessions: boolean;
}

export const LOAD_DEFAULTS: Omit<LoadOptions, 'targets'> = {
  connections: loadOptions.connections.default,
  inFlight: loadOptions['in-flight'].default,
  rate: 0,
  valueSize: loadOptions['value-size'].default,
  keys: loadOptions.keys.default,
  readShare: loadOptions.ratio.default,
  durationMs: loadOptions.duration.default,
  warmupMs: loadOptions.warmup.default,
  timeoutMs: loadOptions.timeout.default,
  fill: false,
  spread: false,
  sessions: false,
};

export function fromCommandLine(given: CommandLine): LoadOptions {
  return {
    targets: given.targets,
    connections: given.connections,
    inFlight: given['in-flight'],
    rate: given.rate ?? 0,
    valueSize: given['value-size'],
    keys: given.keys,
    readShare: given.ratio,
    durationMs: given.duration,
    warmupMs: given.warmup,
    timeoutMs: given.timeout,
    fill: given.fill,
    spread: given.spread,
    sessions: given.sessions,
  };
}
