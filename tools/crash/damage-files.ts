/**
 * Damages one file of a node that does not run: flips a byte, cuts it short, or removes it.
 *
 * Only logs and snapshots, never the identity. It must never touch a node that runs, nor a second
 * node before the first is whole again: that is the caller's to see to.
 */

import { readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Prng } from '../../engine/raft/prng.js';

const DAMAGES = ['flip', 'flip', 'flip', 'cut', 'remove'] as const;

/** Damages one file below `data` and says what was done; null when there is none. */
export function damageFiles(data: string, prng: Prng): string | null {
  const files = [
    ...filesIn(join(data, 'wal'), '.wal'),
    ...filesIn(join(data, 'snapshots'), '.snapshot'),
  ];
  if (files.length === 0) return null;
  const path = prng.pick(files);
  switch (prng.pick(DAMAGES)) {
    case 'flip':
      return flip(path, prng);
    case 'cut': {
      const bytes = readFileSync(path).length;
      const left = prng.below(Math.max(1, bytes));
      truncateSync(path, left);
      return `${path} cut to ${left} of ${bytes} bytes`;
    }
    case 'remove':
      rmSync(path);
      return `${path} removed`;
  }
}

function filesIn(directory: string, suffix: string): string[] {
  const names = readdirSync(directory, { encoding: 'utf8' }).filter((name) =>
    name.endsWith(suffix),
  );
  return names.sort().map((name) => join(directory, name));
}

/** Where something was written: most of a segment is room. */
function flip(path: string, prng: Prng): string {
  const bytes = readFileSync(path);
  const used = bytes.findLastIndex((byte) => byte !== 0) + 1;
  const at = prng.below(Math.max(1, used));
  const mask = 1 << prng.below(8);
  bytes[at] = (bytes[at] ?? 0) ^ mask;
  writeFileSync(path, bytes);
  return `${path} byte ${at} flipped by ${mask}`;
}
