/**
 * The rows of `ringraft cluster …`, for the command table. Data only: what a command does is loaded
 * when it is called.
 */

import { type Command, command, commandGroup } from '../cli/command.js';
import { snapshotRemedies } from '../server/snapshot-flags.js';
import {
  dataOptions,
  logsOptions,
  startOptions,
  statusOptions,
  stopOptions,
  waitOptions,
} from './cluster-options.js';
import { NODES_MAX } from './cluster-state.js';

const COUNT = { usage: 'N', min: 0, max: 1 } as const;
const NODES = { usage: 'NODE…', min: 1, max: NODES_MAX } as const;
const MAYBE_NODES = { usage: 'NODE…', min: 0, max: NODES_MAX } as const;

const NAMING = 'NODE is an id, or leader, follower or all.';

const SHAPE =
  `N nodes, 1 to ${NODES_MAX}; left out: as many as the directory has, or 3. ` +
  'Only nodes that do not run already are started. What is given for every node holds for ' +
  '"ringraft cluster restart" too, until the next start. RINGRAFT_BINARY names another program ' +
  'to run as the nodes.';

export const clusterCommands: Command = commandGroup(
  'cluster',
  'Run a cluster on this machine, each node a process of its own',
  [
    command({
      name: 'start',
      summary: 'Start N nodes in the background and return when all of them serve',
      details: [SHAPE],
      options: startOptions,
      remedies: snapshotRemedies,
      positionals: COUNT,
      examples: [
        'ringraft cluster start 3',
        'ringraft cluster start 5 --data /tmp/five --base-port 7001 --timing low-latency',
      ],
      load: () => import('./start-command.js'),
    }),
    command({
      name: 'run',
      summary: 'Run N nodes in the foreground, telling what happens to them, until Ctrl-C',
      details: [SHAPE, 'Ctrl-C stops the nodes gracefully, a second one kills them.'],
      options: startOptions,
      remedies: snapshotRemedies,
      positionals: COUNT,
      examples: ['ringraft cluster run 3', 'ringraft cluster run 5 --base-port 6001'],
      load: () => import('./run-command.js'),
    }),
    command({
      name: 'status',
      summary: 'Show role, term, leader, indexes and state of every node',
      details: ['Exits with 3 when no node leads.'],
      options: statusOptions,
      examples: ['ringraft cluster status', 'ringraft cluster status --json'],
      load: () => import('./status-command.js'),
    }),
    command({
      name: 'stop',
      summary: 'Stop all nodes gracefully; the data stays',
      options: stopOptions,
      examples: ['ringraft cluster stop', 'ringraft cluster stop --data /tmp/five'],
      load: () => import('./stop-command.js'),
    }),
    command({
      name: 'kill',
      summary: 'Kill nodes with -9, as a crash would',
      details: [NAMING],
      options: dataOptions,
      positionals: NODES,
      examples: ['ringraft cluster kill 2', 'ringraft cluster kill leader'],
      load: async () => (await import('./signal-commands.js')).kill,
    }),
    command({
      name: 'pause',
      summary: 'Stop the processes of nodes in their tracks, as a frozen machine would',
      details: [NAMING],
      options: dataOptions,
      positionals: NODES,
      examples: ['ringraft cluster pause leader', 'ringraft cluster pause 3'],
      load: async () => (await import('./signal-commands.js')).pause,
    }),
    command({
      name: 'resume',
      summary: 'Let paused nodes go on',
      details: [NAMING],
      options: dataOptions,
      positionals: NODES,
      examples: ['ringraft cluster resume 3'],
      load: async () => (await import('./signal-commands.js')).resume,
    }),
    command({
      name: 'restart',
      summary: 'Start nodes again, stopping them first if they run, one after the other',
      details: [NAMING],
      options: waitOptions,
      positionals: NODES,
      examples: ['ringraft cluster restart 2', 'ringraft cluster restart all'],
      load: () => import('./restart-command.js'),
    }),
    command({
      name: 'logs',
      summary: 'Print the end of the nodes’ logs',
      details: [`${NAMING} Left out: all.`],
      options: logsOptions,
      positionals: MAYBE_NODES,
      examples: [
        'ringraft cluster logs 1',
        'ringraft cluster logs -f',
        'ringraft cluster logs 2 -n 100',
      ],
      load: () => import('./logs-command.js'),
    }),
  ],
  ['ringraft cluster start 3', 'ringraft cluster kill leader', 'ringraft cluster status'],
);
