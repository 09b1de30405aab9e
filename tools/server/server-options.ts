/**
 * The options of `ringraft server`, as data: names, bounds and defaults in one place. The first
 * five are those of the kraft demo, and mean the same.
 *
 * The command table reads this to print a help page, so it must import no code of the server.
 */

import type { ReadTermsGiven } from '../../engine/config-reads.js';
import { LIMITS as ENGINE_LIMITS } from '../../engine/limits.js';
import { flag, optional, required, value } from '../cli/command.js';
import {
  address,
  bytes,
  duration,
  durationInUnits,
  integer,
  oneOf,
  text,
} from '../cli/value-rules.js';
import { DEFAULT_CLIENT_LIMITS as LIMITS } from './client-limits.js';
import { clientAddress, joinAddresses, members } from './cluster-list.js';
import { readMode } from './read-mode.js';
import { maxLogFlag, snapshotFlags } from './snapshot-flags.js';

const KIB = 1024;
const MIB = 1024 * KIB;
const TIME_MS_MAX = 600_000;
const DAY_MS = 24 * 3_600_000;

export const serverOptions = {
  listen: required(address('127.0.0.1:5001'), 'where this node listens for its peers'),
  node: required(integer(1, 0xffff_ffff), 'id of this node, from 1'),
  data: optional(
    text('PATH', 'a directory, made when it is missing', './data/1'),
    'data directory; without it everything is kept in memory and forgotten at the end',
  ),
  cluster: optional(
    members('127.0.0.1:5001,127.0.0.1:5002,127.0.0.1:5003'),
    'addresses of all members, this one included: ids are positions from 1, or ID=HOST:PORT; ' +
      'once --data has members on record those count, and this gives addresses only',
  ),
  join: optional(
    joinAddresses('127.0.0.1:5001'),
    'instead of --cluster: addresses of members of a cluster to come into; the node waits until ' +
      'the cluster adds it',
  ),
  client: optional(clientAddress('5101'), 'open a port for clients: RESP and inline commands'),
  advertise: optional(
    address('node1.internal:5001'),
    'address that this node puts on record for itself when it leads first; peers dial their own ' +
      '--cluster entry for it, else the one on record; default its entry in --cluster, or --listen',
  ),
  'cluster-id': optional(
    integer(1, Number.MAX_SAFE_INTEGER),
    'keeps clusters apart that share a network; default 1, with --join that of the joined cluster',
  ),
  sync: value(
    oneOf(['always', 'batch', 'none']),
    'always',
    'when entries are synced to disk: before they are acknowledged, every --sync-interval, never',
  ),
  'sync-interval': value(duration(1, 60_000, '10ms'), 10, 'time between syncs of --sync batch'),
  'wal-dir': optional(
    text('PATH', 'a directory', './wal/1'),
    'another directory for the log, such as one on a faster disk',
  ),
  'max-log': maxLogFlag,
  ...snapshotFlags,
  reads: value<ReadTermsGiven>(
    readMode,
    { consistency: 'linearizable' },
    'what a read sees unless a GET says otherwise: every write acknowledged before it, by a ' +
      "quorum round or by the leader's lease; every one acknowledged MS before; what is here",
  ),
  replication: value(
    oneOf(['quorum', 'all']),
    'quorum',
    'when a write is answered: once a majority has it, or once every voter has executed it; then ' +
      'it is served by the leader only, and an error names who is missing after --timeout',
  ),
  'lease-reads': value(
    oneOf(['off', 'on']),
    'off',
    'serve reads by lease, as --reads lease does; the same on every node. They are stale where ' +
      'clocks differ in rate by more than --lease-drift, or a machine is suspended unseen',
  ),
  'lease-drift': value(
    integer(1, 50, 10),
    10,
    'percent by which the clocks of two nodes may differ in rate',
  ),
  'on-follower': value(
    oneOf(['auto', 'redirect', 'forward']),
    'auto',
    'writes on a node that does not lead: answer REDIRECT, forward them, or by their framing ' +
      '(inline redirected, arrays and commands at the terminal forwarded)',
  ),
  timing: value(
    oneOf(['low-latency', 'standard', 'wide-area']),
    'standard',
    'heartbeat and election timeout: 10 and 50–100, 50 and 150–300, 100 and 500–1000 ms',
  ),
  heartbeat: optional(
    durationInUnits(1, TIME_MS_MAX, '50ms'),
    'heartbeat interval with its unit, such as 50ms; overrides --timing',
  ),
  'election-min': optional(
    durationInUnits(1, TIME_MS_MAX, '150ms'),
    'least election timeout, such as 150ms, at least 3 × --heartbeat; overrides --timing',
  ),
  'election-max': optional(
    durationInUnits(1, TIME_MS_MAX, '300ms'),
    'largest election timeout, such as 300ms, at most 2 × --election-min; overrides --timing',
  ),
  timeout: value(
    duration(10, TIME_MS_MAX, '5s'),
    LIMITS.timeoutMs,
    'how long a command may take before it is answered by an error',
  ),
  'max-clients': value(integer(1, 100_000, 1024), LIMITS.connectionsMax, 'client connections'),
  'max-inline': value(
    bytes(64, 16 * MIB, '64k'),
    LIMITS.inlineBytesMax,
    'bytes of an inline command',
  ),
  'max-arguments': value(
    integer(8, MIB, 1024),
    LIMITS.argumentsMax,
    'arguments of one client request',
  ),
  'max-entry': value(
    bytes(ENGINE_LIMITS.entryBytesMaxDefault, ENGINE_LIMITS.entryBytesMaxMax, '2m'),
    ENGINE_LIMITS.entryBytesMaxDefault,
    'bytes of one command in the log; the same on every node, and only ever raised',
  ),
  'max-bulk': optional(
    bytes(KIB, ENGINE_LIMITS.entryBytesMaxMax, '1m'),
    'bytes of one argument; default twice --max-entry, so that what is a little too large for ' +
      'the log gets an answer',
  ),
  'max-request': optional(
    bytes(KIB, 128 * MIB, '4m'),
    'bytes of one client request; default twice --max-bulk',
  ),
  'max-pipeline': value(
    integer(1, MIB, 1024),
    LIMITS.backlogMax,
    'requests of one connection that await a reply; beyond it the socket is not read',
  ),
  'max-output': value(
    bytes(KIB, 1024 * MIB, '8m'),
    LIMITS.outputBytesMax,
    'reply bytes a client has not taken; beyond it its requests are not read',
  ),
  'max-answer': optional(
    bytes(KIB, 64 * MIB, '32m'),
    'bytes of one answer of KEYS, MGET and the like; default 32m, or what --max-output and ' +
      '--max-buffers allow',
  ),
  'max-buffers': value(
    bytes(MIB, 64 * KIB * MIB, '256m'),
    LIMITS.budgetBytes,
    'bytes that all clients together may hold of unfinished requests and untaken replies; ' +
      'beyond it whoever holds most is ended',
  ),
  'unread-timeout': value(
    duration(100, DAY_MS, '60s'),
    LIMITS.unreadMs,
    'close a client that takes nothing of a full output for this long',
  ),
  'idle-timeout': value(
    duration(0, DAY_MS, '10m'),
    LIMITS.idleMs,
    'close a client that sends nothing for this long; 0: never',
  ),
  'request-timeout': value(
    duration(0, DAY_MS, '60s'),
    LIMITS.partialMs,
    'close a client that does not end a request it began; 0: never',
  ),
  'no-repl': flag('read no commands from the terminal'),
} as const;
