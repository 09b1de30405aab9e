/**
 * The options of `ringraft inspect wal`, as data for the command table. It must import no code of
 * the command.
 */

import { optional } from '../cli/command.js';
import { integer } from '../cli/value-rules.js';

export const inspectWalOptions = {
  limit: optional(integer(1, 1_000_000_000, 200), 'print at most N lines of each file'),
} as const;
