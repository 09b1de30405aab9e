/**
 * Commands about this server: STATUS, INFO, CONFIG, SNAPSHOT.
 *
 * STATUS has the seed's ten fields in the seed's order, and after them what an acknowledgement
 * means, how far snapshots are, and whether this replica votes and counts. INFO over RESP carries
 * the same fields among those that Redis tools look for; sent inline it is the seed's alias for
 * STATUS.
 */

import { Glob } from '../../../engine/machines/kv/glob.js';
import type { LearnerProgress } from '../../../engine/status.js';
import { shownTextOf } from './arguments.js';
import { type Asker, refusalOf } from './asked.js';
import { type CommandSpec, many, NO_KEYS, optional, string } from './command-spec.js';
import { REDIS_VERSION } from './connection-commands.js';
import type { Plan } from './plan.js';
import type { LogView, ServerView } from './server-view.js';
import { type Subcommand, subcommandHandler } from './subcommands.js';
import { witnessFields } from './witness-commands.js';

/** The seed's STATUS: field and value, in the seed's order; what is ours comes behind. */
export function statusFields(server: ServerView): readonly (readonly [string, string | number])[] {
  const status = server.status();
  return [
    ['node_id', server.nodeId],
    ['cluster_id', server.clusterId],
    ['role', status.role],
    ['term', status.term],
    ['leader_id', status.leaderId],
    ['commit_index', status.commitIndex],
    ['last_applied', status.lastApplied],
    ['is_leader', status.role === 'leader' ? 1 : 0],
    ['kv_keys', status.kvKeys],
    ['kv_memory', status.kvMemoryBytes],
    ['durability', server.durability],
    ['snapshots_taken', status.snapshots.taken],
    ['snapshots_failed', status.snapshots.failed],
    ['snapshots_restored', status.snapshots.restored],
    ['snapshots_installed', status.snapshots.installed],
    ['snapshot_index', status.snapshots.index],
    ['compacted_index', status.compactedIndex],
    ['standing', status.standing],
    ...status.learners.map((learner) => [`learner_${learner.id}`, learnerFields(learner)] as const),
    ...witnessFields(status),
  ];
}

/** Without `left_ms` it does not come nearer, or nobody knows yet. */
function learnerFields({ match, lag, state, leftMs }: LearnerProgress): string {
  const left = leftMs === null ? '' : `,left_ms=${leftMs}`;
  return `match=${match},lag=${lag},state=${state}${left}`;
}

function statusText(server: ServerView): string {
  return statusFields(server)
    .map(([name, value]) => `${name}:${value}`)
    .join('\n');
}

function logFields(log: LogView): readonly (readonly [string, number])[] {
  return [
    ['wal_blocks', log.blocks],
    ['wal_requests', log.requests],
    ['wal_bytes', log.bytesWritten],
    ['wal_syncs', log.syncs],
    ['wal_commit_p50_us', log.commitP50Us],
    ['wal_commit_p99_us', log.commitP99Us],
    ['wal_segments', log.segments],
    ['wal_segment_bytes', log.logBytes],
    ['wal_bytes_max', log.bytesMax],
  ];
}

/** Redis ends INFO's lines with CR LF, and clients split there. */
function infoText(server: ServerView): string {
  const status = server.status();
  const sessions = [...server.sessions()].length;
  const uptimeSeconds = Math.max(0, Math.floor((server.nowMs() - server.startedAtMs) / 1000));
  const fields: readonly (readonly [string, string | number])[] = [
    ['redis_version', REDIS_VERSION],
    ['redis_mode', 'standalone'],
    ['ringraft_version', server.version],
    ['uptime_in_seconds', uptimeSeconds],
    ['connected_clients', sessions],
    ['blocked_clients', 0],
    ['used_memory', status.kvMemoryBytes],
    ['loading', 0],
    ['total_connections_received', server.connectionsAccepted],
    ['total_commands_processed', server.commandsProcessed],
    ...statusFields(server),
    ...logFields(status.log),
    ['db0', `keys=${status.kvKeys},expires=0,avg_ttl=0`],
  ];
  return fields.map(([name, value]) => `${name}:${value}\r\n`).join('');
}

function planStatus(plan: Plan): void {
  plan.local(({ server }, reply) => reply.bulkText(statusText(server)));
}

function planInfo(plan: Plan): void {
  if (plan.request.inline) planStatus(plan);
  else plan.local(({ server }, reply) => reply.bulkText(infoText(server)));
}

function planConfigGet(plan: Plan): void {
  plan.local(({ request, server }, reply) => {
    const globs: Glob[] = [];
    for (let i = 2; i < request.count; i += 1) {
      globs.push(new Glob(Buffer.from(shownTextOf(request, i).toLowerCase())));
    }
    const found = [...server.configuration()].filter(([name]) => {
      const bytes = Buffer.from(name);
      return globs.some((glob) => glob.matches(bytes, 0, bytes.length));
    });
    reply.map(found.length);
    for (const [name, value] of found) {
      reply.bulkText(name);
      reply.bulkText(value);
    }
  });
}

const CONFIG: readonly Subcommand[] = [
  {
    name: 'GET',
    arity: -3,
    syntax: 'parameter [parameter ...]',
    summary: 'Answers the settings that match glob patterns',
    handler: planConfigGet,
  },
  ...['SET', 'RESETSTAT', 'REWRITE'].map(
    (name): Subcommand => ({
      name,
      arity: -2,
      syntax: '',
      summary: 'Refused: settings are given at the start',
      handler: (plan) =>
        plan.refuse(`ERR CONFIG ${name} is not supported: settings are given at the start`),
    }),
  ),
];

/** The seed's three fields, one a line, or why there is no snapshot. */
const askSnapshot: Asker = (group) =>
  group.snapshot().then(
    ({ fileBytes, index, term }) =>
      (reply) =>
        reply.bulkText(`size:${fileBytes}\nlast_index:${index}\nlast_term:${term}`),
    (cause) => refusalOf('snapshot', cause),
  );

const server = (
  row: Pick<CommandSpec, 'name' | 'arity' | 'summary' | 'arguments' | 'handler'>,
): CommandSpec => ({ kind: 'local', group: 'server', keys: NO_KEYS, ...row });

export const SERVER_COMMANDS: readonly CommandSpec[] = [
  server({
    name: 'STATUS',
    arity: 1,
    summary: 'Answers role, term, leader and progress of this node',
    arguments: [],
    handler: planStatus,
  }),
  server({
    name: 'INFO',
    arity: -1,
    summary: 'As STATUS, with what Redis tools look for; inline, the same as STATUS',
    arguments: [optional(many(string('section')))],
    handler: planInfo,
  }),
  server({
    name: 'CONFIG',
    arity: -2,
    summary: 'CONFIG GET answers the settings that match',
    arguments: [string('subcommand')],
    handler: subcommandHandler('CONFIG', CONFIG),
  }),
  server({
    name: 'SNAPSHOT',
    arity: 1,
    summary: 'Takes a snapshot of this node now; answers its size, last index and last term',
    arguments: [],
    handler: (plan) => plan.ask(askSnapshot),
  }),
];
