/**
 * Every command of `ringraft`, one row each. Adding one is adding a row: name, summary, options,
 * examples and where its module is; help, parsing and suggestions follow.
 *
 * Rows may import option tables, which are data, but never a command's code: `load` does, when the
 * command is called, so that `ringraft --help` starts at once.
 */

import { clusterCommands } from '../cluster/cluster-commands.js';
import { crashOptions } from '../crash/crash-options.js';
import { inspectSnapshotOptions, inspectWalOptions } from '../inspect/inspect-options.js';
import { loadOptions } from '../load/load-options.js';
import { repairOptions } from '../repair/repair-options.js';
import { serverOptions } from '../server/server-options.js';
import { snapshotRemedies } from '../server/snapshot-flags.js';
import { simOptions } from '../sim/sim-options.js';
import { snapshotOptions } from '../snapshot/snapshot-options.js';
import { type Command, command, commandGroup } from './command.js';

const COMMANDS: readonly Command[] = [
  command({
    name: 'server',
    summary: 'Run one node of a key-value cluster in the foreground',
    details: [
      'Without --cluster the node is a cluster of its own. Clients speak RESP (redis-cli and ' +
        'every Redis library) or plain lines (netcat) to the port of --client. At a terminal it ' +
        'also reads commands: HELP lists them, QUIT ends the node. On a node that does not lead ' +
        'it forwards writes, unless --on-follower is redirect.',
    ],
    options: serverOptions,
    remedies: snapshotRemedies,
    examples: [
      'ringraft server --listen 127.0.0.1:5001 --node 1 --data ./data/1 --client 5101',
      'ringraft server --listen 127.0.0.1:5001 --node 1 --data ./data/1 --client 5101 ' +
        '--cluster 127.0.0.1:5001,127.0.0.1:5002,127.0.0.1:5003',
    ],
    load: () => import('../server/server-command.js'),
  }),
  clusterCommands,
  command({
    name: 'crash',
    summary: 'Kill nodes of a cluster under load and prove that nothing acknowledged is lost',
    details: [
      'Starts a cluster of its own in a temporary directory. Each trial kills -9 the leader, a ' +
        'follower or all nodes while writers run, restarts them, and reads everything back ' +
        'through linearizable GETs on all nodes: acknowledged writes are there, refused ones are ' +
        'not, counters are neither short nor doubled. kill -9 takes the process and leaves the ' +
        'page cache; losses of power are for "ringraft sim".',
    ],
    options: crashOptions,
    examples: [
      'ringraft crash --trials 20',
      'ringraft crash --trials 30 --damage',
      'ringraft crash --trials 5 --nodes 5 --seed 7 --json crash.json',
    ],
    load: () => import('../crash/crash-command.js'),
  }),
  command({
    name: 'sim',
    summary: 'Run whole clusters on simulated time, disks and networks, from seeds, and check them',
    details: [
      'Core, runtime, log and peer protocol are the production code; crashes, torn and lost ' +
        'writes, partitions, loss, duplication, reordering, pauses and clocks are drawn from the ' +
        'seed. The safety properties are checked after every step, the clients’ history for ' +
        'linearizability at the end. A failing run prints the command that replays it. From 300 ' +
        'runs on, a kind of event that never happened is a failure as well.',
    ],
    options: simOptions,
    examples: [
      'ringraft sim --runs 300 --nodes 3',
      'ringraft sim --seed 1000 --runs 5000 --nodes 3..7',
      'ringraft sim --seed 42 --runs 1 --nodes 5 --trace',
    ],
    load: () => import('../sim/sim-command.js'),
  }),
  commandGroup(
    'inspect',
    'Print files of a data directory as text',
    [
      command({
        name: 'wal',
        summary: 'Print log segments: blocks, requests, runs, and where they are damaged',
        details: [
          'PATH is a segment, a log directory or a data directory. Reading changes nothing and ' +
            'works while a node writes. Payloads are not printed.',
        ],
        options: inspectWalOptions,
        positionals: { usage: 'PATH…', min: 1, max: 1000 },
        examples: ['ringraft inspect wal ./data/1/wal', 'ringraft inspect wal ./data/1 --limit 50'],
        load: () => import('../inspect/inspect-wal.js'),
      }),
      command({
        name: 'snapshot',
        summary: 'Print snapshots: header, chunks, footer, and where they are damaged',
        details: [
          'PATH is a snapshot, a directory of snapshots or a data directory; of a directory each ' +
            'file is a line. Every byte is read and verified, nothing is changed, and a damaged ' +
            'file ends in exit code 1. What an image holds is not printed.',
        ],
        options: inspectSnapshotOptions,
        positionals: { usage: 'PATH…', min: 1, max: 1000 },
        examples: [
          'ringraft inspect snapshot ./data/1',
          'ringraft inspect snapshot ./data/1/snapshots/*.snapshot --chunks',
        ],
        load: () => import('../inspect/inspect-snapshot.js'),
      }),
    ],
    ['ringraft inspect wal ./data/1', 'ringraft inspect snapshot ./data/1'],
  ),
  command({
    name: 'repair',
    summary: 'Set a damaged log or meta of a stopped node aside, so that the node rejoins',
    details: [
      'DATA is a node’s data directory. What is damaged is moved to DATA/damaged-TIME, never ' +
        'deleted, and a new incarnation with an empty log takes its place, which keeps the ' +
        'highest term that was found and votes for nobody in it. Started by its usual command ' +
        'the node catches up and counts again once a majority, without it, has readmitted it. ' +
        'An undamaged directory is left alone, and so is one without which no majority is left.',
    ],
    options: repairOptions,
    positionals: { usage: 'DATA', min: 1, max: 1 },
    examples: ['ringraft repair ./data/1 --dry-run', 'ringraft repair ./data/1'],
    load: () => import('../repair/repair-command.js'),
  }),
  command({
    name: 'load',
    summary: 'Drive a running cluster and measure it',
    details: [
      'Keeps a fixed number of commands in flight over RESP, following the leader, and reports ' +
        'throughput, latency percentiles and every error by kind. The loop is closed: latencies ' +
        'are service times, and a slow cluster is also sent less.',
    ],
    options: loadOptions,
    examples: [
      'ringraft load --targets 127.0.0.1:5101,127.0.0.1:5102,127.0.0.1:5103',
      'ringraft load --targets 127.0.0.1:5101 --in-flight 8192 --duration 30s --json report.json',
      'ringraft load --targets 127.0.0.1:5101 --ratio 9:1 --fill --json - --quiet',
    ],
    load: () => import('../load/load-command.js'),
  }),
  command({
    name: 'snapshot',
    summary: 'Have nodes of a running cluster take a snapshot now',
    details: [
      'TARGET is the client port of a node, HOST:PORT or a port of this machine. Without one the ' +
        'running nodes of the cluster in --data are asked, and where there is none ' +
        '127.0.0.1:5101, 5102 and 5103. Nodes are asked one after the other; exit code 1 when ' +
        'one has no snapshot in the end.',
    ],
    options: snapshotOptions,
    positionals: { usage: 'TARGET…', min: 0, max: 1000 },
    examples: ['ringraft snapshot', 'ringraft snapshot 127.0.0.1:5101 --timeout 10m'],
    load: () => import('../snapshot/snapshot-command.js'),
  }),
];

export const ROOT_COMMAND: Command = commandGroup(
  'ringraft',
  'Multi-Raft replication engine for Node.js: servers, clusters and the tools around them',
  COMMANDS,
  ['ringraft cluster run 3', 'ringraft load --targets 127.0.0.1:5101 --duration 10s'],
);
