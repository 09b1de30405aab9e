/**
 * `ringraft cluster status`: what every node is doing, as a table or as JSON. Exits with `noLeader`
 * when nobody leads, so that a script can wait for a cluster that works.
 */

import type { Invocation } from '../cli/command.js';
import { ExitCode } from '../cli/exit-codes.js';
import { Cluster } from './cluster.js';
import type { statusOptions } from './cluster-options.js';
import { leaderOf } from './node-view.js';
import { learnerLines, statusReport, statusTable } from './status-table.js';

export async function run(invocation: Invocation<typeof statusOptions>): Promise<ExitCode> {
  const { options, stdout } = invocation;
  const cluster = new Cluster(options.data);
  const views = await cluster.views();
  stdout.write(
    options.json
      ? `${JSON.stringify(statusReport(cluster.dataDir, views), null, 2)}\n`
      : `${statusTable(views)}${learnerLines(views)}`,
  );
  return leaderOf(views) === undefined ? ExitCode.noLeader : ExitCode.ok;
}
