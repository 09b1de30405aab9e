/**
 * Every command of `ringraft`, one row each. Adding one is adding a row: name, summary, options,
 * examples and where its module is; help, parsing and suggestions follow.
 *
 * Rows may import option tables, which are data, but never a command's code: `load` does, when the
 * command is called, so that `ringraft --help` starts at once.
 */

import { loadOptions } from '../load/load-options.js';
import { type Command, command, commandGroup } from './command.js';

const COMMANDS: readonly Command[] = [
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
];

export const ROOT_COMMAND: Command = commandGroup(
  'ringraft',
  'Multi-Raft replication engine for Node.js: servers, clusters and the tools around them',
  COMMANDS,
  ['ringraft load --targets 127.0.0.1:5101 --duration 10s'],
);
