/**
 * The options of `ringraft inspect`, as data for the command table. It must import no code of the
 * commands.
 */

import { flag, optional } from '../cli/command.js';
import { integer } from '../cli/value-rules.js';

export const inspectWalOptions = {
  limit: optional(integer(1, 1_000_000_000, 200), 'print at most N lines of each file'),
} as const;

export const inspectSnapshotOptions = {
  chunks: flag('print a line for each chunk of a file'),
} as const;
