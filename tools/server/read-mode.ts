/**
 * The value of `--reads`: what the reads of clients see unless a call says otherwise, as one word,
 * with the staleness behind `bounded`.
 *
 * The command table reads this to print a help page, so it must import no code of the server.
 */

import type { ReadTermsGiven } from '../../engine/config-reads.js';
import type { ValueRule } from '../cli/value-rules.js';

const WORDS = ['linearizable', 'lease', 'local'] as const;
const STALENESS_MS_MAX = 3_600_000;
const STALENESS_MS_DEFAULT = 500;

function printReads({ consistency = 'linearizable', maxStalenessMs }: ReadTermsGiven): string {
  return maxStalenessMs === undefined ? consistency : `${consistency}:${maxStalenessMs}`;
}

function parseReads(given: string): ReadTermsGiven | undefined {
  const word = WORDS.find((each) => each === given);
  if (word !== undefined) return { consistency: word };
  const match = /^bounded(?::(\d{1,7}))?$/.exec(given);
  if (match === null) return undefined;
  const maxStalenessMs = Number(match[1] ?? STALENESS_MS_DEFAULT);
  if (maxStalenessMs < 1 || maxStalenessMs > STALENESS_MS_MAX) return undefined;
  return { consistency: 'bounded', maxStalenessMs };
}

export const readMode: ValueRule<ReadTermsGiven> = {
  placeholder: 'linearizable|lease|bounded[:MS]|local',
  expects:
    'linearizable, lease, local, or bounded with the milliseconds that the state may be old, ' +
    `from 1 to ${STALENESS_MS_MAX}`,
  example: 'bounded:500',
  parse: parseReads,
  print: printReads,
};
