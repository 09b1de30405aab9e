/**
 * Reads back what was written and holds it against the ledger: nothing acknowledged is missing,
 * nothing refused is there, every value is the one that was written, and every counter lies between
 * what was certainly and what was perhaps done.
 *
 * No writer may run meanwhile. What was unknown and is found counts as acknowledged from then on.
 */

import type { Address } from '../cli/value-rules.js';
import { counterKey, counterOf, keyOf, writtenValue } from './commands.js';
import { type Ledger, Outcome, type WriterLedger } from './ledger.js';
import { type ReadRequest, readAll } from './reader.js';

const READS_AT_ONCE = 50_000;

export interface KeyRange {
  readonly writer: WriterLedger;
  readonly from: number;
  readonly to: number;
}

export interface Verdict {
  readonly checked: number;
  readonly problems: readonly string[];
}

/** How a node is named in a problem, and where it answers. */
export interface Target {
  readonly id: number;
  readonly address: Address;
}

/** Checks the keys of these ranges; each key is read on one node, by its number and `turn`. */
export async function verifyKeys(
  targets: readonly Target[],
  ranges: readonly KeyRange[],
  turn: number,
): Promise<Verdict> {
  const problems: string[] = [];
  const counts = await Promise.all(
    targets.map(async (target, at) => {
      let checked = 0;
      let batch: ReadRequest[] = [];
      const flush = async (): Promise<void> => {
        checked += batch.length;
        await readAll(target.address, batch);
        batch = [];
      };
      for (const { writer, from, to } of ranges) {
        for (let number = from; number < to; number++) {
          if ((number + turn) % targets.length !== at) continue;
          if (counterOf(writer.writer, number) !== undefined) continue;
          batch.push(request(writer, number, target, problems));
          if (batch.length === READS_AT_ONCE) await flush();
        }
      }
      await flush();
      return checked;
    }),
  );
  return { checked: counts.reduce((sum, count) => sum + count, 0), problems };
}

function request(
  writer: WriterLedger,
  number: number,
  target: Target,
  problems: string[],
): ReadRequest {
  const key = keyOf(writer.writer, number);
  return {
    key,
    take: (value) => {
      const problem = judge(writer, number, value);
      if (problem !== undefined) problems.push(`node ${target.id}, ${key}: ${problem}`);
    },
  };
}

/** What is wrong with finding this value; undefined when it is right. */
export function judge(
  writer: WriterLedger,
  number: number,
  value: Buffer | null,
): string | undefined {
  const outcome = writer.outcome(number);
  if (outcome === Outcome.sent) return 'it is still in flight: writers must have stopped';
  if (value === null) {
    if (outcome === Outcome.acked) return 'LOST: acknowledged, but it is not there';
    return outcome === Outcome.seen ? 'LOST: it was there before, and is gone' : undefined;
  }
  const wanted = writtenValue(writer.writer, number);
  const found = value.toString('latin1');
  if (found !== wanted) {
    const shown = found.length > 60 ? `${found.slice(0, 60)}… (${found.length} bytes)` : found;
    return `WRONG: holds "${shown}", ${wanted.length} other bytes were written`;
  }
  if (outcome === Outcome.refused) return 'it is there, though the reply said not executed';
  if (outcome === Outcome.unknown) writer.see(number);
  return undefined;
}

/** Checks all counters on every node, one node after the other. */
export async function verifyCounters(targets: readonly Target[], ledger: Ledger): Promise<Verdict> {
  const problems: string[] = [];
  for (const { id, address } of targets) {
    const requests = ledger.counters.map((counter, at) => ({
      key: counterKey(at),
      take: (value: Buffer | null): void => {
        const problem = counter.read(value === null ? 0 : Number(value.toString('latin1')));
        if (problem !== undefined) problems.push(`node ${id}, ${counterKey(at)}: ${problem}`);
      },
    }));
    await readAll(address, requests);
  }
  return { checked: targets.length * ledger.counters.length, problems };
}
