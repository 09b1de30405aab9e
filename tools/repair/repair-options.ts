/**
 * The options of `ringraft repair`, as data for the command table. It must import no code of the
 * command.
 */

import { flag, optional } from '../cli/command.js';
import { text } from '../cli/value-rules.js';

export const repairOptions = {
  'dry-run': flag('say what is damaged and what would be done, and change nothing'),
  force: flag('repair although nothing here says that a majority of the others is intact'),
  'wal-dir': optional(
    text('PATH', 'the path of a directory', '/fast/wal'),
    'where the log lies, if DATA/meta is damaged and it lay elsewhere',
  ),
} as const;
