/**
 * Hunts one mutant: copies the tree, changes it, and runs the simulator there in a process of its
 * own until a seed fails.
 */

import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { FAULT_FAMILIES } from '../../tools/sim/fault-families.js';
import type { Mutant } from './mutant.js';
import { makeCopy, ROOT, removeCopy } from './mutated-copy.js';

export interface Hunt {
  readonly mutant: Mutant;
  /** Seeds until the first failure; null when none failed. */
  readonly seeds: number | null;
  readonly failure: string;
  readonly elapsedMs: number;
}

export const SEEDS_MAX = 300;

export async function hunt(mutant: Mutant, firstSeed = 1, seedsMax = SEEDS_MAX): Promise<Hunt> {
  const begun = performance.now();
  const folder = makeCopy(mutant);
  try {
    const script = join(folder, 'test/mutants/hunt.ts');
    const numbers = [firstSeed, seedsMax, mutant.nodes ?? 3].map(String);
    const families = (mutant.faults ?? FAULT_FAMILIES).join(',');
    const output = await outputOf(['--import', 'tsx', script, ...numbers, families]);
    const { seeds, failure } = JSON.parse(output) as Pick<Hunt, 'seeds' | 'failure'>;
    return { mutant, seeds, failure, elapsedMs: performance.now() - begun };
  } finally {
    removeCopy(folder);
  }
}

function outputOf(args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...args], {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve(output);
      else reject(new Error(`${args.join(' ')} ended with ${code}: ${output}`));
    });
  });
}
