/**
 * The rows of `ringraft cluster …`, for the command table. Data only: what a command does is loaded
 * when it is called.
 */

import { type Command, command, commandGroup } from '../cli/command.js';
import { snapshotRemedies } from '../server/snapshot-flags.js';
import {
  addOptions,
  dataOptions,
  logsOptions,
  removeOptions,
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
      name: 'rolling-restart',
      summary: 'Restart all nodes, one after the other, while clients go on',
      details: [
        'The leader comes last and hands over first. It does not begin while a node is down.',
        'A client of its own writes meanwhile, in a session, and tells how long nothing was ' +
          'acknowledged; exits with 1 when one of its writes failed.',
      ],
      options: waitOptions,
      examples: [
        'ringraft cluster rolling-restart',
        'ringraft cluster rolling-restart --timeout 5m',
      ],
      load: () => import('./rolling-restart-command.js'),
    }),
    command({
      name: 'add',
      summary: 'Start one more node and add it, or add one that runs already',
      details: [
        'Without ID: a new node of this machine, with the next id and ports. ID alone: a node of ' +
          'the directory that was removed. With ADDRESS: one that waits there ("ringraft server ' +
          '--join"), or a member that has moved.',
        'Returns when the node votes. A change that was begun goes on when this ends.',
      ],
      options: addOptions,
      positionals: { usage: '[ID [ADDRESS]]', min: 0, max: 2 },
      examples: [
        'ringraft cluster add',
        'ringraft cluster add --learner',
        'ringraft cluster add 4 10.0.0.4:5001 --dry-run',
      ],
      load: () => import('./add-command.js'),
    }),
    command({
      name: 'remove',
      summary: 'Make a node no member any more; its process and data stay',
      options: removeOptions,
      positionals: { usage: 'ID', min: 1, max: 1 },
      examples: ['ringraft cluster remove 4', 'ringraft cluster remove 4 --dry-run'],
      load: () => import('./remove-command.js'),
    }),
    command({
      name: 'transfer',
      summary: 'Hand the leadership to a node, or to the one with most of the log',
      options: waitOptions,
      positionals: { usage: 'ID', min: 0, max: 1 },
      examples: ['ringraft cluster transfer', 'ringraft cluster transfer 2'],
      load: () => import('./transfer-command.js'),
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
