/**
 * The options of `ringraft snapshot`, as data: the command table reads this to print a help page,
 * so it must import no code that does anything.
 */

import { value } from '../cli/command.js';
import { duration, text } from '../cli/value-rules.js';

const TIME_MS_MAX = 24 * 3_600_000;

export const snapshotOptions = {
  data: value(
    text('DIR', 'a directory', './data'),
    './data',
    'the cluster whose nodes are asked when no TARGET is named',
  ),
  timeout: value(
    duration(100, TIME_MS_MAX, '2m'),
    120_000,
    'give up on a node that has not answered after this; its snapshot goes on',
  ),
} as const;
