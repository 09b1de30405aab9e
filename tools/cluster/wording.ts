/**
 * What the `cluster` commands say: instructions after a start, and how a command is called here.
 *
 * Every command line that is printed must work when it is pasted into the shell it was printed in.
 */

import { basename, relative } from 'node:path';
import { leaderOf, type NodeView } from './node-view.js';

export const DEFAULT_DATA = './data';

/** How the user called us: `ringraft`, `npx ringraft` or `node dist/tools/ringraft.js`. */
export function commandName(
  script = process.argv[1] ?? '',
  env: NodeJS.ProcessEnv = process.env,
): string {
  if (env.npm_command === 'exec') return 'npx ringraft';
  if (basename(script) === 'ringraft') return 'ringraft';
  const path = relative(process.cwd(), script);
  return `node ${path.startsWith('..') ? script : path}`;
}

/** `… cluster kill 2 --data DIR`; the directory only when it is not the default. */
export function clusterCommand(rest: string, dataDir: string): string {
  const data = dataDir === DEFAULT_DATA ? '' : ` --data ${quoted(dataDir)}`;
  return `${commandName()} cluster ${rest}${data}`;
}

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

/** `node 1`, `nodes 1 and 2`, `nodes 1, 2 and 3`. */
export function nodeList(ids: readonly number[]): string {
  if (ids.length === 1) return `node ${ids[0]}`;
  return `nodes ${ids.slice(0, -1).join(', ')} and ${ids.at(-1)}`;
}

/** One line per node for redis-cli, then something to try. */
export function howToTalk(views: readonly NodeView[]): string[] {
  const leader = leaderOf(views);
  const ports = views.map(({ id, client }) => ({ id, port: client.split(':').at(-1) ?? '' }));
  const lines = ports.map(({ id, port }) => {
    const role = id === leader?.id ? ', the leader' : '';
    return `  redis-cli -p ${port}                      node ${id}${role}`;
  });
  const first = ports[0]?.port ?? '';
  const last = ports.at(-1)?.port ?? '';
  return [
    'Talk to any node, with redis-cli or any other Redis client:',
    ...lines,
    `  redis-cli -p ${first} set greeting hello   written on one node …`,
    `  redis-cli -p ${last} get greeting         … and read on another`,
  ];
}

export function howToManage(dataDir: string, withStop: boolean): string[] {
  const rows: (readonly [string, string])[] = [
    ['status', 'who leads, how far everyone is'],
    ['kill leader', 'kill -9 the leader; the others go on'],
    ['restart 2', 'start a node again'],
    ['logs 1 -f', 'what a node prints'],
    ...(withStop ? ([['stop', 'stop all nodes; the data stays']] as const) : []),
  ];
  const commands = rows.map(([rest]) => clusterCommand(rest, dataDir));
  const width = Math.max(...commands.map(({ length }) => length));
  return [
    'Manage it:',
    ...rows.map(([, help], at) => `  ${commands[at]?.padEnd(width)}   ${help}`),
  ];
}
